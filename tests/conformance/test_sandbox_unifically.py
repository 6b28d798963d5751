"""The sandbox speaks Unifically's dialect: video modes, envelopes, failures that look like ours.

As its pages have it (and third parties' clients), over plain HTTP; where they are silent, it says.
"""

from __future__ import annotations

import base64
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

MODEL = "kuaishou/kling-o1-video"
IMAGE = "https://example.com/shoe.png"
UNDER_WAY = {"pending", "processing"}


class Unifically:
    """Talks to the sandbox as Unifically's clients do."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.client = client(sandbox, "unifically", key)
        self.files = sandbox.addresses["unifically"]["upload_url"]

    def post(self, body: Any) -> Answer:
        """Send the body of a task."""
        return answer(self.client.post("/v1/tasks", json=body))

    def bought(self, **given: Any) -> str:
        """Buy a task, and return its id."""
        status, body = self.post(order(**given))
        assert 200 == status, body
        return str(body["data"]["task_id"])

    def poll(self, task: str) -> Answer:
        """Ask for a task once."""
        return answer(self.client.get(f"/v1/tasks/{task}"))

    def finished(self, task: str) -> Answer:
        """Ask until a task has ended."""

        def ended() -> Answer | None:
            status, body = self.poll(task)
            return None if body["data"].get("status") in UNDER_WAY else (status, body)

        found: Answer = eventually(ended)
        return found

    def put(self, **sent: Any) -> Answer:
        """Put something on the file host."""
        return answer(self.client.put(f"{self.files}/upload", **sent))

    def stored(self, content: bytes) -> str:
        """Put a file on the file host, and return its address."""
        status, body = self.put(files={"file": ("a.bin", content)})
        assert 200 == status
        assert {"success": True, "file_url": body["file_url"]} == body
        return str(body["file_url"])


@pytest.fixture
def unifically(sandbox: Sandbox) -> Iterator[Unifically]:
    """Return a client of one account."""
    made = Unifically(sandbox)
    yield made
    made.client.close()


def order(**given: Any) -> dict[str, Any]:
    """Return a valid task: five seconds from text, unless told otherwise."""
    fields = {"prompt": "a red shoe turns", "mode": "std", "aspect_ratio": "9:16", **given}
    return {"model": MODEL, "input": {k: v for k, v in fields.items() if v is not None}}


def elements(**given: Any) -> dict[str, Any]:
    """Return a task from reference images."""
    return order(**{"video_mode": "elements", "image_urls": [IMAGE], **given})


def frames(**given: Any) -> dict[str, Any]:
    """Return a task from a first frame."""
    return order(**{"video_mode": "start_end_frame", "start_frame_url": IMAGE, **given})


def guided(mode: str, **given: Any) -> dict[str, Any]:
    """Return a task with a video."""
    return order(**{"video_mode": mode, "video_url": URL, "aspect_ratio": "auto", **given})


def error(status: int, code: str, message: str) -> Answer:
    """Return what an error looks like."""
    return status, {"code": status, "data": {"message": message, "code": code}}


# --- The way of a task


def test_a_task_goes_its_way(sandbox: Sandbox, unifically: Unifically) -> None:
    """Submit, poll, download: the clip has the pixels and seconds asked for."""
    status, body = unifically.post({**order(), "callback_url": "https://example.com/called"})
    task = body["data"]["task_id"]
    pending = {"code": 200, "success": True, "data": {"task_id": task, "status": "pending"}}
    assert (200, pending) == (status, body)

    status, body = unifically.finished(task)

    url = body["data"]["output"]["video_url"]
    told = {"task_id": task, "status": "completed", "cost": 0.24, "output": {"video_url": url}}
    assert (200, {"code": 200, "success": True, "data": told}) == (status, body)
    assert (720, 1280, 5) == measured(url)
    (booked,) = sandbox.tasks("unifically", KEY)
    assert (task, "0.24", "done") == (booked["task"], booked["usd"], booked["status"])


def test_a_task_waits_and_runs(sandbox: Sandbox, unifically: Unifically) -> None:
    """First it is pending, then processing; nothing tells how far it is."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = unifically.bought()

    first = unifically.poll(task)[1]["data"]
    sandbox.advance(500)

    assert {"task_id": task, "status": "pending"} == first
    assert {"task_id": task, "status": "processing"} == unifically.poll(task)[1]["data"]


