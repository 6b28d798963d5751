"""The sandbox speaks Runware's dialect: strict, odd, and independent of our adapter.

Plain HTTP against the real process. What is expected here was read from Runware's pages, not from
the adapter; what the pages leave open is the sandbox's choice and is said so.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import av
import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

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

STANDARD = "klingai:kling@o1-standard"
NAMED = {"taskType", "taskUUID"}


class Runware:
    """Talks to the sandbox as Runware's clients do."""

    def __init__(self, sandbox: Sandbox, key: str = KEY) -> None:
        self.client = client(sandbox, "runware", key)

    def post(self, *tasks: Any, **headers: str) -> Answer:
        """Send an array of tasks; header names are written with underscores."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return answer(self.client.post("/v1", json=list(tasks), headers=told))

    def poll(self, task_uuid: str) -> Answer:
        """Ask for a task once."""
        return self.post({"taskType": "getResponse", "taskUUID": task_uuid})

    def finished(self, task_uuid: str) -> dict[str, Any]:
        """Ask until a task has a result or an error."""

        def ended() -> dict[str, Any]:
            _, body = self.poll(task_uuid)
            over = [told for told in body.get("data", ()) if told["status"] != "processing"]
            return body if over or body.get("errors") else {}

        found: dict[str, Any] = eventually(ended)
        return found

    def upload(self, content: bytes) -> dict[str, Any]:
        """Store a medium, and return what is said of it."""
        told = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
        task = {"taskType": "mediaStorage", "taskUUID": new(), "operation": "upload", "media": told}
        status, body = self.post(task)
        assert 200 == status, body
        found: dict[str, Any] = body["data"][0]
        return found


@pytest.fixture
def runware(sandbox: Sandbox) -> Iterator[Runware]:
    """Return a client of one account."""
    made = Runware(sandbox)
    yield made
    made.client.close()


def new() -> str:
    """Return a task's id."""
    return str(uuid.uuid4())


def order(**fields: Any) -> dict[str, Any]:
    """Return a valid task: five seconds from text."""
    return {
        "taskType": "videoInference",
        "taskUUID": new(),
        "model": STANDARD,
        "positivePrompt": "a red shoe turns",
        "width": 720,
        "height": 1280,
        "duration": 5,
        **fields,
    }


