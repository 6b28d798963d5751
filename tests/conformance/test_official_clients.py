"""The providers' official clients work against the sandbox, unchanged.

They know nothing of our adapters: what they can be told is what a stranger could be told. Only
their base address is set, which is a setting of theirs; EvoLink's tool has none, so its requests
are led to loopback beneath it (`node/shim.mjs`). Which of their calls the sandbox answers, and
which not, is told in docs/sandbox.md.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from inferencesh import AsyncInference, Inference
from inferencesh.models.errors import APIError
from runware import Runware, RunwareError

from tests.conformance.clients import eventually, movie, picture
from tests.conformance.json_rpc import MODULES, NODE, JsonRpcError, NodeProgram
from tests.sandboxes import Sandbox

KEY = "key-of-an-official-client"
MP4 = b"ftyp"
PNG = base64.b64encode(picture(720, 1280)).decode()
DATA_URI = f"data:image/png;base64,{PNG}"
LONG = {"accept_s": 0, "run_s": 60}


def _is_clip(url: str) -> bool:
    return httpx.get(url, trust_env=False).content[4:8] == MP4


def _published(sandbox: Sandbox, path: Path) -> str:
    """Put a file on the web, as far as the sandbox knows one, and return its address."""
    place = httpx.URL(sandbox.base_urls["runware"]).copy_with(path="/_sandbox/web")
    return str(httpx.post(place, content=path.read_bytes(), trust_env=False).json()["url"])


@pytest.fixture
def shoe(tmp_path: Path) -> Path:
    """Return a picture in a file."""
    path = tmp_path / "shoe.png"
    path.write_bytes(base64.b64decode(PNG))
    return path


# --- Runware, Python

VIDEO = {
    "taskType": "videoInference",
    "model": "klingai:kling@o1-standard",
    "positivePrompt": "a red shoe turns",
    "width": 720,
    "height": 1280,
    "duration": 5,
    "includeCost": True,
}


def _runware(sandbox: Sandbox, transport: str) -> Runware:
    """Return a client that knows the sandbox's addresses, by the names of its own settings."""
    told = sandbox.addresses["runware"]
    addresses = {name: told[name] for name in ("http_base_url", "ws_base_url")}
    return Runware(api_key=KEY, transport=transport, **addresses)


@pytest.fixture(params=["rest", "websocket"])
async def runware(sandbox: Sandbox, request: pytest.FixtureRequest) -> AsyncIterator[Runware]:
    """Return Runware's client for Python, over REST, and over the WebSocket that is its default."""
    async with _runware(sandbox, request.param) as client:
        yield client


async def test_runwares_client_buys_a_clip(sandbox: Sandbox, runware: Runware) -> None:
    """It submits, polls and returns the result with its cost; one task is billed."""
    (result,) = await runware.run(VIDEO)

    (task,) = sandbox.tasks("runware", KEY)
    assert ("success", task["task"]) == (result["status"], result["taskUUID"])
    assert Decimal(task["usd"]) == Decimal(str(result["cost"]))
    assert _is_clip(result["videoURL"])


@pytest.mark.parametrize("media", [PNG, DATA_URI])
async def test_runwares_client_stores_uses_and_deletes_media(
    sandbox: Sandbox, runware: Runware, media: str
) -> None:
    """Bytes go in as base64 or as a data URI; what it was told is an input of the next call."""
    stored: Any = (await runware.media_storage({"operation": "upload", "media": media}))[0]
    frame = {"image": stored["mediaURL"], "frame": "first"}
    wanted = {name: VIDEO[name] for name in VIDEO.keys() - {"width", "height"}}

    (result,) = await runware.run({**wanted, "inputs": {"frameImages": [frame]}})
    deletion: Any = {"operation": "delete", "mediaUUID": stored["mediaUUID"]}
    gone: Any = (await runware.media_storage(deletion))[0]

    (task,) = sandbox.tasks("runware", KEY)
    assert 1 == len(task["references"])
    assert _is_clip(result["videoURL"])
    assert ("upload", "delete") == (stored["operation"], gone["operation"])
    assert stored["mediaUUID"] == gone["mediaUUID"]
    assert [] == sandbox.ledger()["providers"]["runware"]["accounts"][KEY]["uploads"]


