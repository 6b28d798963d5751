"""The sandbox speaks inference.sh's dialect: strict at once in some things, late in others.

Plain HTTP against the real process. What is expected here was read from the provider's SDKs and
the app's source; what they leave open is the sandbox's choice and is said so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conformance.clients import (
    KEY,
    OTHER_KEY,
    URL,
    Answer,
    answer,
    client,
    eventually,
    measured,
    movie,
    picture,
    without,
)
from tests.sandboxes import Sandbox

APP = "klingai/video-o1"
ENDED = {"completed", "failed", "cancelled", "rejected"}
NEWEST_FIRST = [{"field": "created_at", "dir": "desc"}]
DAY_S = 86_400


class Inference:
    """Talks to the sandbox as inference.sh's clients do."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.client = client(sandbox, "inference", key)

    def run(self, body: Any, path: str = "/apps/run") -> Answer:
        """Ask for a run."""
        return answer(self.client.post(path, json=body))

    def bought(self, body: dict[str, Any]) -> str:
        """Ask for a run that is taken, and return its task."""
        status, told = self.run(body)
        assert (200, "received") == (status, told["data"]["status_text"]), told
        return str(told["data"]["id"])

    def get(self, path: str) -> Answer:
        """Ask for something."""
        return answer(self.client.get(path))

    def task(self, task: str) -> dict[str, Any]:
        """Return all that is told of a task, in either envelope."""
        told = self.get(f"/tasks/{task}")[1]
        found: dict[str, Any] = told.get("data", told)
        return found

    def finished(self, task: str) -> dict[str, Any]:
        """Ask until a task has ended."""

        def ended() -> dict[str, Any]:
            told = self.task(task)
            return told if told["status_text"] in ENDED else {}

        found: dict[str, Any] = eventually(ended)
        return found

    def listed(self, **asked: Any) -> dict[str, Any]:
        """Return a page of tasks."""
        status, told = answer(self.client.post("/tasks/list", json=asked))
        assert 200 == status, told
        found: dict[str, Any] = told["data"]
        return found

    def announced(self, content: bytes, **more: Any) -> dict[str, Any]:
        """Announce a file, and return where it goes."""
        status, told = self.announce(announced(content, **more))
        assert 200 == status, told
        found: dict[str, Any] = told["data"][0]
        return found

    def announce(self, *files: Any) -> Answer:
        """Announce files."""
        return answer(self.client.post("/files", json={"files": list(files)}))

    def upload(self, content: bytes, content_type: str = "image/png") -> str:
        """Announce a file, put it where the reply says, and return its address."""
        place = self.announced(content, content_type=content_type)
        assert 200 == put(place, content, content_type)
        return str(place["uri"])


@pytest.fixture
def inference(sandbox: Sandbox) -> Iterator[Inference]:
    """Return a client of one account."""
    made = Inference(sandbox)
    yield made
    made.client.close()


def order(**fields: Any) -> dict[str, Any]:
    """Return a valid run: five seconds from text, in August's schema."""
    given = {"prompt": "a red shoe turns", "resolution": "720p", "duration": 5, **fields}
    return {"app": APP, "input": given}


def older(**fields: Any) -> dict[str, Any]:
    """Return a valid run in May's schema."""
    given = {"prompt": "a red shoe turns", "mode": "std", "duration": 5, **fields}
    return {"app": APP, "input": given}


def announced(content: bytes, **more: Any) -> dict[str, Any]:
    """Return the announcement of a file."""
    told = {"uri": "", "filename": "a.png", "content_type": "image/png", "size": len(content)}
    return {**told, **more}


def put(place: dict[str, Any], content: bytes, content_type: str = "image/png") -> int:
    """Put a file's bytes where they belong, without a key."""
    headers = {"Content-Type": content_type}
    return httpx.put(place["upload_url"], content=content, headers=headers).status_code


def code(told: dict[str, Any]) -> str:
    """Return the code of a problem document."""
    return str(told["type"]).rpartition("/")[2]


# --- The way of a task