def codes(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and parameter of each error."""
    return [(error["code"], error.get("parameter", "")) for error in body["errors"]]


# --- The way of a task


def test_a_task_goes_its_way(sandbox: Sandbox, runware: Runware) -> None:
    """Submit, poll, download: the clip has the pixels and seconds asked for, and says its task."""
    task = order(includeCost=True)
    named = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
    assert (200, {"data": [named]}) == runware.post(task)

    (result,) = runware.finished(task["taskUUID"])["data"]
    assert "success" == result["status"]
    assert 0.42 == result["cost"]
    assert named.items() <= result.items()
    assert {"videoUUID", "videoURL", "seed", "NSFWContent"} <= result.keys()

    clip = httpx.get(result["videoURL"])
    assert (200, "video/mp4") == (clip.status_code, clip.headers["content-type"])
    with av.open(BytesIO(clip.content), "r") as container:
        assert f"callsheet-task:{task['taskUUID']}" == container.metadata["comment"]
        assert "a red shoe turns" == container.metadata["title"]
    assert (720, 1280, 5) == measured(result["videoURL"])

    (booked,) = sandbox.tasks("runware", KEY)
    assert ("0.42", "done") == (booked["usd"], booked["status"])
    assert task["taskUUID"] == booked["client_id"]


def test_a_running_task_says_processing(sandbox: Sandbox, runware: Runware) -> None:
    """A queued task answers no data, like an unknown one; then it is processing."""
    sandbox.set(timing={"accept_s": 0, "run_s": 1000})
    task = order()
    runware.post(task)

    assert (200, {"data": []}) == runware.poll(task["taskUUID"])
    assert (200, {"data": []}) == runware.poll(new())

    sandbox.advance(500)
    (told,) = runware.poll(task["taskUUID"])[1]["data"]
    assert "processing" == told["status"]
    assert 40 <= told["progress"] <= 60


def test_cost_is_told_only_when_asked_for(runware: Runware) -> None:
    """Without includeCost no cost appears: absent is not free."""
    task = order()
    runware.post(task)

    assert "cost" not in runware.finished(task["taskUUID"])["data"][0]


def test_details_keep_request_and_response(runware: Runware) -> None:
    """A task that exists shows the array that was sent; any other is not found (our choice)."""
    task = order()
    runware.post(task)

    status, body = runware.post({"taskType": "getTaskDetails", "taskUUID": task["taskUUID"]})
    assert 200 == status
    assert [task] == body["data"][0]["request"]
    assert "data" in body["data"][0]["response"]

    status, body = runware.post({"taskType": "getTaskDetails", "taskUUID": new()})
    assert (404, [("taskNotFound", "")]) == (status, codes(body))


def test_a_used_id_is_refused(sandbox: Sandbox, runware: Runware) -> None:
    """The same taskUUID again is a conflict, and nothing is billed for it."""
    task = order()
    runware.post(task)

    status, body = runware.post(task)

    assert (400, [("conflictTaskUUID", "taskUUID")]) == (status, codes(body))
    assert 1 == len(sandbox.tasks("runware"))


def test_accounts_do_not_see_each_other(sandbox: Sandbox, runware: Runware) -> None:
    """Another key knows nothing of a task, and may use its id."""
    task = order()
    runware.post(task)
    other = Runware(sandbox, OTHER_KEY)

    assert (200, {"data": []}) == other.poll(task["taskUUID"])
    assert 200 == other.post(task)[0]
    other.client.close()


def test_a_dry_run_buys_nothing(sandbox: Sandbox, runware: Runware) -> None:
    """The header prices a valid task (the reply's shape is our choice) and refuses a wrong one."""
    task = order()
    named = {"taskType": "videoInference", "taskUUID": task["taskUUID"], "cost": 0.42}

    assert (200, {"data": [named]}) == runware.post(task, X_Runware_Dry_Run="1")
    assert 400 == runware.post(order(duration=7), X_Runware_Dry_Run="1")[0]
    assert [] == sandbox.tasks("runware")


def test_an_array_may_hold_good_and_bad_tasks(sandbox: Sandbox, runware: Runware) -> None:
    """Errors stand beside the data of the other tasks."""
    good, bad = order(), order(duration=7)

    status, body = runware.post(good, bad)

    assert 200 == status
    assert [good["taskUUID"]] == [told["taskUUID"] for told in body["data"]]
    assert [bad["taskUUID"]] == [error["taskUUID"] for error in body["errors"]]
    assert 1 == len(sandbox.tasks("runware"))


def test_every_result_is_billed(sandbox: Sandbox, runware: Runware) -> None:
    """Asking for several results multiplies the bill; each result has an address of its own."""
    task = order(numberResults=3, includeCost=True)
    runware.post(task)

    results = runware.finished(task["taskUUID"])["data"]

    assert [0, 1, 2] == [told["resultIndex"] for told in results]
    assert 3 == len({told["videoURL"] for told in results})
    assert "1.26" == sandbox.ledger()["providers"]["runware"]["billed_usd"]


# --- Who asks


def test_a_key_may_come_in_the_array(runware: Runware) -> None:
    """The first element may authenticate instead of the header."""
    told = {"taskType": "authentication", "apiKey": "key-in-the-array"}
    runware.client.headers.pop("Authorization")

    assert 200 == runware.post(told, order())[0]
    assert "connectionSessionUUID" in runware.post(told)[1]["data"][0]


def test_a_bad_key_is_refused(sandbox: Sandbox, runware: Runware) -> None:
    """No key, and a key the scenario calls bad, get a 401 in Runware's words."""
    sandbox.set(accounts={KEY: "bad"})
    status, body = runware.post(order())
    assert (401, [("invalidApiKey", "apiKey")]) == (status, codes(body))

    runware.client.headers.pop("Authorization")
    assert 401 == runware.post(order())[0]


def test_an_empty_account_cannot_buy(sandbox: Sandbox, runware: Runware) -> None:
    """What costs more than is left is a 402; the balance can be asked for."""
    sandbox.set(accounts={KEY: {"balance_usd": 0.5}})
    assert 200 == runware.post(order())[0]

    status, body = runware.post(order())

    assert (402, [("insufficientCredits", "")]) == (status, codes(body))
    asked = {"taskType": "accountManagement", "taskUUID": new(), "operation": "getDetails"}
    left = runware.post(asked)[1]["data"][0]["balance"]
    assert {"amount": pytest.approx(0.08), "currency": "USD"} == left


# --- What is refused


@pytest.mark.parametrize("body", [b"{", b"{}", b"[]", b"[1]", b'"x"'])
def test_what_is_no_array_of_tasks_is_refused(runware: Runware, body: bytes) -> None:
    """The body is always a JSON array of objects."""
    assert 400 == runware.client.post("/v1", content=body).status_code


IMAGE = base64.b64encode(picture()).decode()
FRAME = {"image": IMAGE, "frame": "first"}
LAST = {"image": IMAGE, "frame": "last"}
UNSIZED = without(order(), "width", "height")


@pytest.mark.parametrize(
    ("task", "parameter"),
    [
        (order(seed=1), "seed"),
        (order(negativePrompt="no"), "negativePrompt"),
        (order(inputs={"images": [IMAGE]}), "inputs.images"),
        (order(providerSettings={"kling": {}}), "providerSettings.kling"),
        (without(order(), "model"), "model"),
        (without(order(), "taskUUID"), "taskUUID"),
        (without(order(), "positivePrompt"), "positivePrompt"),
        (order(taskUUID="7"), "taskUUID"),
        (order(model="klingai:5@3"), "model"),
        (order(positivePrompt="x"), "positivePrompt"),
        (order(positivePrompt="x" * 2501), "positivePrompt"),
        (order(duration="5"), "duration"),
        (order(duration=5.5), "duration"),
        (order(duration=11), "duration"),
        (order(numberResults=21), "numberResults"),
        (order(outputFormat="AVI"), "outputFormat"),
        (order(outputQuality=10), "outputQuality"),
        (order(deliveryMethod="sync"), "deliveryMethod"),
        (order(includeCost=1), "includeCost"),
        (order(ttl=59), "ttl"),
        (order(webhookURL="x"), "webhookURL"),
        (order(safety={"mode": "some"}), "safety.mode"),
        (order(width=1080, height=1920), "width"),
        (without(order(), "height"), "width"),
        (order(duration=7), "duration"),
        (UNSIZED, "width"),
        (order(inputs={"frameImages": [FRAME]}), "inputs.frameImages"),
        (order(inputs={"referenceImages": [IMAGE]}), "inputs.referenceImages"),
        ({**UNSIZED, "inputs": {"frameImages": []}}, "inputs.frameImages"),
        ({**UNSIZED, "inputs": {"frameImages": [FRAME, FRAME, FRAME]}}, "inputs.frameImages"),
        ({**UNSIZED, "inputs": {"frameImages": [LAST]}}, "inputs.frameImages"),
        ({**UNSIZED, "inputs": {"frameImages": [FRAME, FRAME]}}, "inputs.frameImages"),
        (
            {**UNSIZED, "inputs": {"frameImages": [{"image": IMAGE, "frame": "middle"}]}},
            "inputs.frameImages",
        ),
        ({**UNSIZED, "inputs": {"frameImages": [FRAME]}, "duration": 6}, "duration"),
        (
            {**UNSIZED, "inputs": {"frameImages": [FRAME], "referenceImages": [IMAGE]}},
            "inputs.frameImages",
        ),
        ({**UNSIZED, "inputs": {"referenceImages": [IMAGE] * 8}}, "inputs.referenceImages"),
        (order(inputs={"referenceVideos": [URL, URL]}), "inputs.referenceVideos"),
        (order(inputs={"referenceVideos": [IMAGE]}), "inputs.referenceVideos"),
        (
            {**UNSIZED, "inputs": {"referenceVideos": [URL], "frameImages": [FRAME, LAST]}},
            "inputs.frameImages",
        ),
        (
            order(inputs={"referenceVideos": [URL], "referenceImages": [IMAGE] * 5}),
            "inputs.referenceImages",
        ),
        (order(inputs={"video": URL}), "width"),
        ({**UNSIZED, "inputs": {"video": URL}}, "duration"),
        (
            {
                **without(UNSIZED, "duration"),
                "inputs": {"video": URL, "referenceImages": [IMAGE] * 5},
            },
            "inputs.referenceImages",
        ),
        (order(providerSettings={"klingai": {"fast": True}}), "providerSettings.klingai.fast"),
        ({**UNSIZED, "inputs": {"referenceImages": [new()]}}, "inputs.referenceImages"),
        ({**UNSIZED, "inputs": {"referenceImages": ["a file.png"]}}, "inputs.referenceImages"),
    ],
)
def test_a_task_outside_the_rules_is_refused(
    sandbox: Sandbox, runware: Runware, task: dict[str, Any], parameter: str
) -> None:
    """Each rule of the model's page is a 400 that names its parameter, and nothing is created."""
    status, body = runware.post(task)

    assert 400 == status
    assert parameter in [found for _, found in codes(body)]
    assert {"code", "message", "parameter", "taskType", "documentation"} <= body["errors"][0].keys()
    assert [] == sandbox.tasks("runware")


@pytest.mark.parametrize(
    "task",
    [
        order(),
        order(duration=10, model="klingai:kling@o1", width=1920, height=1080),
        {**UNSIZED, "inputs": {"frameImages": [FRAME]}},
        {**UNSIZED, "inputs": {"frameImages": [IMAGE, IMAGE]}},
        {**UNSIZED, "inputs": {"frameImages": [{"image": IMAGE, "frame": 0}, LAST]}},
        {**UNSIZED, "inputs": {"referenceImages": [IMAGE] * 7}, "duration": 7},
        order(inputs={"referenceVideos": [URL]}, duration=3),
        order(inputs={"referenceVideos": [URL], "referenceImages": [IMAGE] * 4}),
        {**UNSIZED, "inputs": {"referenceVideos": [URL], "frameImages": [FRAME]}},
        {**without(UNSIZED, "duration"), "inputs": {"video": URL, "referenceImages": [IMAGE]}},
        order(safety={"checkContent": True, "mode": "fast"}, outputFormat="MOV", ttl=60),
        order(routing={"regions": ["eu"]}),
    ],
)
def test_a_task_within_the_rules_is_taken(runware: Runware, task: dict[str, Any]) -> None:
    """Each kind of task that the page describes is accepted."""
    told = {**task, "taskUUID": new()}

    assert 200 == runware.post(told)[0], runware.post(told)


# --- Media


def test_a_stored_medium_can_be_used_and_fetched(sandbox: Sandbox, runware: Runware) -> None:
    """By its UUID or its address; the books name its digest."""
    stored = runware.upload(picture())
    assert picture() == httpx.get(stored["mediaURL"]).content

    for told in (stored["mediaUUID"], stored["mediaURL"]):
        task = {**UNSIZED, "taskUUID": new(), "inputs": {"frameImages": [told]}}
        assert 200 == runware.post(task)[0]

    digests = [task["references"] for task in sandbox.tasks("runware")]
    (upload,) = sandbox.ledger()["providers"]["runware"]["accounts"][KEY]["uploads"]
    assert [[upload["digest"]]] * 2 == digests


def test_a_stored_medium_belongs_to_its_account(sandbox: Sandbox, runware: Runware) -> None:
    """Another account cannot use its UUID."""
    stored = runware.upload(picture())
    other = Runware(sandbox, OTHER_KEY)
    task = {**UNSIZED, "inputs": {"frameImages": [stored["mediaUUID"]]}}

    assert (400, [("mediaNotFound", "inputs.frameImages")]) == (
        (answer := other.post(task))[0],
        codes(answer[1]),
    )
    other.client.close()


def test_a_stored_medium_is_dropped_after_thirty_days(sandbox: Sandbox, runware: Runware) -> None:
    """Thirty days after its last use, not after its upload."""
    stored = runware.upload(picture())
    day = 86_400

    def use() -> int:
        inputs = {"frameImages": [stored["mediaUUID"]]}
        return runware.post({**UNSIZED, "taskUUID": new(), "inputs": inputs})[0]

    sandbox.advance(29 * day)
    assert 200 == use()
    sandbox.advance(29 * day)
    assert 200 == use()
    sandbox.advance(31 * day)
    assert 400 == use()


def test_a_medium_can_be_deleted(runware: Runware) -> None:
    """By its UUID; it cannot be used afterwards, nor deleted again (ours)."""
    stored = runware.upload(picture())
    told = {"taskType": "mediaStorage", "taskUUID": new(), "operation": "delete"}
    delete = {**told, "mediaUUID": stored["mediaUUID"]}
    assert (200, {"data": [delete]}) == runware.post(delete)

    assert (400, [("mediaNotFound", "mediaUUID")]) == (
        (answer := runware.post(delete))[0],
        codes(answer[1]),
    )
    assert 400 == runware.post({**UNSIZED, "inputs": {"frameImages": [stored["mediaUUID"]]}})[0]


@pytest.mark.parametrize(
    ("task", "parameter"),
    [
        ({"operation": "upload", "media": IMAGE, "colour": "red"}, "colour"),
        ({"operation": "move", "media": IMAGE}, "operation"),
        ({"media": IMAGE}, "operation"),
        ({"operation": "upload"}, "media"),
        ({"operation": "delete", "media": new()}, "mediaUUID"),
        ({"operation": "upload", "media": IMAGE, "taskUUID": "7"}, "taskUUID"),
    ],
)
def test_media_storage_is_asked_properly(
    runware: Runware, task: dict[str, Any], parameter: str
) -> None:
    """An operation, what it needs, and no other field."""
    asked = {"taskType": "mediaStorage", "taskUUID": new(), **task}

    assert (400, parameter) == ((answer := runware.post(asked))[0], codes(answer[1])[0][1])


def test_a_picture_can_be_stored_in_the_older_way(runware: Runware) -> None:
    """`imageUpload` still works: an image UUID and address."""
    task = {"taskType": "imageUpload", "taskUUID": new(), "image": IMAGE}

    status, body = runware.post(task)

    (told,) = body["data"]
    assert (200, {"taskType", "taskUUID", "imageUUID", "imageURL"}) == (status, told.keys())
    assert picture() == httpx.get(told["imageURL"]).content


def test_a_stored_address_is_stored_again_as_it_is(runware: Runware) -> None:
    """An address of the provider's own store is taken as a medium; any other is not fetched."""
    stored = runware.upload(picture())
    task = {"taskType": "mediaStorage", "taskUUID": new(), "operation": "upload"}

    (told,) = runware.post({**task, "media": stored["mediaURL"]})[1]["data"]

    assert stored["mediaUUID"] == told["mediaUUID"]


def test_a_ping_is_answered(runware: Runware) -> None:
    """As the official client asks it."""
    told = {"taskType": "ping", "pong": True}

    assert (200, {"data": [told]}) == runware.post({"taskType": "ping", "ping": True})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (picture(200, 400), "invalidMedia"),
        (picture(300, 1200), "invalidMedia"),
    ],
)
def test_a_picture_outside_the_limits_is_refused(
    runware: Runware, content: bytes, code: str
) -> None:
    """Each side 300 pixels or more, the ratio within 1:2.5 and 2.5:1."""
    task = {**UNSIZED, "inputs": {"frameImages": [base64.b64encode(content).decode()]}}

    assert (400, [(code, "inputs.frameImages")]) == (
        (answer := runware.post(task))[0],
        codes(answer[1]),
    )


