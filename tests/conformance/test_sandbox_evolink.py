"""The sandbox speaks EvoLink's dialect: three models, naked tasks, credits, a host for files.

As its pages and its official tool have it, over plain HTTP; where they are silent, it is said.
"""

from __future__ import annotations

import base64
import re
import time
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

FRAMES, EDIT, FAST = (
    "kling-o1-image-to-video",
    "kling-o1-video-edit",
    "kling-o1-video-edit-fast",
)
IMAGE = "https://example.com/shoe.png"
DAY_S = 86_400
STORE = "/api/v1/files/upload"


class EvoLink:
    """Talks to the sandbox as EvoLink's clients do."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.client = client(sandbox, "evolink", key)
        self.files = sandbox.addresses["evolink"]["upload_url"]

    def post(self, body: Any) -> Answer:
        """Send a generation."""
        return answer(self.client.post("/v1/videos/generations", json=body))

    def bought(self, body: dict[str, Any]) -> str:
        """Buy a generation, and return its id."""
        status, told = self.post(body)
        assert 200 == status, told
        return str(told["id"])

    def poll(self, task: str) -> Answer:
        """Ask for a task once."""
        return answer(self.client.get(f"/v1/tasks/{task}"))

    def finished(self, task: str) -> dict[str, Any]:
        """Ask until a task has ended."""

        def ended() -> dict[str, Any]:
            _, body = self.poll(task)
            return {} if body["status"] in {"pending", "processing"} else body

        found: dict[str, Any] = eventually(ended)
        return found

    def credits(self) -> dict[str, Any]:
        """Ask what is left and what was used."""
        found: dict[str, Any] = answer(self.client.get("/v1/credits"))[1]["data"]
        return found

    def put(self, way: str, **sent: Any) -> Answer:
        """Send something to the file host."""
        return answer(self.client.post(f"{self.files}{STORE}/{way}", **sent))

    def stored(self, content: bytes) -> str:
        """Store a file, and return its address."""
        status, body = self.put("stream", files={"file": ("a.bin", content)})
        assert (200, True) == (status, body["success"]), body
        return str(body["data"]["file_url"])


@pytest.fixture
def evolink(sandbox: Sandbox) -> Iterator[EvoLink]:
    """Return a client of one account."""
    made = EvoLink(sandbox)
    yield made
    made.client.close()


def order(**fields: Any) -> dict[str, Any]:
    """Return a valid generation: five seconds from a first frame."""
    return {"model": FRAMES, "prompt": "a red shoe turns", "image_urls": [IMAGE], **fields}


def edit(model: str = EDIT, **fields: Any) -> dict[str, Any]:
    """Return a valid edit of a video."""
    return {"model": model, "prompt": "make it red", "video_urls": [URL], **fields}


# --- The way of a task


def test_a_task_goes_its_way(sandbox: Sandbox, evolink: EvoLink) -> None:
    """The reply is the task itself, with the credits set aside; the result is a list of links."""
    image = evolink.stored(picture(360, 640))
    called = "https://example.com/called"
    status, body = evolink.post(order(image_urls=[image], callback_url=called))
    task = {
        "created": body["created"],
        "id": body["id"],
        "model": FRAMES,
        "object": "video.generation.task",
        "type": "video",
    }
    begun = {
        "progress": 0,
        "status": "pending",
        "task_info": {"can_cancel": True, "estimated_time": 300, "video_duration": 5.0},
        "usage": {"billing_rule": "per_call", "credits_reserved": 40.32, "user_group": "default"},
    }
    assert (200, task | begun) == (status, body)
    assert re.fullmatch(rf"task-unified-{body['created']}-[a-z0-9]{{8}}", body["id"])

    told = evolink.finished(body["id"])

    over = {"progress": 100, "status": "completed", "task_info": {"can_cancel": False}}
    assert task | over | {"results": told["results"]} == told
    assert (1080, 1920, 5) == measured(told["results"][0])
    (booked,) = sandbox.tasks("evolink", KEY)
    assert (body["id"], "0.56", "done") == (booked["task"], booked["usd"], booked["status"])


def test_a_task_waits_and_runs(sandbox: Sandbox, evolink: EvoLink) -> None:
    """First it is pending, then processing with a progress in percent."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = evolink.bought(order())

    first = evolink.poll(task)[1]
    sandbox.advance(500)
    second = evolink.poll(task)[1]

    assert ("pending", 0) == (first["status"], first["progress"])
    assert "processing" == second["status"]
    assert 40 <= second["progress"] <= 60
    assert first["task_info"] == second["task_info"] == {"can_cancel": True}