def test_the_cost_may_be_missing(sandbox: Sandbox, unifically: Unifically) -> None:
    """It appears in third parties' clients only: a scenario leaves it out, the bill stays."""
    sandbox.play("no-cost")

    _, body = unifically.finished(unifically.bought())

    assert {"task_id", "status", "output"} == body["data"].keys()
    assert "0.24" == sandbox.ledger()["providers"]["unifically"]["billed_usd"]


def test_nothing_protects_from_buying_twice(sandbox: Sandbox, unifically: Unifically) -> None:
    """There is no client id: the same body again is another task."""
    assert unifically.bought() != unifically.bought()
    assert 2 == len(sandbox.tasks("unifically"))


def test_a_dry_run_buys_nothing(sandbox: Sandbox, unifically: Unifically) -> None:
    """It prices a valid task and refuses a wrong one, whatever the account holds."""
    sandbox.set(accounts={KEY: {"balance_usd": 0}})
    priced = {"code": 200, "success": True, "data": {"cost": 0.48}}

    assert (200, priced) == unifically.post({**order(duration=10), "dry_run": True})
    assert 422 == unifically.post({**order(duration=7), "dry_run": True})[0]
    assert [] == sandbox.tasks("unifically")


def test_an_unknown_task_is_not_found(unifically: Unifically) -> None:
    """Its code is in no page: our choice."""
    assert error(404, "not_found", "Task not found.") == unifically.poll("abc123def456")


def test_accounts_do_not_see_each_other(sandbox: Sandbox, unifically: Unifically) -> None:
    """Another key knows nothing of a task."""
    task = unifically.bought()
    other = Unifically(sandbox, OTHER_KEY)

    assert 404 == other.poll(task)[0]
    other.client.close()


# --- How a task fails


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("failed", "The generation failed."),
        ("refused", "The request violates the content policy."),
    ],
)
def test_a_failed_task_is_told_in_three_forms(
    sandbox: Sandbox, unifically: Unifically, fault: str, message: str
) -> None:
    """HTTP 400 to the poll; or 200 and a message; or 200 and an error: clients have met all."""
    sandbox.play(*({"fault": fault, "form": form} for form in ("errors", "item", "object")))
    tasks = [unifically.bought() for _ in range(3)]

    answers = [unifically.finished(task) for task in tasks]

    assert error(400, "generation_failed", message) == answers[0]
    failed = [{"task_id": task, "status": "failed"} for task in tasks]
    assert (200, failed[1] | {"error_message": message}) == (answers[1][0], answers[1][1]["data"])
    told = {"code": "generation_failed", "message": message}
    assert (200, failed[2] | {"error": told}) == (answers[2][0], answers[2][1]["data"])
    assert [fault] * 3 == [task["status"] for task in sandbox.tasks("unifically")]


def test_a_poll_may_know_nothing_or_use_an_unknown_word(
    sandbox: Sandbox, unifically: Unifically
) -> None:
    """A fresh task may be not found yet; a word may be new."""
    task = unifically.bought()
    sandbox.play("empty", {"fault": "unknown-status", "word": "napping"})

    assert 404 == unifically.poll(task)[0]
    assert "napping" == unifically.poll(task)[1]["data"]["status"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("throttled", 429, "rate_limit_exceeded"),
        ("no-credit", 402, "insufficient_balance"),
        ("bad-key", 401, "authentication_failed"),
        ("error", 503, "internal_error"),
        ({"fault": "error", "status": 500}, 500, "internal_error"),
        ({"fault": "code", "code": "odd", "status": 400}, 400, "odd"),
    ],
)
def test_troubles_have_one_envelope(
    sandbox: Sandbox, unifically: Unifically, fault: Any, status: int, code: str
) -> None:
    """The body repeats the HTTP status as a number, and has the code as a word beneath."""
    sandbox.play(fault)

    found, body = unifically.post(order())

    assert (status, status, code) == (found, body["code"], body["data"]["code"])
    assert [] == sandbox.tasks("unifically")


# --- Who asks


def test_a_bad_key_is_refused_everywhere(sandbox: Sandbox, unifically: Unifically) -> None:
    """No key, another scheme, and a key the scenario calls bad: at the API and at the files."""
    refusal = error(401, "authentication_failed", "Invalid API key.")
    sandbox.set(accounts={KEY: "bad"})
    assert refusal == unifically.post(order())
    assert refusal == unifically.put(files={"file": picture()})

    sandbox.set(accounts={})
    for header in ({}, {"Authorization": f"Key {KEY}"}, {"X-API-Key": KEY}):
        unifically.client.headers.pop("Authorization", None)
        unifically.client.headers.update(header)
        assert refusal == unifically.post(order())
    assert [] == sandbox.tasks("unifically")