def test_a_run_goes_its_way(sandbox: Sandbox, inference: Inference) -> None:
    """Run, poll, download: wrapped replies, today's numbers, usage without money."""
    status, told = inference.run(order())
    assert (200, []) == (status, told["messages"])
    assert (1, "received", None, "") == tuple(
        told["data"][name] for name in ("status", "status_text", "output", "error")
    )

    task = inference.finished(told["data"]["id"])
    assert (10, "completed") == (task["status"], task["status_text"])
    assert order()["input"] == task["input"]
    assert (1280, 720, 5) == measured(task["output"]["video"])
    (usage,) = task["usage_events"]
    assert {"type", "model", "quantity", "unit", "tier"} == usage.keys()
    assert ("0.42", "") == (
        (booked := sandbox.tasks("inference", KEY)[0])["usd"],
        booked["client_id"],
    )


def test_the_short_path_is_the_same(sandbox: Sandbox, inference: Inference) -> None:
    """`/run` is wrapped and numbered as `/apps/run` (REST overview, 2026-10-11)."""
    status, told = inference.run(order(), "/run")
    assert (200, [], 1) == (status, told["messages"], told["data"]["status"])

    found = inference.finished(told["data"]["id"])

    assert (10, "completed") == (found["status"], found["status_text"])
    assert 1 == len(sandbox.tasks("inference"))


def test_nine_is_an_upload_today(sandbox: Sandbox, inference: Inference) -> None:
    """The numbers have moved: what was "completed" is a task whose clip is on its way."""
    sandbox.set(timing={"accept_s": 0, "run_s": 100})
    task = inference.bought(order())

    seen = []
    for _ in range(4):
        sandbox.advance(24)
        status, told = inference.get(f"/tasks/{task}/status")
        assert (200, {"id", "status", "updated_at"}) == (status, told["data"].keys())
        seen.append(told["data"]["status"])
    assert [3, 7, 7, 9] == seen
    assert "uploading" == inference.task(task)["status_text"]


def test_sizes_are_computed_not_measured(inference: Inference) -> None:
    """`output_meta` has the ratio that was asked for, 16:9 if none; a frame led elsewhere."""
    image = inference.upload(picture(720, 1280))
    task = inference.finished(inference.bought(order(image=image)))

    (meta,) = task["output"]["output_meta"]["outputs"]
    assert (1280, 720, "720p") == (meta["width"], meta["height"], meta["resolution"])
    assert (720, 1280, 5) == measured(task["output"]["video"])


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({}, "text-to-video"),
        ({"image": URL}, "image-to-video"),
        ({"image": URL, "end_image": URL}, "start-end-frame"),
        ({"reference_images": [URL]}, "reference-generation"),
        ({"reference_video": URL, "image": URL}, "reference-generation"),
        ({"reference_video": URL, "reference_video_type": "base"}, "video-editing"),
    ],
)
def test_the_output_says_how_it_was_made(
    inference: Inference, fields: dict[str, Any], mode: str
) -> None:
    """In the app's own words."""
    task = inference.finished(inference.bought(order(**fields)))

    (meta,) = task["output"]["output_meta"]["outputs"]
    assert mode == meta["extra"]["mode"]


def test_the_dearer_tier_is_the_default(sandbox: Sandbox, inference: Inference) -> None:
    """Neither `resolution` nor `mode`: 1080p; half as much again with a video."""
    for given in ({"prompt": "x"}, {"prompt": "x", "reference_video": URL}):
        inference.bought({"app": APP, "input": given})

    assert ["0.56", "0.84"] == sorted(task["usd"] for task in sandbox.tasks("inference"))