def test_results_live_for_a_day(sandbox: Sandbox, evolink: EvoLink) -> None:
    """After 24 hours a link is dead, and asking again gives the same one."""
    task = evolink.bought(order())
    (url,) = evolink.finished(task)["results"]

    sandbox.advance(DAY_S - 60)
    assert 200 == httpx.get(url).status_code
    sandbox.advance(120)
    assert 403 == httpx.get(url).status_code
    assert [url] == evolink.finished(task)["results"]


def test_nothing_protects_from_buying_twice(sandbox: Sandbox, evolink: EvoLink) -> None:
    """There is no client id: the same body again, after a 502 as well, is another task."""
    sandbox.play("error-after")

    assert 502 == evolink.post(order())[0]
    assert evolink.bought(order()) != evolink.bought(order())

    assert 3 == len(sandbox.tasks("evolink"))


def test_ids_have_a_form(sandbox: Sandbox, evolink: EvoLink) -> None:
    """What does not begin like an id is a 400 with a word for a code; unknown ids are a 404."""
    told = {
        "code": "invalid_task_id",
        "message": "Task id must start with 'task-unified-'",
        "type": "invalid_request_error",
    }
    assert (400, {"error": told}) == evolink.poll("1757169743")
    unknown = {"code": 404, "message": "Task not found", "type": "not_found_error"}
    assert (404, {"error": unknown}) == evolink.poll("task-unified-1757169743-7cvnl5zw")

    other = EvoLink(sandbox, OTHER_KEY)
    assert 404 == other.poll(evolink.bought(order()))[0]
    other.client.close()


# --- Credits


def test_credits_are_counted(sandbox: Sandbox, evolink: EvoLink) -> None:
    """The account is kept in credits, 72 to the dollar (our choice); none of it is in a task."""
    sandbox.set(accounts={KEY: {"balance_usd": 1}})
    evolink.finished(evolink.bought(order()))

    told = {"remaining_credits": 31.68, "used_credits": 40.32}
    assert {"token": told | {"unlimited_credits": False}, "user": told} == evolink.credits()

    error = {"code": 402, "message": "Insufficient balance", "type": "insufficient_quota_error"}
    assert (402, {"error": error}) == evolink.post(order())
    sandbox.set(accounts={})
    assert evolink.credits()["token"]["unlimited_credits"]


@pytest.mark.parametrize(
    ("model", "seconds", "billed"),
    [(EDIT, 2, 36), (EDIT, 4, 48), (EDIT, 11, 120), (FAST, 4, 40.8), (FAST, 7, 47.6)],
)
def test_a_clip_beyond_the_limits_is_billed_as_clamped(
    evolink: EvoLink, model: str, seconds: int, billed: float
) -> None:
    """Edits bill 3 to 10 seconds and fast ones 6 to 20, of a video of any length."""
    video = evolink.stored(movie(seconds=seconds))

    status, body = evolink.post(edit(model, video_urls=[video]))

    assert (200, billed) == (status, body["usage"]["credits_reserved"])
    assert billed == pytest.approx(evolink.credits()["user"]["used_credits"], abs=0.001)


def test_ten_seconds_cost_twice_five(evolink: EvoLink) -> None:
    """8.064 credits a second."""
    assert 80.64 == evolink.post(order(duration=10))[1]["usage"]["credits_reserved"]


# --- How a task fails


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("failed", "service_error"),
        ("refused", "content_policy_violation"),
        ({"fault": "failed", "code": "quota_exceeded", "message": "Odd."}, "quota_exceeded"),
        ({"fault": "failed", "code": "generation_timeout"}, "generation_timeout"),
    ],
)
def test_a_failed_task_has_an_error(
    sandbox: Sandbox, evolink: EvoLink, fault: Any, code: str
) -> None:
    """With a word for a code, any that a scenario names, and no results."""
    sandbox.play(fault)

    told = evolink.finished(evolink.bought(order()))

    assert ("failed", 100, code) == (told["status"], told["progress"], told["error"]["code"])
    assert told["error"]["message"]
    assert "results" not in told


def test_a_poll_may_know_nothing_or_use_an_unknown_word(sandbox: Sandbox, evolink: EvoLink) -> None:
    """A fresh task may be not found yet; a word may be new, as `cancelled` is."""
    task = evolink.bought(order())
    sandbox.play("empty", {"fault": "unknown-status", "word": "cancelled"})

    assert 404 == evolink.poll(task)[0]
    assert "cancelled" == evolink.poll(task)[1]["status"]


