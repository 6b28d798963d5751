"""Every fault switch of the sandbox does what it says, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import av
import httpx
import pytest

from pipeline.sandbox.faults import FAULT_TYPES
from tests.conformance.clients import KEY, measured, picture
from tests.conformance.test_sandbox_runware import Runware, codes, new, order
from tests.sandboxes import Sandbox


@pytest.fixture
def runware(sandbox: Sandbox) -> Iterator[Runware]:
    """Return a client of one account."""
    made = Runware(sandbox)
    yield made
    made.client.close()


def _finished(runware: Runware, **fields: Any) -> dict[str, Any]:
    task = order(includeCost=True, **fields)
    assert 200 == runware.post(task)[0]
    body = runware.finished(task["taskUUID"])
    found: dict[str, Any] = body["data"][0] if body.get("data") else body["errors"][0]
    return found


def _url(runware: Runware) -> str:
    return str(_finished(runware)["videoURL"])


# --- Before acceptance: nothing is bought


def test_a_throttled_submit_buys_nothing(sandbox: Sandbox, runware: Runware) -> None:
    """429, with Retry-After where the scenario says so; then the same task is taken."""
    sandbox.play({"fault": "throttled", "retry_after": 2}, "throttled")
    task = order()

    first = runware.client.post("/v1", json=[task])
    second = runware.client.post("/v1", json=[task])

    assert (429, "2") == (first.status_code, first.headers["retry-after"])
    assert (429, None) == (second.status_code, second.headers.get("retry-after"))
    assert [("rateLimitExceeded", "")] == codes(first.json())
    assert [] == sandbox.tasks("runware")
    assert 200 == runware.post(task)[0]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_before_acceptance_buys_nothing(
    sandbox: Sandbox, runware: Runware, status: int
) -> None:
    """The reply says nothing of whether the task was taken; it was not."""
    sandbox.play("error", status=status)

    assert status == runware.post(order())[0]
    assert [] == sandbox.tasks("runware")


def test_no_credit_and_a_bad_key_can_be_played(sandbox: Sandbox, runware: Runware) -> None:
    """In Runware's words, and nothing is bought."""
    sandbox.play("no-credit", "bad-key")

    assert (402, [("insufficientCredits", "")]) == (
        (answer := runware.post(order()))[0],
        codes(answer[1]),
    )
    assert 401 == runware.post(order())[0]
    assert [] == sandbox.tasks("runware")


def test_any_code_of_the_providers_can_be_played(sandbox: Sandbox, runware: Runware) -> None:
    """In its envelope, under the status the scenario gives; nothing is bought."""
    sandbox.play("code", code="concurrencyLimit", status=409)

    assert (409, [("concurrencyLimit", "")]) == (
        (told := runware.post(order()))[0],
        codes(told[1]),
    )
    assert [] == sandbox.tasks("runware")


# --- The reply is lost: before or after acceptance, the client cannot tell


@pytest.mark.parametrize(("fault", "bought"), [("drop", 0), ("drop-after", 1), ("drop-early", 1)])
def test_a_dropped_reply_is_no_reply(
    sandbox: Sandbox, runware: Runware, fault: str, bought: int
) -> None:
    """The connection is closed without a byte; the task exists only in the second case."""
    sandbox.play(fault)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        runware.post(order())

    assert bought == len(sandbox.tasks("runware"))


@pytest.mark.parametrize(("fault", "bought"), [("hang", 0), ("hang-after", 1)])
def test_a_hanging_reply_never_comes(
    sandbox: Sandbox, runware: Runware, fault: str, bought: int
) -> None:
    """The client gives up first; others are served meanwhile."""
    sandbox.play(fault)
    runware.client.timeout = httpx.Timeout(1)

    with pytest.raises(httpx.ReadTimeout):
        runware.post(order())

    assert bought == len(sandbox.tasks("runware"))


def test_a_hanging_reply_ends_after_its_seconds(sandbox: Sandbox, runware: Runware) -> None:
    """Then the connection is closed."""
    sandbox.play("hang", seconds=0.2)

    with pytest.raises(httpx.RemoteProtocolError):
        runware.post(order())


@pytest.mark.parametrize("fault", ["error-after", "truncated-reply", "garbage-reply"])
def test_a_spoilt_reply_hides_an_accepted_task(
    sandbox: Sandbox, runware: Runware, fault: str
) -> None:
    """The task is bought, its acceptance cannot be read."""
    sandbox.play(fault)

    reply = runware.client.post("/v1", json=[order()])

    assert (502 if fault == "error-after" else 200) == reply.status_code
    if fault != "error-after":
        with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
            reply.json()
    assert 1 == len(sandbox.tasks("runware"))