def test_an_empty_account_is_told_under_200(sandbox: Sandbox, unifically: Unifically) -> None:
    """`success` false under HTTP 200 (our choice); the account shows what is left."""
    sandbox.set(accounts={KEY: {"balance_usd": 0.3}})
    unifically.bought()

    refusal = {"code": 200, "success": False, "data": {"message": "Insufficient balance."}}
    assert (200, refusal) == unifically.post(order())
    left = answer(unifically.client.get("/v1/account"))[1]["data"]
    assert 0.06 == pytest.approx(left["balance_usd"])


# --- What is refused

PICTURE = {"type": "image", "image_urls": [IMAGE]}


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b""])
def test_what_is_no_object_is_refused(unifically: Unifically, body: bytes) -> None:
    """The body is a JSON object."""
    assert 422 == unifically.client.post("/v1/tasks", content=body).status_code


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({**order(), "seed": 1}, "seed"),
        ({**order(), "prompt": "top"}, "prompt"),
        (order(callback_url="https://example.com/called"), "callback_url"),
        (order(dry_run=True), "dry_run"),
        ({**order(), "dry_run": "yes"}, "dry_run"),
        ({**order(), "callback_url": "x"}, "callback_url"),
        (without(order(), "model"), "model"),
        (without(order(), "input"), "input"),
        ({**order(), "model": "kuaishou/kling-o1"}, "model"),
        ({**order(), "input": "a red shoe"}, "input"),
        (order(prompt=None), "prompt"),
        (order(prompt=""), "prompt"),
        (order(prompt="x" * 2501), "prompt"),
        (order(seed=1), "seed"),
        (order(n=2), "n is unknown"),
        (order(negative_prompt="no"), "negative_prompt"),
        (order(resolution="720p"), "resolution"),
        (order(mode="high"), "mode"),
        (order(video_mode="reference"), "video_mode"),
        (order(duration="5"), "duration"),
        (order(duration=2), "duration"),
        (order(duration=11), "duration"),
        (order(duration=7), "duration"),
        (order(aspect_ratio="4:3"), "aspect_ratio"),
        (order(aspect_ratio="auto"), "aspect_ratio"),
        (order(image_urls=[IMAGE]), "image_urls"),
        (order(image_urls=[]), "image_urls"),
        ({**order(), "input": {**order()["input"], "video_url": None}}, "video_url"),
        (order(video_url=URL), "video_url"),
        (order(start_frame_url=IMAGE), "start_frame_url"),
        (order(keep_audio=False), "keep_audio"),
        (elements(image_urls=None), "image_urls"),
        (elements(image_urls=[IMAGE] * 8), "image_urls"),
        (elements(image_urls=["a.png"]), "image_urls"),
        (elements(image_urls=[IMAGE] * 6, elements=[PICTURE] * 2), "elements"),
        (elements(elements=[{"type": "video", "image_urls": [IMAGE]}]), "type"),
        (elements(elements=[{**PICTURE, "image_urls": [IMAGE] * 5}]), "image_urls"),
        (elements(elements=[{**PICTURE, "id": 1}]), "id"),
        (elements(start_image_index=2), "start_image_index"),
        (elements(start_image_index=0), "start_image_index"),
        (elements(video_url=URL, aspect_ratio="auto"), "video_url"),
        (elements(end_frame_url=IMAGE), "end_frame_url"),
        (frames(start_frame_url=None, end_frame_url=IMAGE), "start_frame_url"),
        (frames(image_urls=[IMAGE]), "image_urls"),
        (frames(duration=7), "duration"),
        (frames(aspect_ratio="auto"), "aspect_ratio"),
        (guided("transform", video_url=None, aspect_ratio="9:16"), "video_url"),
        (guided("transform", duration=5), "duration"),
        (guided("transform", aspect_ratio="9:16"), "aspect_ratio"),
        (guided("transform", image_urls=[IMAGE] * 5), "image_urls"),
        (guided("transform", start_frame_url=IMAGE), "start_frame_url"),
        (guided("transform", keep_audio="yes"), "keep_audio"),
        (guided("video_reference", aspect_ratio="16:9"), "aspect_ratio"),
        (guided("video_reference", end_frame_url=IMAGE), "end_frame_url"),
        (guided("video_reference", image_urls=[IMAGE] * 3, elements=[PICTURE] * 2), "elements"),
    ],
)
def test_a_task_outside_the_rules_is_refused(
    sandbox: Sandbox, unifically: Unifically, body: dict[str, Any], named: str
) -> None:
    """Each rule of the page is a 422 whose message names the field, and nothing is created."""
    status, told = unifically.post(body)

    assert (422, "validation_error") == (status, told["data"]["code"]), told
    assert named in told["data"]["message"]
    assert [] == sandbox.tasks("unifically")