@pytest.mark.parametrize(
    "media", ["bm90IGEgcGljdHVyZQ==", "not base64!", "https://example.com/a.png"]
)
def test_what_is_no_medium_cannot_be_stored(runware: Runware, media: str) -> None:
    """Neither noise, nor an address: the sandbox never goes out."""
    task = {"taskType": "mediaStorage", "taskUUID": new(), "operation": "upload", "media": media}

    assert (400, [("invalidMedia", "media")]) == (
        (answer := runware.post(task))[0],
        codes(answer[1]),
    )


def test_an_edit_has_the_length_and_ratio_of_its_video(sandbox: Sandbox, runware: Runware) -> None:
    """Its price follows too; a picture cannot be edited, a short video is refused."""
    video = runware.upload(movie(seconds=4))["mediaUUID"]
    task = without(UNSIZED, "duration")
    edit = {**task, "inputs": {"video": video}, "includeCost": True}
    assert 200 == runware.post(edit)[0]

    (result,) = runware.finished(edit["taskUUID"])["data"]
    assert (720, 720, 4) == measured(result["videoURL"])
    assert 0.504 == pytest.approx(result["cost"])

    image = runware.upload(picture())["mediaUUID"]
    fast = {"providerSettings": {"klingai": {"fast": True}}}
    for wrong in ({"inputs": {"video": image}}, fast):
        assert 400 == runware.post({**edit, "taskUUID": new(), **wrong})[0]
    assert 1 == len(sandbox.tasks("runware"))


