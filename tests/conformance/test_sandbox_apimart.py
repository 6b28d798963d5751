"""The sandbox speaks APIMart's dialect: strict, odd, and independent of our adapter.

Plain HTTP against the real process. What is expected here was read from APIMart's pages and its
official skill; what they leave open is the sandbox's choice and is said so.
"""

from __future__ import annotations

import threading
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

DATED = {"X-APIMart-Response-Version": "2026-07-27"}
RUNNING = {"submitted", "pending", "processing", "in_progress"}
DAY_S = 86_400


class APIMart:
    """Talks to the sandbox as APIMart's clients do."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.client = client(sandbox, "apimart", key)

    def send(self, body: Any, key: str = "", **headers: str) -> httpx.Response:
        """Ask for a generation, under an Idempotency-Key if one is given."""
        keyed = {"Idempotency-Key": key} if key else {}
        return self.client.post("/v1/videos/generations", json=body, headers={**keyed, **headers})

    def bought(self, body: dict[str, Any], key: str = "", **headers: str) -> str:
        """Ask for a generation that is taken, and return its task."""
        reply = self.send(body, key, **headers)
        assert reply.is_success, reply.text
        data = reply.json()["data"]
        return str(data[0]["task_id"] if isinstance(data, list) else data["id"])

    def poll(self, task: str) -> Answer:
        """Ask for a task once."""
        return answer(self.client.get(f"/v1/tasks/{task}", params={"language": "en"}))

    def finished(self, task: str) -> dict[str, Any]:
        """Ask until a task has ended."""

        def ended() -> dict[str, Any]:
            data: dict[str, Any] = self.poll(task)[1]["data"]
            return {} if data["status"] in RUNNING else data

        found: dict[str, Any] = eventually(ended)
        return found

    def upload(self, content: bytes, **more: str) -> Answer:
        """Send an image."""
        files = {"file": ("a.png", content, "image/png")}
        return answer(self.client.post("/v1/uploads/images", files=files, data=more))


@pytest.fixture
def apimart(sandbox: Sandbox) -> Iterator[APIMart]:
    """Return a client of one account."""
    made = APIMart(sandbox)
    yield made
    made.client.close()


def order(**fields: Any) -> dict[str, Any]:
    """Return a valid generation: five seconds from text."""
    return {
        "model": "kling-video-o1",
        "prompt": "a red shoe turns",
        "mode": "std",
        "duration": 5,
        "aspect_ratio": "9:16",
        **fields,
    }


def video(**fields: Any) -> list[dict[str, Any]]:
    """Return a list of one video."""
    return [{"video_url": URL, "refer_type": "feature", **fields}]


# --- The way of a task


def test_a_generation_goes_its_way(sandbox: Sandbox, apimart: APIMart) -> None:
    """Submit, poll, download: an array of one task, an array of one address, cost in two units."""
    status, body = answer(apimart.send(order(), "key-1"))
    (told,) = body["data"]
    assert (200, 200, "submitted") == (status, body["code"], told["status"])

    data = apimart.finished(told["task_id"])
    assert (told["task_id"], "completed", 100) == (data["id"], data["status"], data["progress"])
    assert (0.336, 3.36) == (data["cost"], data["credits_cost"])
    assert {"created", "completed", "actual_time", "estimated_time"} <= data.keys()
    (made,) = data["result"]["videos"]
    (url,) = made["url"]
    assert pytest.approx(data["completed"] + DAY_S, abs=60) == made["expires_at"]
    assert (720, 1280, 5) == measured(url)

    (booked,) = sandbox.tasks("apimart", KEY)
    assert ("0.336", "key-1") == (booked["usd"], booked["client_id"])


def test_the_dated_version_has_a_shape_of_its_own(apimart: APIMart) -> None:
    """202 with an object, a request id and where to poll; errors tell a request id too."""
    status, body = answer(apimart.send(order(), **DATED))

    assert 202 == status
    assert ("generation.task", "pending") == (body["data"]["object"], body["data"]["status"])
    assert body["request_id"].startswith("req_")
    key = {"Authorization": f"Bearer {KEY}"}
    polled = httpx.get(body["data"]["poll_url"], headers=key, trust_env=False)
    assert body["data"]["id"] == polled.json()["data"]["id"]

    refused = apimart.send(order(duration=7), **DATED).json()
    assert {"request_id", "error"} == refused.keys()
    other = answer(apimart.send(order(), **{"X-APIMart-Response-Version": "2020-01-01"}))
    assert (400, "X-APIMart-Response-Version") == (other[0], other[1]["error"]["param"])


def test_two_pairs_of_words_are_in_use(sandbox: Sandbox, apimart: APIMart) -> None:
    """The pages contradict each other: each version of the reply has its own words (our choice)."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    tasks = [apimart.bought(order()), apimart.bought(order(), **DATED)]

    assert ["submitted", "pending"] == [apimart.poll(t)[1]["data"]["status"] for t in tasks]
    sandbox.advance(500)
    told = [apimart.poll(task)[1]["data"] for task in tasks]
    assert ["processing", "in_progress"] == [data["status"] for data in told]
    assert all(40 <= data["progress"] <= 60 for data in told)
    assert not any("cost" in data for data in told)