def test_a_task_can_be_streamed(sandbox: Sandbox, inference: Inference) -> None:
    """Lines of JSON: a snapshot at each change, heartbeats between, until its end."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = inference.bought(order())
    # To a quarter of its time, half of it, past nine tenths, its end.
    leaps = {"queued": 250, "dispatched": 250, "running": 450, "uploading": 100}

    lines, heartbeat, words = [], {"type": "heartbeat"}, []
    headers = {"Accept": "application/x-ndjson"}
    with inference.client.stream("GET", f"/tasks/{task}/stream", headers=headers) as reply:
        assert "application/x-ndjson" == reply.headers["content-type"]
        for line in map(json.loads, reply.iter_lines()):
            lines.append(line)
            words += [line["status_text"]] if "status_text" in line else []
            # Nothing changes before it was told, and that nothing changes was told once.
            if heartbeat in lines and words[-1] in leaps:
                sandbox.advance(leaps.pop(words[-1]))

    assert ["queued", "dispatched", "running", "uploading", "completed"] == words


def test_a_cancelled_task_is_paid_all_the_same(sandbox: Sandbox, inference: Inference) -> None:
    """It ends at once for its owner, while upstream goes on; what has ended cannot be cancelled."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = inference.bought(order())

    def cancel() -> Answer:
        return answer(inference.client.post(f"/tasks/{task}/cancel"))

    assert (200, 12) == ((told := cancel())[0], told[1]["data"]["status"])
    assert (409, "invalid_transition") == ((told := cancel())[0], code(told[1]))
    sandbox.advance(2000)
    assert "cancelled" == inference.task(task)["status_text"]
    assert "0.42" == sandbox.ledger()["providers"]["inference"]["billed_usd"]


def test_a_tasks_files_can_be_listed_and_deleted(inference: Inference) -> None:
    """What it consumed and what it produced, each with its role; the task itself stays."""
    uri = inference.upload(picture(720, 1280))
    task = inference.finished(inference.bought(order(image=uri)))
    path = f"/tasks/{task['id']}/files"

    files = inference.get(path)[1]["data"]
    (given,) = inference.get(f"{path}?role=input")[1]["data"]

    assert [("input", uri), ("output", task["output"]["video"])] == [
        (file["role"], file["uri"]) for file in files
    ]
    assert files[0] == given
    deleted = answer(inference.client.delete(path, params={"role": "input"}))[1]["data"]
    assert {"deleted": [given["id"]], "skipped": []} == deleted
    assert (404, 200) == (
        httpx.get(uri).status_code,
        httpx.get(task["output"]["video"]).status_code,
    )
    assert ["output"] == [file["role"] for file in inference.get(path)[1]["data"]]
    assert 200 == inference.client.delete(path).status_code
    assert 403 == httpx.get(task["output"]["video"]).status_code
    assert "completed" == inference.task(task["id"])["status_text"]


def test_what_is_on_the_web_is_no_file_of_a_task(sandbox: Sandbox, inference: Inference) -> None:
    """It is nobody's to list or to delete."""
    web = httpx.URL(sandbox.base_urls["inference"]).copy_with(path="/_sandbox/web")
    url = httpx.post(web, content=picture(720, 1280), trust_env=False).json()["url"]
    task = inference.finished(inference.bought(order(image=url)))

    assert 200 == inference.client.delete(f"/tasks/{task['id']}?files=true").status_code

    assert 200 == httpx.get(url).status_code