def test_an_edit_with_a_reference_keeps_its_videos_shape(runware: Runware) -> None:
    """The reference leads neither its ratio nor its length nor its price."""
    video = runware.upload(movie(seconds=3))["mediaUUID"]
    inputs = {"video": video, "referenceImages": [IMAGE]}
    edit = {**without(UNSIZED, "duration"), "taskUUID": new(), "inputs": inputs}
    assert 200 == runware.post({**edit, "includeCost": True})[0]

    (result,) = runware.finished(edit["taskUUID"])["data"]

    assert (720, 720, 3) == measured(result["videoURL"])
    assert 0.378 == pytest.approx(result["cost"])


def test_the_line_of_addresses_has_the_official_clients_too(sandbox: Sandbox) -> None:
    """The whole address, as their setting takes it, beside the one without the version."""
    told = sandbox.addresses["runware"]

    assert f"{told['base_url']}/v1" == told["http_base_url"]
    assert told["http_base_url"].replace("http:", "ws:") == told["ws_base_url"]


def test_a_websocket_is_opened_by_its_key(sandbox: Sandbox) -> None:
    """The first message is the key, the others are arrays as over HTTP, and so are the replies."""
    with connect(sandbox.addresses["runware"]["ws_base_url"], proxy=None) as socket:

        def ask(*tasks: Any) -> dict[str, Any]:
            socket.send(json.dumps(tasks))
            told: dict[str, Any] = json.loads(socket.recv(timeout=30))
            return told

        ping = {"taskType": "ping", "ping": True}
        opening = {"taskType": "authentication", "apiKey": KEY}
        assert "invalidApiKey" == ask(ping)["errors"][0]["code"]
        (opened,) = ask(opening)["data"]
        assert {"data": [{"taskType": "ping", "pong": True}]} == ask(ping)
        assert {"data": [opened]} == ask({**opening, **opened})
        task = order()
        assert {"data": [{name: task[name] for name in NAMED}]} == ask(task)
        assert "conflictTaskUUID" == ask(task)["errors"][0]["code"]
        socket.send("{}")
        assert "invalidRequest" == json.loads(socket.recv(timeout=30))["errors"][0]["code"]