async def test_runwares_client_stores_what_is_on_the_web(
    sandbox: Sandbox, runware: Runware, shoe: Path
) -> None:
    """A medium is taken by its address too, where the sandbox itself serves it."""
    url = _published(sandbox, shoe)
    stored: Any = (await runware.media_storage({"operation": "upload", "media": url}))[0]
    wanted = {name: VIDEO[name] for name in VIDEO.keys() - {"width", "height"}}

    await runware.run({**wanted, "inputs": {"referenceImages": [stored["mediaUUID"]]}})

    (task,) = sandbox.tasks("runware", KEY)
    (upload,) = sandbox.ledger()["providers"]["runware"]["accounts"][KEY]["uploads"]
    assert [upload["digest"]] == task["references"]
    assert upload["id"] == stored["mediaUUID"]


async def test_runwares_client_deletes_media_only_by_its_id(runware: Runware) -> None:
    """Without an id, or with one that nobody has, a deletion is refused."""
    for wrong in ({}, {"mediaUUID": str(uuid.uuid4())}):
        nothing: Any = {"operation": "delete", **wrong}
        with pytest.raises(RunwareError):
            await runware.media_storage(nothing)


async def test_runwares_client_uploads_an_image_the_older_way(runware: Runware) -> None:
    """`imageUpload` is deprecated and still spoken."""
    (stored,) = await runware.image_upload({"image": PNG})

    assert {"imageUUID", "imageURL"} < stored.keys()


async def test_runwares_client_reads_a_task_again(runware: Runware) -> None:
    """A task can be asked for by its id, for its result and for all that is known of it.

    The request is told as the tasks that were sent.
    """
    (result,) = await runware.run({**VIDEO, "routing": {}})

    again: Any = (await runware.get_response({"taskUUID": result["taskUUID"]}))[0]
    details: Any = (await runware.get_task_details({"taskUUID": result["taskUUID"]}))[0]

    assert result["videoURL"] == again["videoURL"]
    assert result["taskUUID"] == details["taskUUID"]
    assert [result["videoURL"]] == [one["videoURL"] for one in details["response"]["data"]]
    assert [VIDEO["positivePrompt"]] == [one["positivePrompt"] for one in details["request"]]
    assert {"NSFWContent", "seed"} < result.keys()


async def test_runwares_client_buys_several_results_at_once(
    sandbox: Sandbox, runware: Runware
) -> None:
    """One task has as many results as it asked for, in their order, and one bill."""
    results = await runware.run({**VIDEO, "numberResults": 2})

    (task,) = sandbox.tasks("runware", KEY)
    assert [0, 1] == [one["resultIndex"] for one in results]
    assert 2 == len({one["videoURL"] for one in results})
    assert Decimal(task["usd"]) == sum(Decimal(str(one["cost"])) for one in results)


async def test_runwares_client_finds_models(runware: Runware) -> None:
    """By a word, page by page; the AIR that is found is what a run takes."""

    async def found(**asked: Any) -> Any:
        params: Any = asked
        return (await runware.model_search(params))[0]

    every, second = await found(search="kling"), await found(limit=1, offset=1, sort="-name")
    (cheap,) = (await found(search="Standard"))["results"]

    assert {"klingai:kling@o1", VIDEO["model"]} == {one["air"] for one in every["results"]}
    assert (2, 2) == (every["totalResults"], second["totalResults"])
    assert ["klingai:kling@o1"] == [one["air"] for one in second["results"]]
    assert VIDEO["model"] == cheap["air"]
    for other in ({"search": "veo"}, {"source": "community"}, {"category": "lora"}):
        assert 0 == (await found(**other))["totalResults"]


@pytest.mark.parametrize("form", ["errors", "item"])
async def test_runwares_client_is_told_that_a_task_failed(
    sandbox: Sandbox, runware: Runware, form: str
) -> None:
    """As an error beside the data or as an item that says error: it knows which class it is of."""
    sandbox.play({"fault": "refused", "form": form})

    with pytest.raises(RunwareError) as refused:
        await runware.run(VIDEO)

    assert "safety" == refused.value.code