@pytest.mark.parametrize(
    ("body", "usd"),
    [
        ({"model": MODEL, "input": {"prompt": "x"}}, "0.24"),
        ({**order(duration=10), "dry_run": False}, "0.48"),
        (elements(duration=3), "0.144"),
        (elements(image_urls=[IMAGE] * 5, elements=[PICTURE] * 2, start_image_index=2), "0.24"),
        (frames(duration=10), "0.48"),
        (frames(duration=7, end_frame_url=IMAGE), "0.336"),
        (frames(aspect_ratio=None), "0.24"),
        (guided("video_reference", duration=4, image_urls=[IMAGE] * 4), "0.192"),
        (guided("video_reference", aspect_ratio=None, keep_audio=True), "0.24"),
        (guided("transform", elements=[{**PICTURE, "description": "a shoe"}]), "0.24"),
    ],
)
def test_a_task_within_the_rules_is_taken(
    sandbox: Sandbox, unifically: Unifically, body: dict[str, Any], usd: str
) -> None:
    """Each kind of task the page describes is accepted and billed by the second."""
    assert 200 == unifically.post(body)[0]
    assert usd == sandbox.ledger()["billed_usd"]


# --- Media


def test_a_file_is_put_as_a_form_or_as_base64(unifically: Unifically) -> None:
    """The address that comes back leads to its bytes, without any key."""
    plain = base64.b64encode(picture()).decode()
    ways = (
        {"files": {"file": ("shoe.png", picture(), "image/png")}},
        {"json": {"base64": plain}},
        {"json": {"base64": f"data:image/png;base64,{plain}"}},
    )
    for way in ways:
        status, body = unifically.put(**way)
        assert (200, True) == (status, body["success"])
        assert picture() == httpx.get(body["file_url"]).content


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"image": picture()}},
        {"files": {"file": picture()}, "data": {"name": "shoe"}},
        {"files": {"file": b"no picture at all"}},
        {"files": {"file": b""}},
        {"json": {"base64": "%"}},
        {"json": {"base64": base64.b64encode(picture()).decode(), "name": "shoe"}},
        {"json": {"url": IMAGE}},
        {"content": picture()},
    ],
)
def test_what_is_no_file_is_not_stored(unifically: Unifically, sent: dict[str, Any]) -> None:
    """A failure is `success` false under HTTP 200."""
    status, body = unifically.put(**sent)

    assert (200, {"success": False, "message": body["message"]}) == (status, body)


def test_a_file_can_be_taken_from_an_address(sandbox: Sandbox, unifically: Unifically) -> None:
    """From one of the sandbox's own: it never goes out. The copy is the account's."""
    web = httpx.URL(sandbox.base_urls["unifically"]).copy_with(path="/_sandbox/web")
    url = httpx.post(web, content=picture(), trust_env=False).json()["url"]

    status, body = unifically.put(json={"url": url})

    assert (200, True) == (status, body["success"])
    assert picture() == httpx.get(body["file_url"]).content


def test_files_and_tasks_have_hosts_of_their_own(unifically: Unifically) -> None:
    """Neither takes the other's requests, nor another verb."""
    image = {"file": picture()}

    assert 404 == unifically.client.put("/upload", files=image).status_code
    assert 404 == unifically.client.post(f"{unifically.files}/v1/tasks", json=order()).status_code
    assert 405 == unifically.client.post(f"{unifically.files}/upload", files=image).status_code


def test_a_stored_file_can_be_used_for_an_hour(sandbox: Sandbox, unifically: Unifically) -> None:
    """How long it lives is in no page: our choice; the books name its digest."""
    url = unifically.stored(picture())
    unifically.bought(**frames(start_frame_url=url)["input"])

    sandbox.advance(3601)

    status, body = unifically.post(frames(start_frame_url=url))
    assert (422, "input.start_frame_url: cannot be fetched") == (status, body["data"]["message"])
    (booked,) = sandbox.tasks("unifically")
    assert 1 == len(booked["references"])