def test_an_id_that_nobody_knows(sandbox: Sandbox, apimart: APIMart) -> None:
    """Of another form: 400; of the right one, or another account's: 404 (our choice)."""
    other = APIMart(sandbox, OTHER_KEY)
    theirs = other.bought(order())

    assert (400, "invalid task id") == (
        (told := apimart.poll("nothing"))[0],
        told[1]["error"]["message"],
    )
    assert [404, 404] == [apimart.poll(task)[0] for task in ("task_0", theirs)]
    other.client.close()


def test_a_failed_task_is_free(sandbox: Sandbox, apimart: APIMart) -> None:
    """It says so: cost 0, and its money is given back."""
    sandbox.play("failed")
    data = apimart.finished(apimart.bought(order()))

    assert ("failed", 0, 0) == (data["status"], data["cost"], data["credits_cost"])
    assert {"code", "message", "type"} == data["error"].keys()
    account = sandbox.ledger()["providers"]["apimart"]["accounts"][KEY]
    assert ("0", "0.336") == (account["billed_usd"], account["peak_billed_usd"])


def test_a_refusal_names_the_policy(sandbox: Sandbox, apimart: APIMart) -> None:
    """What the content policy refuses ends as a failed task (our choice)."""
    sandbox.play("refused")
    data = apimart.finished(apimart.bought(order()))

    assert ("failed", True) == (data["status"], "policy" in data["error"]["message"])


def test_a_link_lives_a_day(sandbox: Sandbox, apimart: APIMart) -> None:
    """Both samples of a reply show 24 hours; the skill's 72 are not relied on."""
    url = apimart.finished(apimart.bought(order()))["result"]["videos"][0]["url"][0]

    sandbox.advance(DAY_S - 60)
    assert 200 == httpx.get(url).status_code
    sandbox.advance(120)
    assert 403 == httpx.get(url).status_code


# --- The Idempotency-Key


@pytest.mark.parametrize("headers", [{}, DATED])
def test_a_repeat_is_answered_with_the_first_reply(
    sandbox: Sandbox, apimart: APIMart, headers: dict[str, str]
) -> None:
    """Same key, same body: the same reply, marked as replayed; nothing is bought again."""
    first = apimart.send(order(), "key-1", **headers)
    again = apimart.send(order(), "key-1", **headers)

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (None, "true") == (
        first.headers.get("idempotency-replayed"),
        again.headers["idempotency-replayed"],
    )
    assert 1 == len(sandbox.tasks("apimart"))