async def test_runwares_client_buys_once_over_a_connection_that_breaks(sandbox: Sandbox) -> None:
    """Its WebSocket is closed behind a task that was taken: it comes back, asks, and has its clip.

    What it sends again is refused as known, and to it that is the word that it was taken.
    """
    sandbox.play("drop-after")
    async with _runware(sandbox, "websocket") as client:
        (result,) = await client.run(VIDEO)

    assert [result["taskUUID"]] == [task["task"] for task in sandbox.tasks("runware", KEY)]
    assert _is_clip(result["videoURL"])


async def test_runwares_client_cannot_connect_with_a_bad_key(sandbox: Sandbox) -> None:
    """The first message of a WebSocket is the key, and it is refused at once."""
    sandbox.set(accounts={KEY: "bad"})

    with pytest.raises(RunwareError, match="Invalid API key"):
        await _runware(sandbox, "websocket").connect()


async def test_runwares_client_reads_the_account(sandbox: Sandbox, runware: Runware) -> None:
    """The balance is what the account has left."""
    sandbox.set(accounts={KEY: {"balance_usd": 1}})
    await runware.run(VIDEO)

    (account,) = await runware.account_management({"operation": "getDetails"})

    (task,) = sandbox.tasks("runware", KEY)
    left = Decimal(1) - Decimal(task["usd"])
    assert {"amount": float(left), "currency": "USD"} == account["balance"]


async def test_runwares_client_is_told_what_is_wrong(sandbox: Sandbox, runware: Runware) -> None:
    """Each refusal is its own kind of error there, and nothing is bought."""
    broke = {KEY: {"balance_usd": 0}}
    refusals: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("validation", {}, {**VIDEO, "model": "klingai:kling@o9"}),
        ("validation", {}, {**VIDEO, "duration": 99}),
        ("quota", broke, VIDEO),
        ("auth", {KEY: "bad"}, VIDEO),
    ]
    for code, accounts, wanted in refusals:
        sandbox.set(accounts=accounts)
        with pytest.raises(RunwareError) as refused:
            await runware.run(wanted)
        assert code == refused.value.code

    sandbox.set(accounts={})
    with pytest.raises(RunwareError) as unknown:
        await runware.get_task_details({"taskUUID": str(uuid.uuid4())})
    assert "notFound" == unknown.value.code
    assert [] == sandbox.tasks("runware", KEY)


# --- inference.sh, Python


def _order(**fields: Any) -> dict[str, Any]:
    given = {"duration": 5, "aspect_ratio": "9:16", "resolution": "720p"}
    return {"app": "klingai/video-o1", "input": {"prompt": "a shoe turns", **given, **fields}}


def _pictured(picture: Any) -> dict[str, Any]:
    return _order(prompt="@image_1 turns", reference_images=[picture])


def _video(ended: dict[str, Any]) -> str:
    return str(ended["output"]["video"])


@pytest.fixture
def inference(sandbox: Sandbox) -> Inference:
    """Return inference.sh's client for Python."""
    return Inference(api_key=KEY, base_url=sandbox.base_urls["inference"])


def test_inferences_python_client_uploads_in_every_form(
    sandbox: Sandbox, inference: Inference, shoe: Path
) -> None:
    """A path, bytes, a data URI and base64; each is there to be fetched."""
    given: list[str | bytes] = [str(shoe), shoe.read_bytes(), DATA_URI, PNG]

    stored = [inference.upload_file(one) for one in given]
    stored.append(inference.files.upload(str(shoe)))

    for one in stored:
        assert shoe.read_bytes() == httpx.get(one["uri"], trust_env=False).content
    uploads = sandbox.ledger()["providers"]["inference"]["accounts"][KEY]["uploads"]
    assert len(stored) == len(uploads)


@pytest.mark.parametrize("form", ["uploaded", "path", "data uri"])
def test_inferences_python_client_runs_with_a_picture(
    sandbox: Sandbox, inference: Inference, shoe: Path, form: str
) -> None:
    """It uploads a file, or finds it in the input; runs, streams, and returns what ended."""
    forms: dict[str, Callable[[], str]] = {
        "uploaded": lambda: str(inference.upload_file(str(shoe))["uri"]),
        "path": lambda: str(shoe),
        "data uri": lambda: DATA_URI,
    }

    ended = inference.run(_pictured(forms[form]()))

    (task,) = sandbox.tasks("inference", KEY)
    assert (task["task"], 1) == (ended["id"], len(task["references"]))
    assert _is_clip(_video(ended))