@pytest.mark.parametrize(
    ("code", "status"), [("throttled", 429), ("no-credit", 402), ("bad-key", 403)]
)
def test_a_gateway_may_turn_away_what_was_taken(
    sandbox: Sandbox, runware: Runware, code: str, status: int
) -> None:
    """The task is bought, and the reply says that it was not."""
    sandbox.play("code-after", code=code, status=status)

    reply = runware.client.post("/v1", json=[order()])

    assert status == reply.status_code
    assert reply.json()["errors"]
    assert 1 == len(sandbox.tasks("runware"))


@pytest.mark.parametrize("stage", ["status", "upload"])
def test_other_requests_can_fail_too(sandbox: Sandbox, runware: Runware, stage: str) -> None:
    """Polls and uploads meet the same faults, where the scenario says so."""
    task = order()
    runware.post(task)
    sandbox.play({"fault": "error", "stage": stage}, {"fault": "throttled", "stage": stage})

    def ask() -> int:
        if stage == "status":
            return runware.poll(task["taskUUID"])[0]
        told = {"taskType": "mediaStorage", "taskUUID": new(), "operation": "upload"}
        return runware.post({**told, "media": "x"})[0]

    answers = [ask(), ask(), ask()]

    assert [503, 429] == answers[:2]
    assert answers[2] in {200, 400}


# --- What a poll says


def test_a_poll_may_be_empty_or_use_an_unknown_word(sandbox: Sandbox, runware: Runware) -> None:
    """As often as told, then the truth."""
    task = order()
    runware.post(task)
    runware.finished(task["taskUUID"])
    sandbox.play({"fault": "empty", "times": 2}, {"fault": "unknown-status", "word": "napping"})

    answers = [runware.poll(task["taskUUID"])[1]["data"] for _ in range(4)]

    assert [[], []] == answers[:2]
    assert ["napping", "success"] == [data[0]["status"] for data in answers[2:]]


# --- What becomes of a task


@pytest.mark.parametrize(
    ("fault", "code"),
    [("failed", "providerError"), ("refused", "providerContentPolicyViolation")],
)
def test_a_task_may_end_without_a_clip(
    sandbox: Sandbox, runware: Runware, fault: str, code: str
) -> None:
    """As an error beside the data, or as an item that says error; with a code of choice."""
    sandbox.play(fault, {"fault": fault, "form": "item", "code": "odd", "message": "Odd."})

    assert code == _finished(runware)["code"]
    item = _finished(runware)
    assert ("error", "odd", "Odd.") == (item["status"], item["code"], item["message"])
    assert [fault, fault] == [task["status"] for task in sandbox.tasks("runware")]


@pytest.mark.parametrize(("kept", "usd"), [("kept", "0.42"), ("refunded", "0")])
def test_a_failed_task_costs_what_the_scenario_says(
    sandbox: Sandbox, runware: Runware, kept: str, usd: str
) -> None:
    """Its money is kept or given back; what was billed at the most stays known."""
    sandbox.set(failed_tasks=kept)
    sandbox.play("failed")

    _finished(runware)

    told = sandbox.ledger()["providers"]["runware"]["accounts"][KEY]
    assert (usd, "0.42", usd) == (
        told["billed_usd"],
        told["peak_billed_usd"],
        told["tasks"][0]["usd"],
    )


def test_money_may_be_billed_at_the_end(sandbox: Sandbox, runware: Runware) -> None:
    """With `bill: finish`, a task costs nothing while it runs."""
    sandbox.set(bill="finish", timing={"accept_s": 0, "run_s": 100})
    task = order()
    runware.post(task)
    assert "0" == sandbox.ledger()["billed_usd"]

    sandbox.advance(200)
    runware.finished(task["taskUUID"])
    assert "0.42" == sandbox.ledger()["billed_usd"]


def test_a_task_may_be_slow_or_stuck(sandbox: Sandbox, runware: Runware) -> None:
    """Slow ends later; stuck never does, if no end is named."""
    sandbox.play({"fault": "slow", "seconds": 500}, "stuck")
    slow, stuck = order(), order()
    for task in (slow, stuck):
        runware.post(task)

    sandbox.advance(400)
    assert "processing" == runware.poll(slow["taskUUID"])[1]["data"][0]["status"]
    sandbox.advance(1_000_000)
    assert "success" == runware.finished(slow["taskUUID"])["data"][0]["status"]
    assert "processing" == runware.poll(stuck["taskUUID"])[1]["data"][0]["status"]


