"""The official Python clients of Runware and inference.sh work against the sandbox, unchanged.

They know nothing of our adapters: what they can be told is what a stranger could be told. Only
their base address is set, which is a setting of theirs.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from inferencesh import Inference
from PIL import Image
from runware import Runware

from tests.sandboxes import Sandbox

KEY = "key-of-an-official-client"
MP4 = b"ftyp"


async def test_runwares_own_client_buys_a_clip(sandbox: Sandbox) -> None:
    """It submits, polls and returns the result with its cost; one task is billed."""
    address = f"{sandbox.base_urls['runware']}/v1"
    wanted = {
        "taskType": "videoInference",
        "model": "klingai:kling@o1-standard",
        "positivePrompt": "a red shoe turns",
        "width": 720,
        "height": 1280,
        "duration": 5,
        "includeCost": True,
    }

    async with Runware(api_key=KEY, http_base_url=address, transport="rest") as client:
        (result,) = await client.run(wanted)

    (task,) = sandbox.tasks("runware", KEY)
    assert ("success", task["task"]) == (result["status"], result["taskUUID"])
    assert Decimal(task["usd"]) == Decimal(str(result["cost"]))
    async with httpx.AsyncClient(trust_env=False) as plain:
        assert MP4 == (await plain.get(result["videoURL"])).content[4:8]


async def test_runwares_own_client_is_told_what_is_wrong(sandbox: Sandbox) -> None:
    """A bad key is its own kind of error there, and nothing is bought."""
    sandbox.set(accounts={KEY: "bad"})
    address = f"{sandbox.base_urls['runware']}/v1"

    async with Runware(api_key=KEY, http_base_url=address, transport="rest") as client:
        with pytest.raises(Exception, match=r"(?i)api.?key|unauthori"):
            await client.run({"taskType": "accountManagement", "operation": "getDetails"})

    assert [] == sandbox.tasks("runware", KEY)


def test_inferences_own_client_runs_with_an_uploaded_picture(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """It uploads a file, runs the app, follows the stream and returns the task that ended."""
    picture = tmp_path / "shoe.png"
    Image.new("RGB", (720, 1280), (160, 40, 40)).save(picture)
    client = Inference(api_key=KEY, base_url=sandbox.base_urls["inference"])

    stored = client.upload_file(str(picture))
    ended = client.run(
        {
            "app": "klingai/video-o1",
            "input": {
                "prompt": "@image_1 turns",
                "reference_images": [stored["uri"]],
                "duration": 5,
                "aspect_ratio": "9:16",
                "resolution": "720p",
            },
        }
    )

    (task,) = sandbox.tasks("inference", KEY)
    assert task["task"] == ended["id"]
    assert 1 == len(task["references"])
    video = ended["output"]["video"]
    link = video["uri"] if isinstance(video, dict) else video
    assert MP4 == httpx.get(link, trust_env=False).content[4:8]