def test_inferences_python_client_follows_a_task_every_way(inference: Inference) -> None:
    """Streamed as it runs, streamed later, waited for, and asked for once: the same clip."""
    streamed = list(inference.run(_order(), stream=True))
    started = inference.run(_order(), wait=False)
    waited = inference.wait_for_completion(started["id"])
    with inference.stream_task(started["id"]) as stream:
        updates = list(stream)
    listened = list(inference.tasks.stream(started["id"]))
    asked = inference.get_task(started["id"]).data

    assert _is_clip(_video(streamed[-1]))
    assert 1 == len({_video(one) for one in (waited, updates[-1], listened[-1], asked)})
    assert stream.result is not None
    assert started["id"] == stream.result["id"]


def test_inferences_clients_are_told_that_a_task_failed(
    sandbox: Sandbox, inference: Inference, sdk: Sdk
) -> None:
    """Streamed or polled, waiting for a task that fails ends with its own words for that."""
    words = {"failed": "upstream generation failed", "refused": "risk control"}
    for fault, said in words.items():
        sandbox.play(*[fault] * 3)
        with pytest.raises(RuntimeError, match=said):
            inference.run(_order())
        for stream in (True, False):
            with pytest.raises(JsonRpcError, match=said):
                sdk("run", _order(), {"stream": stream})


def test_inferences_python_client_cancels(sandbox: Sandbox, inference: Inference) -> None:
    """A task that runs is cancelled once; waiting for it says so, a second time is refused."""
    sandbox.set(timing=LONG)
    started = inference.run(_order(), wait=False)

    inference.cancel(started["id"])

    with pytest.raises(RuntimeError, match="cancelled"):
        inference.wait_for_completion(started["id"])
    with pytest.raises(APIError, match="409"):
        inference.cancel(started["id"])


def test_inferences_python_client_deletes(inference: Inference, shoe: Path) -> None:
    """A task's files are listed by their role and deleted, and then the task."""
    task = inference.run(_pictured(str(shoe)))["id"]

    roles = [one["role"] for one in inference.tasks.files(task).data]
    outputs = inference.tasks.files(task, role="output").data
    deleted = inference.tasks.delete_files(task, role="output").data["deleted"]
    inference.tasks.delete(task, files=True)

    assert ["input", "output"] == sorted(roles)
    assert deleted == [one["id"] for one in outputs]
    with pytest.raises(APIError, match="404"):
        inference.get_task(task)


def test_inferences_python_client_is_told_what_is_wrong(
    sandbox: Sandbox, inference: Inference
) -> None:
    """Each refusal is an error with its status; want of money is a task that was rejected."""
    refusals: list[tuple[str, dict[str, Any], Callable[[], Any]]] = [
        ("422", {}, lambda: inference.run(_order(duration=99))),
        ("404", {}, lambda: inference.get_task("nobody-knows-it")),
        ("401", {KEY: "bad"}, lambda: inference.run(_order())),
        ("401", {KEY: "bad"}, lambda: inference.upload_file(PNG)),
    ]
    for status, accounts, call in refusals:
        sandbox.set(accounts=accounts)
        with pytest.raises(APIError, match=status):
            call()
    sandbox.set(accounts={KEY: {"balance_usd": 0}})
    with pytest.raises(RuntimeError, match="insufficient balance"):
        inference.run(_order())

    assert [] == sandbox.tasks("inference", KEY)


async def test_inferences_python_client_does_it_at_once(sandbox: Sandbox) -> None:
    """Its asynchronous half uploads, runs, streams, waits and cancels too.

    Files by their path need a package more there, which is not one of ours.
    """
    client = AsyncInference(api_key=KEY, base_url=sandbox.base_urls["inference"])

    stored = await client.upload_file(PNG)
    ended, other = await asyncio.gather(
        client.run(_pictured(stored["uri"])), client.run(_pictured(DATA_URI))
    )
    updates = [update async for update in await client.run(_order(), stream=True)]
    started = await client.run(_order(), wait=False)
    waited = await client.wait_for_completion(started["id"])
    sandbox.set(timing=LONG)
    late = await client.run(_order(), wait=False)
    await client.cancel(late["id"])

    assert all(_is_clip(_video(one)) for one in (ended, other, updates[-1], waited))
    assert "cancelled" == (await client.get_task(late["id"])).data["status_text"]