def test_a_message_of_bytes_is_read_like_one_of_text(sandbox: Sandbox) -> None:
    """A client that sends UTF-8 as bytes is answered, and so is one whose bytes are no text."""
    with connect(sandbox.addresses["runware"]["ws_base_url"], proxy=None) as socket:
        opening = [{"taskType": "authentication", "apiKey": KEY}]
        socket.send(json.dumps(opening).encode())
        assert "data" in json.loads(socket.recv(timeout=30))
        socket.send(b"\xff\x00")
        assert "invalidRequest" == json.loads(socket.recv(timeout=30))["errors"][0]["code"]


@pytest.mark.parametrize("fault", ["drop", "drop-after"])
def test_a_scenario_hangs_up_on_a_websocket_too(sandbox: Sandbox, fault: str) -> None:
    """The connection is closed before or behind what was asked for."""
    sandbox.play(fault)
    with connect(sandbox.addresses["runware"]["ws_base_url"], proxy=None) as socket:
        socket.send(json.dumps([{"taskType": "authentication", "apiKey": KEY}]))
        assert "data" in json.loads(socket.recv(timeout=30))
        socket.send(json.dumps([order()]))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)

    assert (fault == "drop-after") == len(sandbox.tasks("runware"))


# --- Links


def test_a_clip_can_be_fetched_in_parts(runware: Runware) -> None:
    """Ranges are served, unless the clip has changed since."""
    task = order()
    runware.post(task)
    url = runware.finished(task["taskUUID"])["data"][0]["videoURL"]
    whole = httpx.get(url)
    assert ("bytes", str(len(whole.content))) == (
        whole.headers["accept-ranges"],
        whole.headers["content-length"],
    )

    part = httpx.get(url, headers={"Range": "bytes=100-"})
    assert (206, whole.content[100:]) == (part.status_code, part.content)
    size = len(whole.content)
    assert f"bytes 100-{size - 1}/{size}" == part.headers["content-range"]
    assert whole.content[-5:] == httpx.get(url, headers={"Range": "bytes=-5"}).content
    assert 416 == httpx.get(url, headers={"Range": f"bytes={size}-"}).status_code
    changed = {"Range": "bytes=100-", "If-Range": '"other"'}
    assert 200 == httpx.get(url, headers=changed).status_code