def test_a_key_is_not_used_twice(sandbox: Sandbox, apimart: APIMart) -> None:
    """Another body under a used key, or another version of the reply (our choice), is a 409."""
    apimart.bought(order(), "key-1")

    for reply in (
        apimart.send(order(duration=10), "key-1"),
        apimart.send(order(), "key-1", **DATED),
    ):
        error = reply.json()["error"]
        assert (409, "idempotency_key_reused") == (reply.status_code, error["type"])
    assert 1 == len(sandbox.tasks("apimart"))


def test_a_key_whose_request_is_in_hand_waits(sandbox: Sandbox, apimart: APIMart) -> None:
    """409 with Retry-After until the first is answered, though it went wrong for its client."""
    sandbox.set(timing={"accept_s": 5, "run_s": 0})
    sandbox.play("drop-early")
    with pytest.raises(httpx.RemoteProtocolError):
        apimart.send(order(), "key-1")

    busy = apimart.send(order(), "key-1")
    assert (409, "idempotency_in_progress") == (busy.status_code, busy.json()["error"]["type"])
    assert 0 < int(busy.headers["retry-after"])

    def replayed() -> httpx.Response | None:
        reply = apimart.send(order(), "key-1")
        return reply if reply.is_success else None

    assert "true" == eventually(replayed).headers["idempotency-replayed"]
    assert 1 == len(sandbox.tasks("apimart"))


def test_a_key_belongs_to_its_account_and_lives_a_day(sandbox: Sandbox, apimart: APIMart) -> None:
    """Neither is written down (our choice); without a key nothing is recognised."""
    other = APIMart(sandbox, OTHER_KEY)
    tasks = [apimart.bought(order(), "key-1"), other.bought(order(), "key-1")]
    tasks += [apimart.bought(order()), apimart.bought(order())]
    sandbox.advance(DAY_S + 60)
    tasks += [apimart.bought(order(), "key-1")]

    assert 5 == len(set(tasks))
    other.client.close()


def test_a_refused_request_leaves_its_key_free(apimart: APIMart) -> None:
    """Only what was taken uses a key up (our choice)."""
    assert 400 == apimart.send(order(duration=7), "key-1").status_code

    assert 200 == apimart.send(order(), "key-1").status_code


@pytest.mark.parametrize("key", ["a key", "k" * 192])
def test_a_key_is_short_and_visible(apimart: APIMart, key: str) -> None:
    """1 to 191 visible ASCII characters, no spaces."""
    status, body = answer(apimart.send(order(), key))

    assert (400, "Idempotency-Key") == (status, body["error"]["param"])


@pytest.mark.parametrize(
    ("code", "status"),
    [("idempotency_result_indeterminate", 409), ("idempotency_unavailable", 503)],
)
def test_a_key_can_fail_in_its_own_ways(
    sandbox: Sandbox, apimart: APIMart, code: str, status: int
) -> None:
    """The outcome of the first unknown to the server; the store of keys down: nothing is done."""
    sandbox.play({"fault": "code", "code": code, "status": status})

    reply = apimart.send(order(), "key-1")

    assert (status, code) == (reply.status_code, reply.json()["error"]["type"])
    assert [] == sandbox.tasks("apimart")


def test_simultaneous_repeats_make_one_task(sandbox: Sandbox, apimart: APIMart) -> None:
    """However many arrive at once under one key."""
    sandbox.set(timing={"accept_s": 0.2, "run_s": 0})
    seen: list[int] = []

    def ask() -> None:
        seen.append(apimart.send(order(), "key-1").status_code)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {200, 409} >= set(seen)
    assert 1 == len(sandbox.tasks("apimart"))


# --- Who asks


def test_a_bad_key_is_refused(sandbox: Sandbox, apimart: APIMart) -> None:
    """401 as measured: an empty code, the gateway's own type, a request id in a header."""
    sandbox.set(accounts={KEY: "bad"})
    reply = apimart.send(order())

    error = reply.json()["error"]
    assert (401, "", "apimart_error") == (reply.status_code, error["code"], error["type"])
    assert reply.headers["x-oneapi-request-id"] in error["message"]
    apimart.client.headers.pop("Authorization")
    assert [401, 401] == [apimart.send(order()).status_code, apimart.poll("task_0")[0]]