def test_a_stuck_task_may_end_by_the_sandboxs_clock(sandbox: Sandbox, runware: Runware) -> None:
    """It is stuck until so many seconds have passed, then it has its clip and is billed once."""
    sandbox.play("stuck", seconds=5000)
    task = order()
    runware.post(task)

    sandbox.advance(4000)
    assert "processing" == runware.poll(task["taskUUID"])[1]["data"][0]["status"]
    sandbox.advance(2000)

    assert "success" == runware.finished(task["taskUUID"])["data"][0]["status"]
    assert "0.42" == sandbox.ledger()["billed_usd"]


def test_a_clip_may_be_off_spec(sandbox: Sandbox, runware: Runware) -> None:
    """Half the pixels, or two seconds too long; or as the scenario says."""
    sandbox.play("wrong-pixels", "wrong-seconds", {"fault": "wrong-seconds", "seconds": 3})

    found = [measured(_url(runware)) for _ in range(3)]

    assert [(360, 640, 5), (720, 1280, 7), (720, 1280, 3)] == found


def test_a_cost_may_be_missing_or_too_high(sandbox: Sandbox, runware: Runware) -> None:
    """A charge above the list is billed as told; a missing one is billed too."""
    sandbox.play("no-cost", {"fault": "overcharged", "factor": 3})

    assert "cost" not in _finished(runware)
    assert 1.26 == _finished(runware)["cost"]
    assert "1.68" == sandbox.ledger()["billed_usd"]


def test_a_reply_may_be_a_bomb(sandbox: Sandbox, runware: Runware) -> None:
    """A few kilobytes, compressed twice, hold a hundred megabytes; the task is there."""
    sandbox.play("gzip-bomb")

    with runware.client.stream("POST", "/v1", json=[order()]) as reply:
        body = b"".join(reply.iter_raw())

    assert "gzip, gzip" == reply.headers["content-encoding"]
    assert len(body) < 10_000
    assert 1 == len(sandbox.tasks("runware"))


# --- Downloads


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_may_be_dead(sandbox: Sandbox, runware: Runware, status: int) -> None:
    """Once, and alive again afterwards: asking for the status helps."""
    url = _url(runware)
    sandbox.play("expired-link", status=status)

    assert [status, 200] == [httpx.get(url).status_code for _ in range(2)]


def test_two_tasks_may_be_told_one_link(sandbox: Sandbox, runware: Runware) -> None:
    """Both are billed, and both are finished at the address of the first."""
    sandbox.play("same-link", times=2)

    assert 1 == len({_url(runware) for _ in range(2)})
    assert 2 == len(sandbox.tasks("runware"))


def test_a_download_may_be_cut(sandbox: Sandbox, runware: Runware) -> None:
    """Fewer bytes come than Content-Length says."""
    url = _url(runware)
    sandbox.play("truncated-download")

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        httpx.get(url)
    assert 200 == httpx.get(url).status_code


def test_a_download_may_be_cut_without_a_word(sandbox: Sandbox, runware: Runware) -> None:
    """The message is whole, says nothing of its length, and holds a part of the clip."""
    url = _url(runware)
    sandbox.play("cut-download", share=0.25)

    cut, whole = httpx.get(url), httpx.get(url)

    assert "content-length" not in cut.headers
    assert whole.content[: len(whole.content) // 4] == cut.content


def test_a_download_may_dribble(sandbox: Sandbox, runware: Runware) -> None:
    """A little comes, and a little later a little more; a range of it as well."""
    url = _url(runware)
    sandbox.play("dribble", bytes=200, every_s=0.001, times=2)

    slow, rest = httpx.get(url), httpx.get(url, headers={"range": "bytes=400-"})
    quick = httpx.get(url)

    assert (200, 206) == (slow.status_code, rest.status_code)
    assert (quick.content, quick.content[400:]) == (slow.content, rest.content)


def test_a_download_may_be_corrupt(sandbox: Sandbox, runware: Runware) -> None:
    """All bytes come, and they do not play."""
    url = _url(runware)
    sandbox.play("corrupt-download")

    spoilt, whole = httpx.get(url).content, httpx.get(url).content

    assert (len(whole), True) == (len(spoilt), whole != spoilt)
    with pytest.raises(av.FFmpegError):
        av.open(BytesIO(spoilt))


def test_a_download_may_be_something_else(sandbox: Sandbox, runware: Runware) -> None:
    """A page, or a redirect to another host over plain HTTP, or to the same clip."""
    url = _url(runware)
    sandbox.play("wrong-type", "redirect", {"fault": "redirect", "to": "self"})

    assert "text/html; charset=utf-8" == httpx.get(url).headers["content-type"]
    assert "http://media.invalid/clip.mp4" == httpx.get(url).headers["location"]
    assert 200 == httpx.get(url, follow_redirects=True).status_code


def test_the_result_host_has_bad_days_too(sandbox: Sandbox, runware: Runware) -> None:
    """Throttled, out of order, gone: as the API."""
    url = _url(runware)
    names = ["throttled", "error", "drop"]
    sandbox.play([{"fault": name, "stage": "download"} for name in names])

    assert [429, 503] == [httpx.get(url).status_code for _ in range(2)]
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url)