# --- inference.sh, JavaScript

BLOB = {"$blob": PNG, "type": "image/png"}
QUEUED, COMPLETED, CANCELLED, REJECTED = 2, 10, 12, 13


class Sdk:
    """Calls `@inferencesh/sdk` in a process of its own."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the client returns."""
        return self._program.call(method, arguments)


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Sdk]:
    """Return inference.sh's client for JavaScript."""
    address = sandbox.base_urls["inference"]
    environment = {"INFERENCE_API_KEY": KEY, "INFERENCE_BASE_URL": address}
    with NodeProgram(NODE / "sdk.mjs", **environment) as program:
        yield Sdk(program)


def _ended(sdk: Sdk, task: str) -> dict[str, Any]:
    """Return what is told of a task that has its clip, or nothing."""
    told: dict[str, Any] = sdk("getTask", task)["data"]
    return told if told["status"] == COMPLETED else {}


@pytest.mark.parametrize("form", [BLOB, {**BLOB, "name": "shoe.png"}])
def test_inferences_sdk_uploads(sdk: Sdk, form: dict[str, str]) -> None:
    """A Blob and a File are put where the API says, and are there to be fetched."""
    stored = sdk("uploadFile", form)

    assert form.get("name") == stored["filename"]
    assert base64.b64decode(PNG) == httpx.get(stored["uri"], trust_env=False).content


@pytest.mark.parametrize("given", [DATA_URI, PNG])
def test_inferences_sdk_uploads_text_without_a_size(sdk: Sdk, given: str) -> None:
    """A data URI and base64 are announced without a size: only the bytes have one."""
    stored = sdk("uploadFile", given, {"contentType": "image/png"})

    assert base64.b64decode(PNG) == httpx.get(stored["uri"], trust_env=False).content
    assert COMPLETED == sdk("run", _pictured(given))["task"]["status"]


def test_inferences_sdk_lists_reads_and_deletes_files(sdk: Sdk) -> None:
    """What was uploaded is on the list, page by page, until it is deleted."""
    stored = [sdk("files.upload", {**BLOB, "name": f"{number}.png"}) for number in range(3)]

    first = sdk("files.list", {"limit": 2})["data"]
    second = sdk("files.list", {"limit": 2, "cursor": first["next_cursor"]})["data"]
    read = sdk("files.get", stored[0]["id"])["data"]
    sdk("files.delete", stored[0]["id"])
    left = sdk("files.list")["data"]

    listed = [one["filename"] for page in (first, second) for one in page["items"]]
    assert ["0.png", "1.png", "2.png"] == sorted(listed)
    assert stored[0]["uri"] == read["uri"]
    assert ("image/png", len(base64.b64decode(PNG))) == (read["content_type"], read["size"])
    assert {one["id"] for one in stored[1:]} == {one["id"] for one in left["items"]}
    assert 2 == left["total_items"]
    for call in ("files.get", "files.delete"):
        with pytest.raises(JsonRpcError, match="no such file"):
            sdk(call, stored[0]["id"])
    assert not httpx.get(stored[0]["uri"], trust_env=False).is_success


def test_inferences_sdk_runs_with_a_picture(sandbox: Sandbox, sdk: Sdk) -> None:
    """It finds the Blob in the input, uploads it, runs and returns what ended."""
    ended = sdk("run", _pictured(BLOB))["task"]

    (task,) = sandbox.tasks("inference", KEY)
    assert (task["task"], 1) == (ended["id"], len(task["references"]))
    assert (COMPLETED, True) == (ended["status"], _is_clip(_video(ended)))