def test_an_empty_account_cannot_buy(sandbox: Sandbox, apimart: APIMart) -> None:
    """What costs more than is left is a 402."""
    sandbox.set(accounts={KEY: {"balance_usd": 0.5}})
    assert 200 == apimart.send(order()).status_code

    status, body = answer(apimart.send(order()))

    assert (402, "payment_required") == (status, body["error"]["type"])


# --- What is refused


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"'])
def test_what_is_no_object_is_refused(apimart: APIMart, content: bytes) -> None:
    """The body is a JSON object."""
    reply = apimart.client.post("/v1/videos/generations", content=content)

    assert (400, "invalid_request_error") == (reply.status_code, reply.json()["error"]["type"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (without(order(), "model"), "model"),
        (without(order(), "prompt"), "prompt"),
        (order(model="kling-v3"), "model"),
        (order(prompt=""), "prompt"),
        (order(prompt="x" * 2501), "prompt"),
        (order(prompt="x" * 2490, image_urls=[URL]), "prompt"),
        (order(prompt="<<<image_1>>> turns"), "prompt"),
        (order(prompt="<<<image_2>>> turns", image_urls=[URL]), "prompt"),
        (order(mode="1080p"), "mode"),
        (order(duration="5"), "duration"),
        (order(duration=5.0), "duration"),
        (order(duration=7), "duration"),
        (order(aspect_ratio="4:3"), "aspect_ratio"),
        (order(image_urls=[]), "image_urls"),
        (order(image_urls=URL), "image_urls"),
        (order(image_urls=[URL] * 8), "image_urls"),
        (order(image_urls=["data:image/png;base64,AAAA"]), "image_urls"),
        (order(image_urls=[URL] * 5, video_list=video()), "image_urls"),
        (order(video_list=video() * 2), "video_list"),
        (order(video_list=[{"refer_type": "feature"}]), "video_list"),
        (order(video_list=video(refer_type="guide")), "video_list"),
        (order(video_list=video(keep_original_sound=True)), "video_list"),
        (order(video_list=video(keep_audio="yes")), "video_list"),
        (order(image_with_roles=[{"url": URL, "role": "first_frame"}]), "image_with_roles"),
        (order(negative_prompt="no"), "negative_prompt"),
        (order(seed=1), "seed"),
        (order(n=1), "n"),
        (order(webhook="x"), "webhook"),
    ],
)
def test_a_generation_outside_the_rules_is_refused(
    sandbox: Sandbox, apimart: APIMart, body: dict[str, Any], param: str
) -> None:
    """Each rule of the model's page is a 400 that names its field, and nothing is created."""
    status, told = answer(apimart.send(body))

    assert (400, param) == (status, told["error"]["param"])
    assert {"code", "message", "type", "param"} == told["error"].keys()
    assert [] == sandbox.tasks("apimart")


@pytest.mark.parametrize(
    "body",
    [
        {"model": "kling-video-o1", "prompt": "x"},
        order(duration=10, mode="pro", aspect_ratio="1:1", webhook=URL, language="en"),
        order(image_urls=[URL] * 7),
        order(prompt="<<<image_2>>> turns", image_urls=[URL] * 2),
        order(image_urls=[URL] * 4, video_list=video(keep_original_sound="yes")),
    ],
)
def test_a_generation_within_the_rules_is_taken(apimart: APIMart, body: dict[str, Any]) -> None:
    """Each kind of generation that the page describes is accepted."""
    assert 200 == apimart.send(body).status_code, apimart.send(body).text


def test_a_wrong_parameter_can_come_as_a_server_error(sandbox: Sandbox, apimart: APIMart) -> None:
    """500 whose message begins with `build_request_failed:`; nothing is bought."""
    sandbox.play({"fault": "code", "code": "build_request_failed", "status": 500})

    status, body = answer(apimart.send(order()))

    assert 500 == status
    assert body["error"]["message"].startswith("build_request_failed:")
    assert [] == sandbox.tasks("apimart")