def test_a_task_can_be_deleted(sandbox: Sandbox, inference: Inference) -> None:
    """One that has ended (ours); it is not there any more, its bill is."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = inference.bought(order())

    def delete() -> int:
        return inference.client.delete(f"/tasks/{task}", params={"files": "true"}).status_code

    assert 409 == delete()
    sandbox.advance(2000)
    url = inference.finished(task)["output"]["video"]
    assert (200, 404) == (delete(), delete())
    assert [404, 404] == [inference.get(f"/tasks/{task}{of}")[0] for of in ("", "/status")]
    assert [] == inference.listed()["items"]
    assert 403 == httpx.get(url).status_code
    assert "0.42" == sandbox.ledger()["providers"]["inference"]["billed_usd"]


def test_a_failed_task_keeps_its_money(sandbox: Sandbox, inference: Inference) -> None:
    """Not written down: the dearer reading. Its text is all that is told of the failure."""
    sandbox.play("failed", "refused")

    failed, refused = (inference.finished(inference.bought(order())) for _ in range(2))

    assert (11, "failed", None) == (failed["status"], failed["status_text"], failed["output"])
    assert (True, True) == (bool(failed["error"]), "risk control" in refused["error"])
    assert "0.84" == sandbox.ledger()["providers"]["inference"]["billed_usd"]


# --- The live schema and its two generations


def test_the_live_schema_can_be_read(inference: Inference) -> None:
    """Of the version and of its function; it is the newer one (ours)."""
    status, told = inference.get(f"/apps/{APP}")
    version = told["data"]["version"]

    assert (200, "run") == (status, version["default_function"])
    assert version["input_schema"] == version["functions"]["run"]["input_schema"]
    names = version["input_schema"]["properties"].keys()
    assert {"prompt", "resolution", "reference_images", "watermark"} <= names
    assert {"mode", "keep_original_sound"}.isdisjoint(names)
    assert 404 == inference.get("/apps/klingai/video-o9")[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (order(), 200),
        (older(keep_original_sound=False), 422),
        ({**order(), "app": f"{APP}@9r4t2k"}, 200),
        ({**older(keep_original_sound=False), "app": f"{APP}@3m7x1c"}, 200),
        ({**older(), "app": f"{APP}@9r4t2k"}, 422),
        ({**order(), "app": f"{APP}@3m7x1c"}, 422),
        ({**order(), "app": f"{APP}@latest"}, 404),
        (older(resolution="720p"), 422),
    ],
)
def test_an_input_is_of_one_generation(
    inference: Inference, body: dict[str, Any], status: int
) -> None:
    """Of the pinned one; without a pin of August's, which is deployed."""
    assert status == inference.run(body)[0]


# --- Who asks, and who pays


def test_a_bad_key_is_refused(sandbox: Sandbox, inference: Inference) -> None:
    """A problem document with 401, on both paths."""
    sandbox.set(accounts={KEY: "bad"})
    reply = inference.client.post("/apps/run", json=order())

    assert (401, "application/problem+json") == (
        reply.status_code,
        reply.headers["content-type"],
    )
    assert {"type", "title", "status", "detail"} == reply.json().keys()
    assert (401, "unauthorized") == (
        (told := inference.run(order(), "/run"))[0],
        code(told[1]),
    )
    inference.client.headers.pop("Authorization")
    assert 401 == inference.get("/tasks/0")[0]


def test_an_empty_account_gets_a_rejected_task(sandbox: Sandbox, inference: Inference) -> None:
    """HTTP 200 and a task born at its end, which can be asked for and is listed; nothing is due."""
    sandbox.set(accounts={KEY: {"balance_usd": 0.5}})
    inference.bought(order())

    status, told = inference.run(order(duration=10))

    rejected = told["data"]
    assert (200, 13, "rejected") == (status, rejected["status"], rejected["status_text"])
    assert "balance" in rejected["error"]
    assert rejected == inference.task(rejected["id"])
    status, told = inference.get(f"/tasks/{rejected['id']}/status")
    assert (200, 13) == (status, told["data"]["status"])
    stream = inference.client.get(f"/tasks/{rejected['id']}/stream")
    assert [rejected] == [json.loads(line) for line in stream.iter_lines()]
    assert 409 == inference.client.post(f"/tasks/{rejected['id']}/cancel").status_code
    assert rejected["id"] in [one["id"] for one in inference.listed()["items"]]
    assert 1 == len(sandbox.tasks("inference"))
    assert 200 == inference.client.delete(f"/tasks/{rejected['id']}").status_code
    assert 404 == inference.get(f"/tasks/{rejected['id']}")[0]


def test_accounts_do_not_see_each_other(sandbox: Sandbox, inference: Inference) -> None:
    """Another key knows nothing of a task: not by its id, and not in its list."""
    task = inference.bought(order())
    other = Inference(sandbox, OTHER_KEY)

    assert (404, "not_found") == ((told := other.get(f"/tasks/{task}"))[0], code(told[1]))
    assert [] == other.listed()["items"]
    assert [404, 404] == [other.get(f"/tasks/{task}/{of}")[0] for of in ("status", "stream")]
    assert 404 == other.client.post(f"/tasks/{task}/cancel").status_code
    other.client.close()