@pytest.mark.parametrize("stream", [True, False])
def test_inferences_sdk_follows_a_task(sdk: Sdk, *, stream: bool) -> None:
    """Streamed or polled, it sees the task change and ends with the clip."""
    found = sdk("run", _order(), {"stream": stream})

    assert COMPLETED == found["seen"][-1]
    assert _is_clip(_video(found["task"]))


def test_inferences_sdk_streams_events(sdk: Sdk) -> None:
    """Asked for `text/event-stream`, the stream is one (`tasks.stream`, and the older name)."""
    task = sdk("run", _order())["task"]["id"]

    assert task == sdk("streamTask", task)["id"]


def test_inferences_sdk_follows_a_task_that_was_rejected(sandbox: Sandbox, sdk: Sdk) -> None:
    """A task refused at once still answers its status and its stream."""
    sandbox.set(accounts={KEY: {"balance_usd": 0}})
    task = sdk("run", _order(), {"wait": False})["task"]["id"]

    assert REJECTED == sdk("_request", "get", f"/tasks/{task}/status")["data"]["status"]
    assert REJECTED == sdk("streamTask", task)["status"]


def test_inferences_sdk_reads_how_a_task_went(sandbox: Sandbox, sdk: Sdk) -> None:
    """Its logs and timings tell each status in order, to the end; there is no telemetry."""
    sandbox.set(timing={"accept_s": 0, "run_s": 100})
    task = sdk("run", _order(), {"wait": False})["task"]["id"]
    assert QUEUED == sdk("tasks.getLogs", task)["data"]["events"][-1]["status"]
    sandbox.advance(200)
    assert COMPLETED == eventually(lambda: _ended(sdk, task))["status"]

    logs, timings = (sdk(f"tasks.get{what}", task)["data"] for what in ("Logs", "Timings"))

    assert (task, COMPLETED) == (logs["task_id"], logs["status"])
    times = [(one["event_time"], one["status"]) for one in logs["events"]]
    assert (times, COMPLETED) == (sorted(times), times[-1][1])
    assert ["5 s of video"] == [one["content"] for one in logs["logs"]]
    assert 100_000 == timings["total_duration_ms"]
    assert 100_000 == sum(one.get("duration_ms", 0) for one in timings["events"])
    assert ("received", "completed") == (
        timings["events"][0]["status"],
        timings["events"][-1]["status"],
    )
    assert [] == sdk("tasks.getTelemetry", task)["data"]


def test_inferences_sdk_deletes_a_task(sdk: Sdk) -> None:
    """A task that has ended can be deleted, and is not known then."""
    task = sdk("run", _order())["task"]["id"]

    sdk("tasks.delete", task)

    with pytest.raises(JsonRpcError, match="no such task"):
        sdk("getTask", task)


def test_inferences_sdk_reads_and_lists_tasks(sdk: Sdk) -> None:
    """A task is read by its id; a list has pages."""
    tasks = [sdk("run", _order(), {"wait": False})["task"]["id"] for _ in range(2)]
    tasks.append(sdk("tasks.create", _order())["data"]["id"])

    read = sdk("getTask", tasks[0])["data"]
    first = sdk("tasks.list", {"limit": 2})["data"]
    second = sdk("tasks.list", {"limit": 2, "cursor": first["next_cursor"]})["data"]

    assert tasks[0] == read["id"]
    assert tasks == [one["id"] for page in (first, second) for one in page["items"]]
    assert (True, False) == (first["has_next"], second["has_next"])


def test_inferences_sdk_reads_the_app(sdk: Sdk) -> None:
    """An app is read by its name or its id, with the schema of its input; so is each version."""
    app = sdk("apps.getByName", "klingai/video-o1")["data"]
    (listed,) = sdk("apps.list", {})["data"]["items"]
    versions = sdk("apps.listVersions", app["id"])["data"]["items"]
    read = [sdk("apps.getByVersionId", app["id"], one["id"])["data"] for one in versions]

    assert app == listed == sdk("apps.get", app["id"])["data"]
    assert app["version"] in versions
    assert versions == [one["version"] for one in read]
    for version in versions:
        assert "prompt" in version["input_schema"]["properties"]
    pinned = {**_order(), "app": f"klingai/video-o1@{app['version']['short_id']}"}
    assert COMPLETED == sdk("run", pinned)["task"]["status"]