def test_the_first_image_is_named_in_front(sandbox: Sandbox, apimart: APIMart) -> None:
    """Images that the prompt does not name: the server writes the first one's token itself."""
    for prompt in ("a shoe", "<<<image_2>>> turns"):
        apimart.bought(order(prompt=prompt, image_urls=[URL] * 2))

    prompts = {task["prompt"] for task in sandbox.tasks("apimart")}
    assert {"<<<image_1>>>a shoe", "<<<image_2>>> turns"} == prompts


def test_defaults_are_the_cheaper_ones(apimart: APIMart) -> None:
    """No mode, no seconds, no ratio: std, 5, 16:9."""
    body = {"model": "kling-video-o1", "prompt": "x"}
    data = apimart.finished(apimart.bought(body))

    assert (1280, 720, 5) == measured(data["result"]["videos"][0]["url"][0])
    assert 0.336 == data["cost"]


# --- Media


def published(sandbox: Sandbox, content: bytes) -> str:
    """Put something on the sandbox's web, and return its address."""
    web = httpx.URL(sandbox.base_urls["apimart"]).copy_with(path="/_sandbox/web")
    return str(httpx.post(web, content=content, trust_env=False).json()["url"])


def test_a_video_without_a_role_is_edited(sandbox: Sandbox, apimart: APIMart) -> None:
    """`refer_type` defaults to `base`: length and ratio follow the video, the price is higher."""
    url = published(sandbox, movie(seconds=4))
    edit = apimart.bought(order(video_list=[{"video_url": url}]))
    guided = apimart.bought(order(video_list=video(video_url=url)))

    edited, made = apimart.finished(edit), apimart.finished(guided)

    assert (720, 720, 4) == measured(edited["result"]["videos"][0]["url"][0])
    assert (720, 1280, 5) == measured(made["result"]["videos"][0]["url"][0])
    assert (0.4032, 0.504) == (edited["cost"], made["cost"])


def test_an_uploaded_image_can_be_used(sandbox: Sandbox, apimart: APIMart) -> None:
    """By its public address, which says what was stored; the books name its digest."""
    status, told = apimart.upload(picture())
    assert (200, "image/png", len(picture())) == (status, told["content_type"], told["bytes"])
    assert {"url", "filename", "created_at"} <= told.keys()
    assert picture() == httpx.get(told["url"]).content

    apimart.bought(order(image_urls=[told["url"]]))

    (upload,) = sandbox.ledger()["providers"]["apimart"]["accounts"][KEY]["uploads"]
    assert [[upload["digest"]]] == [task["references"] for task in sandbox.tasks("apimart")]


def test_an_upload_lives_three_days_for_its_account(sandbox: Sandbox, apimart: APIMart) -> None:
    """Another account's request cannot fetch it (our choice), nor any after 72 hours."""
    url = apimart.upload(picture())[1]["url"]
    other = APIMart(sandbox, OTHER_KEY)
    body = order(image_urls=[url])

    assert [200, 400] == [apimart.send(body).status_code, other.send(body).status_code]
    sandbox.advance(3 * DAY_S + 60)
    assert (400, 404) == (apimart.send(body).status_code, httpx.get(url).status_code)
    other.client.close()


@pytest.mark.parametrize("content", [b"not an image", movie(seconds=1), picture(form="BMP")])
def test_only_images_are_stored(apimart: APIMart, content: bytes) -> None:
    """JPEG, PNG, GIF and WebP; there is no place for a video."""
    assert (400, "file") == (
        (told := apimart.upload(content))[0],
        told[1]["error"]["param"],
    )


def test_an_upload_has_its_file_and_a_size(apimart: APIMart) -> None:
    """No other field (our choice), a file, and at most 20 MB."""
    big = picture() + b"\0" * (20 * 1024 * 1024)

    assert [400, 413] == [apimart.upload(picture(), purpose="x")[0], apimart.upload(big)[0]]
    assert 400 == apimart.client.post("/v1/uploads/images", json={"url": URL}).status_code