# --- What is refused at once


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "invalid_request"),
        (without(order(), "app"), "invalid_request"),
        (without(order(), "input"), "invalid_request"),
        ({**order(), "prompt": "x"}, "invalid_request"),
        ({**order(), "run_at": "2026-01-01T00:00:00Z"}, "invalid_request"),
        ({**order(), "infra": "moon"}, "invalid_request"),
        ({**order(), "webhook": "x"}, "invalid_request"),
        ({**order(), "function": "walk"}, "invalid_request"),
        ({**order(), "app": "klingai/video-o9"}, "not_found"),
        ({**order(), "input": "x"}, "validation_error"),
        ({"app": APP, "input": {"duration": 5}}, "validation_error"),
        (order(prompt=""), "validation_error"),
        (order(prompt="x" * 2501), "validation_error"),
        (order(resolution="4k"), "validation_error"),
        (order(duration="5"), "validation_error"),
        (order(duration=11), "validation_error"),
        (order(aspect_ratio="auto"), "validation_error"),
        (order(watermark="no"), "validation_error"),
        (order(reference_images=[URL] * 8), "validation_error"),
        (order(reference_images=URL), "validation_error"),
        (order(image="a.png"), "validation_error"),
        (order(image="data:image/png;base64,AAAA"), "validation_error"),
        (order(reference_video=[URL]), "validation_error"),
        (order(seed=1), "validation_error"),
        (order(n=1), "validation_error"),
        (order(elements=[]), "validation_error"),
        (order(negative_prompt="no"), "validation_error"),
        (order(keep_original_sound=True), "validation_error"),
    ],
)
def test_a_run_outside_the_schema_is_refused(
    sandbox: Sandbox, inference: Inference, body: Any, expected: str
) -> None:
    """Its fields, their types and values: a problem document, and nothing is created."""
    status, told = inference.run(body)

    assert (told["status"], expected) == (status, code(told))
    assert 400 <= status < 500
    assert [] == sandbox.tasks("inference")
    assert [status, expected] == [
        (again := inference.run(body, "/run"))[0],
        code(again[1]),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"app": APP, "input": {"prompt": "x"}},
        {**order(), "webhook": URL, "infra": "cloud", "wait": False, "workers": None},
        order(aspect_ratio=None, image=None, watermark=True),
        order(image=URL, end_image=URL, duration=7),
        order(reference_images=[URL] * 7, duration=3, aspect_ratio="1:1"),
        order(reference_video=URL, reference_images=[URL] * 4, duration=9),
        order(reference_video=URL, reference_video_type="base"),
        order(reference_video=URL, reference_video_type="anything", image=URL),
    ],
)
def test_a_run_within_the_rules_is_made(inference: Inference, body: dict[str, Any]) -> None:
    """Each kind of run that the app's source makes is accepted, and ends well."""
    assert "completed" == inference.finished(inference.bought(body))["status_text"]


# --- What is taken, and fails later


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 7},
        {"image": URL, "duration": 7},
        {"end_image": URL},
        {"image": URL, "end_image": URL, "reference_images": [URL]},
        {"image": URL, "end_image": URL, "reference_video": URL},
        {"reference_video": URL, "reference_images": [URL] * 5},
        {"reference_video": URL, "reference_video_type": "base", "image": URL},
    ],
)
def test_what_the_model_forbids_fails_late(
    sandbox: Sandbox, inference: Inference, fields: dict[str, Any]
) -> None:
    """It is taken, and its task fails, with its money spent (ours)."""
    task = inference.finished(inference.bought(order(**fields)))

    assert ("failed", True) == (task["status_text"], bool(task["error"]))
    assert ["failed"] == [booked["status"] for booked in sandbox.tasks("inference")]


@pytest.mark.parametrize("content", [picture(200, 400), picture(300, 1200), movie()])
def test_media_beyond_the_limits_fail_late(inference: Inference, content: bytes) -> None:
    """So do pictures of the wrong size, and a video in a picture's place."""
    image = inference.upload(content)

    assert "failed" == inference.finished(inference.bought(order(image=image)))["status_text"]