def test_a_stored_file_belongs_to_its_account(sandbox: Sandbox, unifically: Unifically) -> None:
    """Another account cannot use its address (our choice)."""
    url = unifically.stored(picture())
    other = Unifically(sandbox, OTHER_KEY)

    assert 422 == other.post(frames(start_frame_url=url))[0]
    other.client.close()


def test_a_medium_must_be_of_the_right_kind_and_size(unifically: Unifically) -> None:
    """No picture for a video, no video for a picture, and nothing beyond the model's limits."""
    image, small = unifically.stored(picture()), unifically.stored(picture(200, 400))
    video, short = unifically.stored(movie()), unifically.stored(movie(seconds=2))

    for wrong in (
        frames(start_frame_url=video),
        elements(image_urls=[small]),
        guided("transform", video_url=image),
        guided("transform", video_url=short),
    ):
        assert 422 == unifically.post(wrong)[0]
    assert 200 == unifically.post(guided("transform", video_url=video, image_urls=[image]))[0]


def test_an_edit_has_the_length_and_ratio_of_its_video(
    sandbox: Sandbox, unifically: Unifically
) -> None:
    """Its price follows too."""
    video = unifically.stored(movie(seconds=4))
    edit = guided("transform", video_url=video)

    _, body = unifically.finished(unifically.bought(**edit["input"]))

    assert (720, 720, 4) == measured(body["data"]["output"]["video_url"])
    assert 0.192 == body["data"]["cost"]
    assert "0.192" == sandbox.ledger()["billed_usd"]


def test_an_edit_with_a_reference_keeps_its_videos_shape(unifically: Unifically) -> None:
    """The reference leads neither its ratio nor its length."""
    video, image = unifically.stored(movie(seconds=3)), unifically.stored(picture())
    edit = guided("transform", video_url=video, image_urls=[image])["input"]

    _, body = unifically.finished(unifically.bought(**edit))

    assert (720, 720, 3) == measured(body["data"]["output"]["video_url"])


def edited(**given: Any) -> dict[str, Any]:
    """Return a task of the second model."""
    fields = {"prompt": "make it red", "mode": "std", "video_mode": "transform", "video_url": URL}
    return {
        "model": "kuaishou/kling-o1-video-edit",
        "input": {name: value for name, value in {**fields, **given}.items() if value is not None},
    }


@pytest.mark.parametrize(
    ("mode", "ratio", "size"),
    [
        ("transform", None, (720, 720, 4)),
        ("reference", None, (960, 960, 4)),
        ("reference", "9:16", (720, 1280, 4)),
    ],
)
def test_the_second_model_makes_what_is_as_long_as_its_video(
    unifically: Unifically, mode: str, ratio: str | None, size: tuple[int, int, int]
) -> None:
    """In both of its modes; a transformed video keeps its shape (the other's is ours)."""
    video = unifically.stored(movie(seconds=4))
    image = unifically.stored(picture())
    task = edited(video_mode=mode, video_url=video, image_urls=[image], aspect_ratio=ratio)

    status, body = unifically.post(task)
    assert 200 == status, body
    _, body = unifically.finished(body["data"]["task_id"])

    assert size == measured(body["data"]["output"]["video_url"])
    assert 0.192 == body["data"]["cost"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (edited(video_url=None), "video_url"),
        (edited(video_mode="elements"), "video_mode"),
        (edited(duration=5), "duration"),
        (edited(image_urls=[IMAGE] * 5), "image_urls"),
        (edited(keep_audio="yes"), "keep_audio"),
        (edited(elements=[]), "elements"),
    ],
)
def test_the_second_model_has_fields_of_its_own(
    unifically: Unifically, body: dict[str, Any], named: str
) -> None:
    """A closed set too."""
    status, told = unifically.post(body)

    assert (422, True) == (status, named in told["data"]["message"])


@pytest.mark.parametrize(("side", "pixels"), [("wide", (1920, 1080)), ("tall", (1080, 1920))])
def test_a_first_frame_decides_the_ratio(
    unifically: Unifically, side: str, pixels: tuple[int, int]
) -> None:
    """As in the model itself: what `aspect_ratio` says is of no use there."""
    image = unifically.stored(picture(640, 360) if side == "wide" else picture(360, 640))
    given = frames(start_frame_url=image, mode="pro", aspect_ratio="1:1")["input"]

    _, body = unifically.finished(unifically.bought(**given))

    assert pixels == measured(body["data"]["output"]["video_url"])[:2]