@pytest.mark.parametrize(
    ("fault", "status", "code", "kind"),
    [
        ("throttled", 429, 429, "rate_limit_error"),
        ("no-credit", 402, 402, "insufficient_quota_error"),
        ("bad-key", 401, 401, "authentication_error"),
        ("error", 503, 503, "service_unavailable_error"),
        ({"fault": "error", "status": 502}, 502, 502, "upstream_error"),
        ({"fault": "code", "code": "odd", "status": 403}, 403, "odd", "permission_error"),
    ],
)
def test_troubles_have_one_envelope(
    sandbox: Sandbox, evolink: EvoLink, fault: Any, status: int, code: Any, kind: str
) -> None:
    """The code repeats the HTTP status, but where it is a word; the type is always one."""
    sandbox.play(fault)

    found, body = evolink.post(order())

    assert (status, code, kind) == (found, body["error"]["code"], body["error"]["type"])
    assert [] == sandbox.tasks("evolink")


def test_a_bad_key_is_refused_everywhere(sandbox: Sandbox, evolink: EvoLink) -> None:
    """No key, another scheme, and a key the scenario calls bad: at the API and at the files."""
    error = {"code": 401, "message": "Invalid API key", "type": "authentication_error"}
    sandbox.set(accounts={KEY: "bad"})
    assert (401, {"error": error}) == evolink.post(order())
    stored = {"success": False, "code": 401, "msg": "Invalid API key"}
    assert (401, stored) == evolink.put("stream", files={"file": picture()})

    sandbox.set(accounts={})
    for header in ({}, {"Authorization": f"Key {KEY}"}, {"X-API-Key": KEY}):
        evolink.client.headers.pop("Authorization", None)
        evolink.client.headers.update(header)
        assert (401, {"error": error}) == evolink.post(order())
    assert [] == sandbox.tasks("evolink")


# --- What is refused


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b""])
def test_what_is_no_object_is_refused(evolink: EvoLink, body: bytes) -> None:
    """The body is a JSON object."""
    assert 400 == evolink.client.post("/v1/videos/generations", content=body).status_code


@pytest.mark.parametrize("model", [None, "kling-o1", "kling-o1-text-to-video", 1])
def test_there_are_three_models(evolink: EvoLink, model: Any) -> None:
    """Any other is a 404, and its code a word; there is none for text alone."""
    error = {"code": "model_unavailable", "message": "Model not found", "type": "not_found_error"}

    assert (404, {"error": error}) == evolink.post({**order(), "model": model})


INTERNAL = ("https://localhost/x", "https://10.0.0.1/x", "https://[::1]/x", "https://box/x")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (without(order(), "prompt"), "prompt"),
        (order(prompt=""), "prompt"),
        (order(prompt="x" * 2001), "prompt"),
        (edit(prompt="x" * 5001), "prompt"),
        (without(order(), "image_urls"), "image_urls"),
        (order(image_urls=[]), "image_urls"),
        (order(image_urls=[IMAGE] * 3), "image_urls"),
        (order(image_urls=IMAGE), "image_urls"),
        (order(image_urls=["a.png"]), "image_urls"),
        (order(video_urls=[URL]), "video_urls"),
        (order(duration=7), "duration"),
        (order(duration="5"), "duration"),
        (order(duration=5.0), "duration"),
        (order(aspect_ratio="auto"), "aspect_ratio"),
        (order(mode="pro"), "mode"),
        (order(seed=1), "seed"),
        (order(n=1), "n"),
        (order(keep_original_sound=True), "keep_original_sound"),
        (order(callback_url="http://example.com/called"), "callback_url"),
        (order(callback_url=f"https://example.com/{'x' * 2048}"), "callback_url"),
        *((order(callback_url=url), "callback_url") for url in INTERNAL),
        (without(edit(), "video_urls"), "video_urls"),
        (edit(video_urls=[URL, URL]), "video_urls"),
        (edit(image_urls=[IMAGE] * 5), "image_urls"),
        (edit(image_urls=[]), "image_urls"),
        (edit(duration=5), "duration"),
        (edit(aspect_ratio="16:9"), "aspect_ratio"),
        (edit(keep_original_sound="yes"), "keep_original_sound"),
        (edit(FAST, duration=10), "duration"),
    ],
)
def test_a_generation_outside_the_rules_is_refused(
    sandbox: Sandbox, evolink: EvoLink, body: dict[str, Any], param: str
) -> None:
    """Each rule of the pages is a 400 that names its field, and nothing is created."""
    status, told = evolink.post(body)

    error = {"code": 400, "type": "invalid_request_error", "param": param}
    assert (400, error) == (status, without(told["error"], "message"))
    assert told["error"]["message"].startswith(param)
    assert [] == sandbox.tasks("evolink")