# --- The list of tasks


def test_tasks_are_listed_with_their_input(inference: Inference) -> None:
    """Oldest first unless asked otherwise (ours), with all that a task has."""
    tasks = [inference.bought(order(prompt=f"take {number}")) for number in range(3)]

    found, newest = inference.listed(), inference.listed(sort=NEWEST_FIRST)

    assert tasks == [one["id"] for one in found["items"]]
    assert tasks[::-1] == [one["id"] for one in newest["items"]]
    assert [f"take {number}" for number in range(3)] == [
        one["input"]["prompt"] for one in found["items"]
    ]


def test_a_list_has_pages(inference: Inference) -> None:
    """A cursor leads from one to the next; the last has none."""
    tasks = [inference.bought(order()) for _ in range(5)]

    first = inference.listed(limit=2, sort=NEWEST_FIRST)
    second = inference.listed(limit=2, sort=NEWEST_FIRST, cursor=first["next_cursor"])
    third = inference.listed(limit=2, sort=NEWEST_FIRST, cursor=second["next_cursor"])

    pages = (first, second, third)
    assert tasks[::-1] == [one["id"] for page in pages for one in page["items"]]
    assert [True, True, False] == [page["has_next"] for page in pages]
    assert not third["next_cursor"]


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 101},
        {"cursor": "nothing"},
        {"sort": [{"field": "price", "dir": "desc"}]},
        {"sort": "created_at"},
        {"filters": [{"field": "status", "operator": "eq", "value": 10}]},
    ],
)
def test_a_list_is_asked_for_properly(inference: Inference, asked: dict[str, Any]) -> None:
    """What the sandbox does not speak is refused, not passed over."""
    status, told = answer(inference.client.post("/tasks/list", json=asked))

    assert (400, "invalid_request") == (status, code(told))


# --- Files


def test_a_file_is_announced_then_put(sandbox: Sandbox, inference: Inference) -> None:
    """Its address is known before its bytes are there; the books name its digest."""
    place = inference.announced(picture())
    assert 404 == httpx.get(place["uri"]).status_code

    assert 200 == put(place, picture())
    assert picture() == httpx.get(place["uri"]).content
    inference.bought(order(image=place["uri"]))

    (upload,) = sandbox.ledger()["providers"]["inference"]["accounts"][KEY]["uploads"]
    assert [[upload["digest"]]] == [task["references"] for task in sandbox.tasks("inference")]
    assert [] == sandbox.ledger()["leaks"]


def test_a_key_does_not_belong_where_files_are_put(sandbox: Sandbox, inference: Inference) -> None:
    """The store is another company's: a key that comes with the bytes is a leak."""
    place = inference.announced(picture())
    headers = {"Content-Type": "image/png", "Authorization": f"Bearer {KEY}"}
    httpx.put(place["upload_url"], content=picture(), headers=headers)

    assert ["header authorization"] == [leak["place"] for leak in sandbox.ledger()["leaks"]]


def test_a_place_is_for_one_file_and_an_hour(sandbox: Sandbox, inference: Inference) -> None:
    """Of the type and size announced, by its signature, once (ours)."""
    place = inference.announced(picture())
    unsigned = {"upload_url": place["uri"]}
    late = inference.announced(picture())

    assert [403, 403, 403] == [
        put(place, picture(), "image/jpeg"),
        put(place, picture() + b"\0"),
        put(unsigned, picture()),
    ]
    assert [200, 403] == [put(place, picture()), put(place, picture())]
    assert 400 == put(inference.announced(b"no medium"), b"no medium")
    sandbox.advance(3700)
    assert 403 == put(late, picture())


def test_an_announcement_outlives_a_restart(sandbox: Sandbox, inference: Inference) -> None:
    """What was promised in a reply holds after kill -9."""
    place = inference.announced(picture())

    sandbox.restart(kill=True)

    assert 200 == put(place, picture())