def test_inferences_sdk_cancels(sandbox: Sandbox, sdk: Sdk) -> None:
    """A task that runs is cancelled once; a second time is refused."""
    sandbox.set(timing=LONG)
    task = sdk("run", _order(), {"wait": False})["task"]["id"]

    sdk("cancel", task)

    assert CANCELLED == sdk("getTask", task)["data"]["status"]
    with pytest.raises(JsonRpcError, match="409"):
        sdk("cancel", task)


def test_inferences_sdk_is_told_what_is_wrong(sandbox: Sandbox, sdk: Sdk) -> None:
    """Each refusal is an error with its status; want of money is a task that was rejected."""
    refusals: list[tuple[int, dict[str, Any], tuple[Any, ...]]] = [
        (422, {}, ("run", _order(duration=99))),
        (404, {}, ("getTask", "nobody-knows-it")),
        (401, {KEY: "bad"}, ("run", _order())),
        (401, {KEY: "bad"}, ("uploadFile", BLOB)),
    ]
    for status, accounts, call in refusals:
        sandbox.set(accounts=accounts)
        with pytest.raises(JsonRpcError) as refused:
            sdk(*call)
        assert status == refused.value.code
    sandbox.set(accounts={KEY: {"balance_usd": 0}})

    assert REJECTED == sdk("run", _order(), {"wait": False})["task"]["status"]
    assert [] == sandbox.tasks("inference", KEY)


# --- EvoLink, JavaScript

MODEL = "kling-o1-image-to-video"


class EvoLinkMedia:
    """Speaks MCP to `@evolinkai/evolink-media`, as an assistant does."""

    def __init__(self, program: NodeProgram) -> None:
        self._program = program
        told = {"name": "conformance", "version": "0"}
        opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": told}
        program.call("initialize", opening)
        program.notify("notifications/initialized")

    def __call__(self, tool: str, **arguments: Any) -> str:
        """Return the text a tool answers."""
        answer = self._program.call("tools/call", {"name": tool, "arguments": arguments})
        return str(answer["content"][0]["text"])

    def upload(self, **arguments: Any) -> dict[str, str]:
        """Upload something, and return what is told of it, by its labels."""
        return dict(re.findall(r"^([\w ]+): (\S+)", self("upload_file", **arguments), re.MULTILINE))

    def generate(self, image: str) -> str:
        """Ask for a clip of a picture."""
        wanted = {"prompt": "the shoe turns", "duration": 5, "aspect_ratio": "9:16"}
        return self("generate_video", model=MODEL, image_urls=[image], **wanted)


@pytest.fixture
def evolink(sandbox: Sandbox) -> Iterator[EvoLinkMedia]:
    """Return EvoLink's tool, whose two hosts are the sandbox's."""
    places = sandbox.addresses["evolink"]
    hosts = {
        "https://api.evolink.ai": places["base_url"],
        "https://files-api.evolink.ai": places["upload_url"],
    }
    script = MODULES / "@evolinkai/evolink-media/dist/evolink-media/src/index.js"
    environment = {"EVOLINK_API_KEY": KEY, "SANDBOX_HOSTS": json.dumps(hosts)}
    with NodeProgram(script, **environment) as program:
        yield EvoLinkMedia(program)


def test_evolinks_tool_uploads_and_deletes(evolink: EvoLinkMedia, tmp_path: Path) -> None:
    """A picture or a video from a file, base64 and a data URI; each is fetched, then deleted."""
    shoe, clip = tmp_path / "shoe.png", tmp_path / "clip.mp4"
    shoe.write_bytes(base64.b64decode(PNG))
    clip.write_bytes(movie())
    forms: list[tuple[dict[str, str], bytes]] = [
        ({"file_path": str(shoe)}, shoe.read_bytes()),
        ({"file_path": str(clip), "upload_path": "x", "file_name": "y.mp4"}, clip.read_bytes()),
        ({"base64_data": PNG}, shoe.read_bytes()),
        ({"base64_data": DATA_URI, "file_name": "y.png"}, shoe.read_bytes()),
    ]
    for given, content in forms:
        told = evolink.upload(**given)
        assert content == httpx.get(told["File URL"], trust_env=False).content
        assert content == httpx.get(told["Download URL"], trust_env=False).content
        assert given.get("file_name", told["File Name"]) == told["File Name"]
        assert "deleted successfully" in evolink("delete_file", file_id=told["File ID"])
        assert "404" in evolink("delete_file", file_id=told["File ID"])
        assert not httpx.get(told["File URL"], trust_env=False).is_success