@pytest.mark.parametrize(
    ("body", "billed"),
    [
        (order(image_urls=[IMAGE, IMAGE], aspect_ratio="1:1", duration=10), 80.64),
        (edit(), 60),
        (edit(prompt="x" * 5000, image_urls=[IMAGE] * 4, keep_original_sound=True), 60),
        (edit(FAST, keep_original_sound=False), 40.8),
    ],
)
def test_a_generation_within_the_rules_is_taken(
    evolink: EvoLink, body: dict[str, Any], billed: float
) -> None:
    """Each kind the pages describe; a video nobody can look into is taken for five seconds."""
    status, told = evolink.post(body)

    assert (200, billed) == (status, told["usage"]["credits_reserved"])


# --- Files


def test_a_file_is_stored_in_two_ways(evolink: EvoLink) -> None:
    """As a form or as base64; the address leads to its bytes, without any key."""
    text = base64.b64encode(picture()).decode()
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("stream", {"files": {"file": picture()}, "data": {"fileName": "a", "uploadPath": "b"}}),
        ("base64", {"json": {"base64_data": text, "file_name": "a", "upload_path": "b"}}),
        ("base64", {"json": {"base64_data": f"data:image/png;base64,{text}"}}),
    )
    for way, sent in ways:
        status, body = evolink.put(way, **sent)
        data = body["data"]
        assert (200, True, 200) == (status, body["success"], body["code"])
        assert ("image/png", len(picture())) == (data["mime_type"], data["file_size"])
        assert data["upload_time"] < data["expires_at"]
        for url in (data["file_url"], data["download_url"]):
            assert picture() == httpx.get(url).content


@pytest.mark.parametrize(
    ("way", "sent"),
    [
        ("stream", {"files": {"image": picture()}}),
        ("stream", {"files": {"file": picture()}, "data": {"file_name": "snake"}}),
        ("stream", {"files": {"file": b"no picture at all"}}),
        ("stream", {"content": picture()}),
        ("base64", {"json": {"base64_data": "%"}}),
        ("base64", {"json": {"base64_data": "", "fileName": "camel"}}),
        ("base64", {"json": {"base64": base64.b64encode(picture()).decode()}}),
        ("url", {"json": {"file_url": IMAGE}}),
    ],
)
def test_what_is_no_file_is_not_stored(evolink: EvoLink, way: str, sent: dict[str, Any]) -> None:
    """A failure is `success` false under HTTP 200; field names differ between the two ways."""
    status, body = evolink.put(way, **sent)

    assert (200, {"success": False, "code": 400, "msg": body["msg"]}) == (status, body)


def test_a_file_can_be_taken_from_an_address(sandbox: Sandbox, evolink: EvoLink) -> None:
    """From one of the sandbox's own: it never goes out. The copy is the account's."""
    web = httpx.URL(sandbox.base_urls["evolink"]).copy_with(path="/_sandbox/web")
    url = httpx.post(web, content=picture(), trust_env=False).json()["url"]

    status, body = evolink.put("url", json={"file_url": url, "file_name": "a.png"})

    data = body["data"]
    assert (200, True, "a.png") == (status, body["success"], data["original_name"])
    assert data["file_url"] != url
    assert picture() == httpx.get(data["file_url"]).content


def test_files_are_listed_and_counted(sandbox: Sandbox, evolink: EvoLink) -> None:
    """Page by page, oldest first (ours), beside what is left of the quota; nobody else's."""
    names = []
    for _ in range(3):
        names.append(evolink.put("stream", files={"file": picture()})[1]["data"]["file_id"])
        sandbox.advance(10)
    other = EvoLink(sandbox, OTHER_KEY)
    other.stored(picture())

    def listed(**query: int) -> Answer:
        return answer(evolink.client.get(f"{evolink.files}/api/v1/files/list", params=query))

    status, body = listed()
    assert (200, True, 3) == (status, body["success"], body["data"]["total"])
    assert names == [file["file_id"] for file in body["data"]["files"]]
    assert {"file_id", "file_name", "file_size", "upload_time"} == body["data"]["files"][0].keys()
    assert names[2:] == [file["file_id"] for file in listed(page=2, pageSize=2)[1]["data"]["files"]]
    assert not listed(pageSize=101)[1]["success"]
    quota = answer(evolink.client.get(f"{evolink.files}/api/v1/files/quota"))[1]["data"]
    assert {
        "user_group": "default",
        "used_files": 3,
        "max_files": 100,
        "remain_files": 97,
    } == quota
    other.client.close()