def test_a_link_dies_with_its_ttl(sandbox: Sandbox, runware: Runware) -> None:
    """After `ttl` seconds the address is forbidden, and asking again gives the same one."""
    task = order(ttl=600)
    runware.post(task)
    url = runware.finished(task["taskUUID"])["data"][0]["videoURL"]

    sandbox.advance(590)
    assert 200 == httpx.get(url).status_code
    sandbox.advance(20)
    assert 403 == httpx.get(url).status_code
    assert url == runware.finished(task["taskUUID"])["data"][0]["videoURL"]


def test_an_unknown_link_leads_nowhere(sandbox: Sandbox, runware: Runware) -> None:
    """The media socket has clips and media only: not the API, not the controls."""
    task = order()
    runware.post(task)
    url = httpx.URL(runware.finished(task["taskUUID"])["data"][0]["videoURL"])

    for path in (
        "/runware/video/0.mp4",
        "/runware/uploads/0.png",
        "/runware/v1",
        "/_sandbox/ledger",
    ):
        assert 404 == httpx.get(url.copy_with(path=path)).status_code
    assert [] == sandbox.ledger()["leaks"]


def test_a_key_at_the_result_host_is_a_leak(sandbox: Sandbox, runware: Runware) -> None:
    """A key in a header or an address there is noted; so is one in an address of the API."""
    task = order()
    runware.post(task)
    url = runware.finished(task["taskUUID"])["data"][0]["videoURL"]

    httpx.get(url, headers={"Authorization": "Bearer whatever"})
    httpx.get(url, headers={"X-Key": KEY})
    httpx.get(url, params={"key": KEY})
    runware.client.post("/v1", params={"key": KEY}, json=[order()])

    assert ["header authorization", "header x-key", "address", "address"] == [
        leak["place"] for leak in sandbox.ledger()["leaks"]
    ]


def test_a_result_may_be_called_unsafe(sandbox: Sandbox, runware: Runware) -> None:
    """It is made, linked and billed like any other (that it has a link is our choice)."""
    sandbox.play("nsfw")
    first, second = order(includeCost=True), order(includeCost=True)
    runware.post(first)
    runware.post(second)

    (unsafe,) = runware.finished(first["taskUUID"])["data"]
    (safe,) = runware.finished(second["taskUUID"])["data"]

    assert (True, False) == (unsafe["NSFWContent"], safe["NSFWContent"])
    assert (0.42, True) == (unsafe["cost"], "videoURL" in unsafe)
    assert 2 == len(sandbox.tasks("runware"))