def test_evolinks_tool_lists_files_and_quota(evolink: EvoLinkMedia, shoe: Path) -> None:
    """Files are listed page by page, and how many more may be stored."""
    files = [evolink.upload(file_path=str(shoe))["File ID"] for _ in range(3)]

    told = evolink("list_files", page=1, page_size=2)

    assert "Quota: 3/100 files used, 97 remaining [default]" in told
    assert "Files (page 1, total: 3):" in told
    assert 2 == sum(f"[{one}]" in told for one in files)
    for one in files:
        evolink("delete_file", file_id=one)
    assert "(no files)" in evolink("list_files")


def test_evolinks_tool_uploads_what_is_on_the_web(
    sandbox: Sandbox, evolink: EvoLinkMedia, shoe: Path
) -> None:
    """A file is taken by its address, where the sandbox itself serves it (it never goes out)."""
    told = evolink.upload(file_url=_published(sandbox, shoe))

    assert shoe.read_bytes() == httpx.get(told["File URL"], trust_env=False).content


def test_evolinks_tool_is_told_that_a_task_failed(
    sandbox: Sandbox, evolink: EvoLinkMedia, shoe: Path
) -> None:
    """The code of a task that failed is one that it knows, and has advice for."""
    image = evolink.upload(file_path=str(shoe))["File URL"]
    for fault, code in (("failed", "service_error"), ("refused", "content_policy_violation")):
        sandbox.play(fault)
        task = re.findall(r"Task ID: (\S+)", evolink.generate(image))[0]

        def told(task: str = task) -> str:
            text = evolink("check_task", task_id=task)
            return text if "Status: failed" in text else ""

        assert f"Error code: {code}" in eventually(told)


def test_evolinks_tool_makes_a_clip(sandbox: Sandbox, evolink: EvoLinkMedia, shoe: Path) -> None:
    """It uploads, generates, polls and names the clip; its estimate is what is billed."""
    image = evolink.upload(file_path=str(shoe))["File URL"]

    started = evolink.generate(image)
    task = re.findall(r"Task ID: (\S+)", started)[0]

    def links() -> list[str]:
        return re.findall(r"\[1\] (\S+)", evolink("check_task", task_id=task))

    (link,) = eventually(links)
    (billed,) = sandbox.tasks("evolink", KEY)
    assert (task, 1) == (billed["task"], len(billed["references"]))
    assert re.search(r"Estimated cost: [\d.]+ credits \(per_call\)", started)
    assert _is_clip(link)


def test_evolinks_tool_is_told_what_is_wrong(
    sandbox: Sandbox, evolink: EvoLinkMedia, shoe: Path
) -> None:
    """Each refusal comes with its status and the API's own words; nothing is bought."""
    image = evolink.upload(file_path=str(shoe))["File URL"]
    bad = {KEY: "bad"}
    refusals: list[tuple[str, dict[str, Any], Callable[[], str]]] = [
        ("[400]", {}, lambda: evolink("check_task", task_id="nope")),
        ("[404]", {}, lambda: evolink("check_task", task_id="task-unified-1-nope")),
        ("[400]", {}, lambda: evolink("generate_video", model=MODEL, prompt="a shoe")),
        ("[404]", {}, lambda: evolink("generate_video", model="sora-2", prompt="a shoe")),
        ("[402]", {KEY: {"balance_usd": 0}}, lambda: evolink.generate(image)),
        ("[401]", bad, lambda: evolink.generate(image)),
        ("(401)", bad, lambda: evolink("upload_file", file_path=str(shoe))),
        ("(401)", bad, lambda: evolink("delete_file", file_id="x")),
    ]
    for status, accounts, call in refusals:
        sandbox.set(accounts=accounts)
        assert status in call()

    sandbox.set(accounts={})
    assert [] == sandbox.tasks("evolink", KEY)