def test_files_and_tasks_have_hosts_of_their_own(evolink: EvoLink) -> None:
    """Neither takes the other's requests."""
    image = {"file": picture()}
    at_files = f"{evolink.files}/v1/videos/generations"

    assert 404 == evolink.client.post(f"{STORE}/stream", files=image).status_code
    assert 404 == evolink.client.post(at_files, json=order()).status_code


def test_a_stored_file_can_be_used_for_three_days(sandbox: Sandbox, evolink: EvoLink) -> None:
    """After 72 hours its address is of no use; the books name its digest."""
    url = evolink.stored(picture())
    sandbox.advance(3 * DAY_S - 60)
    evolink.bought(order(image_urls=[url]))

    sandbox.advance(120)

    status, body = evolink.post(order(image_urls=[url]))
    assert (400, "image_urls cannot be fetched") == (status, body["error"]["message"])
    assert 1 == len(sandbox.tasks("evolink")[0]["references"])


def test_a_stored_file_belongs_to_its_account(sandbox: Sandbox, evolink: EvoLink) -> None:
    """Another account can neither use nor delete it (our choice); its own can."""
    _, body = evolink.put("stream", files={"file": picture()})
    url, name = body["data"]["file_url"], body["data"]["file_id"]
    other = EvoLink(sandbox, OTHER_KEY)
    address = f"{evolink.files}/api/v1/files/{name}"

    assert 400 == other.post(order(image_urls=[url]))[0]
    assert not answer(other.client.delete(address))[1]["success"]
    assert answer(evolink.client.delete(address))[1]["success"]
    assert 400 == evolink.post(order(image_urls=[url]))[0]
    other.client.close()


def test_an_account_has_room_for_a_hundred_files(sandbox: Sandbox, evolink: EvoLink) -> None:
    """One more is refused until the oldest have expired."""
    image = {"file": picture()}
    stored = [evolink.put("stream", files=image)[1]["success"] for _ in range(101)]

    assert [True] * 100 + [False] == stored
    sandbox.advance(3 * DAY_S + 1)
    assert evolink.put("stream", files=image)[1]["success"]


def test_a_medium_must_be_of_the_right_kind_and_size(evolink: EvoLink) -> None:
    """No picture for a video, no video for a picture, and nothing beyond the model's limits."""
    image, video = evolink.stored(picture()), evolink.stored(movie())
    small, flat = evolink.stored(picture(200, 400)), evolink.stored(movie(480, 480))

    for wrong in (
        order(image_urls=[video]),
        order(image_urls=[image, small]),
        order(image_urls=[evolink.stored(picture(form="GIF"))]),
        edit(video_urls=[image]),
        edit(video_urls=[flat]),
        edit(video_urls=[video], image_urls=[small]),
    ):
        assert 400 == evolink.post(wrong)[0]
    assert 200 == evolink.post(edit(video_urls=[video], image_urls=[image]))[0]


def test_an_edit_has_the_length_and_ratio_of_its_video(evolink: EvoLink) -> None:
    """Its short side is that of the pro mode: the price suggests so."""
    video = evolink.stored(movie(seconds=3))

    told = evolink.finished(evolink.bought(edit(video_urls=[video])))

    assert (1080, 1080, 3) == measured(told["results"][0])


def test_an_edit_with_a_reference_keeps_its_videos_shape(evolink: EvoLink) -> None:
    """The reference leads neither its ratio nor its length."""
    video, image = evolink.stored(movie(seconds=3)), evolink.stored(picture(320, 480))

    task = evolink.bought(edit(video_urls=[video], image_urls=[image]))

    assert (1080, 1080, 3) == measured(evolink.finished(task)["results"][0])


def test_a_task_says_when_it_was_created(evolink: EvoLink) -> None:
    """In whole Unix seconds, which are also in its id."""
    began = int(time.time())

    body = evolink.post(order())[1]

    assert began <= body["created"] <= time.time()
    assert str(body["created"]) == body["id"].split("-")[2]


def test_how_long_to_wait_is_a_suggestion(sandbox: Sandbox, evolink: EvoLink) -> None:
    """Its pages show no header for it, but words in the error."""
    sandbox.play({"fault": "throttled", "retry_after": 60}, "throttled")

    (first, told), (second, silent) = evolink.post(order()), evolink.post(order())

    assert (429, 429) == (first, second)
    assert "retry after 60 seconds" == told["error"]["fallback_suggestion"]
    assert "fallback_suggestion" not in silent["error"]