# --- The sandbox itself


def test_a_result_is_called_unsafe_once(sandbox: Sandbox, runware: Runware) -> None:
    """`nsfw` is played for one result, and not for the next."""
    sandbox.play("nsfw")

    assert [True, False] == [_finished(runware)["NSFWContent"] for _ in range(2)]


def test_every_fault_has_a_test_here() -> None:
    """A switch nobody tries may do nothing."""
    with open(__file__, encoding="utf-8") as source:  # noqa: PTH123 - its own text
        text = source.read()

    assert [] == [name for name in FAULT_TYPES if f'"{name}"' not in text]


@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_loses_nothing(sandbox: Sandbox, runware: Runware, *, kill: bool) -> None:
    """Tasks, bills, uploads, links and the scenario are as they were, even after kill -9."""
    url = _url(runware)
    stored = runware.upload(picture())
    sandbox.play("drop-after", {"fault": "throttled", "times": 2})
    with pytest.raises(httpx.RemoteProtocolError):
        runware.post(order())
    assert 429 == runware.post(order())[0]
    before = sandbox.ledger()

    sandbox.restart(kill=kill)

    assert before == sandbox.ledger()
    assert 200 == httpx.get(url).status_code
    assert 200 == httpx.get(stored["mediaURL"]).status_code
    again = Runware(sandbox)
    assert [429, 200] == [again.post(order())[0] for _ in range(2)]
    again.client.close()


def test_a_clip_that_was_being_made_is_made_after_a_restart(
    sandbox: Sandbox, runware: Runware
) -> None:
    """A task that was accepted before a kill -9 ends with a clip."""
    sandbox.set(render="full")
    task = order(positivePrompt=f"never seen before {new()}", width=960, height=960)
    runware.post(task)

    sandbox.restart(kill=True)

    again = Runware(sandbox)
    assert "success" == again.finished(task["taskUUID"])["data"][0]["status"]
    again.client.close()


def test_a_reset_forgets_all(sandbox: Sandbox, runware: Runware) -> None:
    """Tasks, money, uploads and faults; the scenario is the one it was started with."""
    url = _url(runware)
    sandbox.play("drop")
    sandbox.set(accounts={KEY: "bad"})

    sandbox.reset()

    assert 404 == httpx.get(url).status_code
    ledger = sandbox.ledger()
    assert ({}, "0") == (ledger["providers"]["runware"]["accounts"], ledger["billed_usd"])
    assert 200 == runware.post(order())[0]


def test_a_bad_scenario_is_refused_over_http(sandbox: Sandbox, runware: Runware) -> None:
    """Its text says what is wrong; what was playing goes on."""
    sandbox.play("error")

    with pytest.raises(AssertionError, match="eror"):
        sandbox.play("eror")

    assert [503, 200] == [runware.post(order())[0] for _ in range(2)]


def test_chaos_is_the_same_for_the_same_seed(sandbox: Sandbox, runware: Runware) -> None:
    """Which submits fail depends on seed and address, not on chance."""

    def submits() -> list[int]:
        found = []
        for number in range(30):
            address = {"X-Callsheet-Address": f"spin[{number}]"}
            try:
                reply = runware.client.post("/v1", json=[order()], headers=address)
                found.append(reply.status_code)
            except httpx.RemoteProtocolError:
                found.append(0)
        return found

    sandbox.set(chaos=0.5, seed=11)
    first = submits()
    sandbox.reset()
    sandbox.set(chaos=0.5, seed=11)

    assert first == submits()
    assert 1 < len(set(first))