@pytest.mark.parametrize("content", [picture(200, 400), picture(300, 1200), picture(form="GIF")])
def test_an_image_outside_the_limits_is_refused(apimart: APIMart, content: bytes) -> None:
    """It can be stored and not be used: the model's own limits hold."""
    url = apimart.upload(content)[1]["url"]

    status, body = answer(apimart.send(order(image_urls=[url])))

    assert (400, "image_urls") == (status, body["error"]["param"])


def test_image_and_video_are_not_confused(sandbox: Sandbox, apimart: APIMart) -> None:
    """An image cannot be edited, a video is no reference image."""
    image = apimart.upload(picture())[1]["url"]
    clip = published(sandbox, movie())

    assert 400 == apimart.send(order(video_list=video(video_url=image))).status_code
    assert 400 == apimart.send(order(image_urls=[clip])).status_code


def test_an_edit_with_a_reference_keeps_its_videos_shape(
    sandbox: Sandbox, apimart: APIMart
) -> None:
    """The reference leads neither its ratio nor its length."""
    image = apimart.upload(picture())[1]["url"]
    clip = published(sandbox, movie(seconds=3))

    edit = apimart.bought(order(image_urls=[image], video_list=[{"video_url": clip}]))

    assert (720, 720, 3) == measured(apimart.finished(edit)["result"]["videos"][0]["url"][0])


# --- Models


def test_models_and_their_schema_can_be_read(apimart: APIMart) -> None:
    """As the official client asks: a list of ids, an input's schema without the model, a page."""

    def get(path: str, **query: str) -> Answer:
        return answer(apimart.client.get(f"/v1/{path}", params=query))

    (model,) = get("models")[1]["data"]
    asked = {"model": model["id"], "operation": "video_generation"}
    status, schema = get("model-schema", **asked)
    page = get("model-docs", model=model["id"])[1]

    assert (200, asked) == (status, {name: schema[name] for name in asked})
    fields = schema["input_schema"]["properties"]
    assert {"prompt", "video_list"} <= fields.keys()
    assert "model" not in fields
    assert ("model.documentation", model["id"]) == (page["object"], page["model"])
    assert all(page[name] for name in ("doc_url", "markdown_url", "markdown", "fetched_at"))
    assert page["stale"] is False
    assert [404, 404] == [
        get("model-schema", model="kling-v9")[0],
        get("model-schema", model=model["id"], operation="image_generation")[0],
    ]


# --- Faults in its words


def test_faults_wear_its_envelope(sandbox: Sandbox, apimart: APIMart) -> None:
    """429 with Retry-After where told, 5xx: an error object with the type of the status."""
    sandbox.play({"fault": "throttled", "retry_after": 2}, {"fault": "error", "status": 502})

    throttled, failed = apimart.send(order()), apimart.send(order())

    assert (429, "2") == (throttled.status_code, throttled.headers["retry-after"])
    assert "rate_limit_error" == throttled.json()["error"]["type"]
    assert (502, "bad_gateway") == (failed.status_code, failed.json()["error"]["type"])


def test_a_poll_can_say_something_else(sandbox: Sandbox, apimart: APIMart) -> None:
    """A word nobody documented, or that the task is not there yet."""
    task = apimart.bought(order())
    sandbox.play({"fault": "unknown-status", "word": "percolating"}, "empty")

    assert "percolating" == apimart.poll(task)[1]["data"]["status"]
    assert 404 == apimart.poll(task)[0]
    assert "completed" == apimart.finished(task)["status"]


def test_the_cost_can_be_missing_or_too_high(sandbox: Sandbox, apimart: APIMart) -> None:
    """As the scenario says."""
    sandbox.play("no-cost", "overcharged")

    told = [apimart.finished(apimart.bought(order())) for _ in range(2)]

    assert [None, 0.672] == [data.get("cost") for data in told]