def test_files_belong_to_their_account(sandbox: Sandbox, inference: Inference) -> None:
    """Another account cannot use one (ours), nor can anybody one that was never put."""
    uri = inference.upload(picture())
    never = inference.announced(picture())["uri"]
    other = Inference(sandbox, OTHER_KEY)

    told = [other.run(order(image=uri)), inference.run(order(image=never))]

    assert [(422, "validation_error")] * 2 == [(status, code(body)) for status, body in told]
    other.client.close()


@pytest.mark.parametrize(
    "told",
    [
        announced(b"x", uri="somewhere"),
        announced(b"x", size="1"),
        announced(b"x", colour="red"),
        without(announced(b"x"), "content_type"),
        "a.png",
    ],
)
def test_a_file_is_announced_properly(inference: Inference, told: Any) -> None:
    """The fields of the SDK's form, and no others."""
    assert (422, "validation_error") == (
        (said := inference.announce(told))[0],
        code(said[1]),
    )


def test_the_official_client_may_say_less(inference: Inference) -> None:
    """It sends null for what it does not know, and may leave the size out."""
    less = {"filename": None, "path": None, "public": None}
    told = announced(picture(), content_type="application/octet-stream", **less)

    sizeless = without(announced(picture()), "size")

    status, said = inference.announce(told, sizeless)

    assert (200, 2) == (status, len(said["data"]))
    assert 200 == put(said["data"][0], picture(), "application/octet-stream")
    assert 200 == put(said["data"][1], picture())


def test_a_video_that_is_edited_leads(sandbox: Sandbox, inference: Inference) -> None:
    """Its length and ratio, whatever `duration` says; anything but `base` is only a guide."""
    uri = inference.upload(movie(seconds=4), "video/mp4")
    edit = {"reference_video": uri, "reference_video_type": "base", "duration": 9}
    guide = {"reference_video": uri, "aspect_ratio": "9:16"}

    edited, guided = (
        inference.finished(inference.bought(order(**given)))["output"]["video"]
        for given in (edit, guide)
    )

    assert (720, 720, 4) == measured(edited)
    assert (720, 1280, 5) == measured(guided)
    assert ["0.504", "0.63"] == sorted(task["usd"] for task in sandbox.tasks("inference"))


def test_an_edit_with_a_reference_keeps_its_videos_shape(inference: Inference) -> None:
    """The reference leads neither its ratio nor its length."""
    uri, image = inference.upload(movie(seconds=3), "video/mp4"), inference.upload(picture())
    edit = {"reference_video": uri, "reference_video_type": "base", "reference_images": [image]}

    task = inference.finished(inference.bought(order(**edit)))

    assert (720, 720, 3) == measured(task["output"]["video"])


# --- Faults in its words


def test_faults_wear_its_envelope(sandbox: Sandbox, inference: Inference) -> None:
    """429 with Retry-After where told, 5xx, and 402: problem documents."""
    sandbox.play({"fault": "throttled", "retry_after": 2}, "error", "no-credit")

    told = [inference.run(order()) for _ in range(3)]

    assert [
        (429, "rate_limited"),
        (503, "internal_error"),
        (402, "payment_required"),
    ] == [(status, code(body)) for status, body in told]
    assert [] == sandbox.tasks("inference")


def test_a_maintenance_says_when_to_come_back(sandbox: Sandbox, inference: Inference) -> None:
    """503 of the platform itself, with Retry-After: nothing was taken."""
    sandbox.play({"fault": "code", "code": "app_maintenance", "status": 503})

    reply = inference.client.post("/apps/run", json=order())

    assert (503, "app_maintenance") == (reply.status_code, code(reply.json()))
    assert 0 < int(reply.headers["retry-after"])


def test_a_poll_can_say_something_else(sandbox: Sandbox, inference: Inference) -> None:
    """A word nobody documented, under the number of the unknown; or no such task yet."""
    task = inference.bought(order())
    sandbox.play({"fault": "unknown-status", "word": "archived"}, "empty")

    told = inference.task(task)
    assert (0, "archived", None) == (told["status"], told["status_text"], told["output"])
    assert 404 == inference.get(f"/tasks/{task}")[0]
    assert "completed" == inference.finished(task)["status_text"]
