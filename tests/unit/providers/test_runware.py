"""Runware's dialect: what is sent, and what every reply means."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pipeline.domain import Feature, Kind
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.providers.base import (
    Absent,
    Accepted,
    Balances,
    Charge,
    Done,
    Failed,
    Fault,
    Finds,
    Provider,
    Quotes,
    Response,
    Uploads,
)
from pipeline.providers.registry import compose
from pipeline.providers.runware import Runware
from tests.unit.providers.expected.runware import OWN, TASK
from tests.unit.providers.reading import said
from tests.unit.providers.samples import CLIP, FIRST, FRONT, item, reference

OTHER = "11111111-2222-4333-8444-555555555555"
RUNWARE = Runware()


def error(code: str, *, task: str = "videoInference", uuid: str | None = OWN) -> dict[str, Any]:
    """Return an error object as Runware lists it."""
    found = {"code": code, "message": "why", "taskType": task, "taskUUID": uuid}
    return {name: value for name, value in found.items() if value is not None}


def test_the_offered_features_are_there() -> None:
    """What the offer promises, the adapter has."""
    promises: tuple[Provider, Uploads, Finds, Quotes, Balances] = (RUNWARE,) * 5

    assert {RUNWARE} == set(promises)
    assert {
        *(Feature.IDEMPOTENT, Feature.FIND, Feature.UPLOAD, Feature.QUOTE, Feature.COST),
        Feature.BALANCE,
    } == RUNWARE.offer.features


CODES = [
    ("insufficientCredits", FaultKind.UNPAID),
    ("quotaExceeded", FaultKind.UNPAID),
    ("lowBalance", FaultKind.UNPAID),
    ("paymentRequired", FaultKind.UNPAID),
    ("rateLimitExceeded", FaultKind.THROTTLED),
    ("providerRateLimit", FaultKind.THROTTLED),
    ("contentPolicyViolation", FaultKind.REFUSED),
    ("providerContentPolicyViolation", FaultKind.REFUSED),
    ("sensitiveContentDetected", FaultKind.REFUSED),
    ("promptBlocked", FaultKind.REFUSED),
    ("imageBlocked", FaultKind.REFUSED),
    ("moderationFailed", FaultKind.REFUSED),
    ("unauthorized", FaultKind.UNAUTHORISED),
    ("forbidden", FaultKind.UNAUTHORISED),
    ("invalidApiKey", FaultKind.UNAUTHORISED),
    ("missingApiKey", FaultKind.UNAUTHORISED),
    ("tokenExpired", FaultKind.UNAUTHORISED),
    ("accountSuspended", FaultKind.UNAUTHORISED),
    ("organizationDisabled", FaultKind.UNAUTHORISED),
    ("workspaceSuspended", FaultKind.UNAUTHORISED),
    ("timeoutProvider", FaultKind.UNAVAILABLE),
    ("inferenceTimeout", FaultKind.UNAVAILABLE),
    ("imageNotFound", FaultKind.REJECTED),
    ("mediaExpired", FaultKind.REJECTED),
    ("unknownModel", FaultKind.REJECTED),
    ("providerError", FaultKind.UNAVAILABLE),
    ("inferenceError", FaultKind.UNAVAILABLE),
    ("taskFailed", FaultKind.UNAVAILABLE),
    ("downloadFailed", FaultKind.UNAVAILABLE),
    ("modelUnavailable", FaultKind.UNAVAILABLE),
    ("invalidModel", FaultKind.REJECTED),
    ("missingPositivePrompt", FaultKind.REJECTED),
    ("conflictInputs", FaultKind.REJECTED),
    ("unsupportedDuration", FaultKind.REJECTED),
    ("duplicateFrames", FaultKind.REJECTED),
    ("valueTooLarge", FaultKind.REJECTED),
    ("arrayTooLong", FaultKind.REJECTED),
    ("maxReferenceImages", FaultKind.REJECTED),
    ("internalServerError", FaultKind.UNAVAILABLE),
    ("serviceUnavailable", FaultKind.UNAVAILABLE),
]


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_an_error_code_under_400_is_a_refusal_of_its_class(code: str, kind: FaultKind) -> None:
    """Under HTTP 4xx nothing was taken, whatever the class; their trouble means "busy"."""
    found = RUNWARE.read_submit(said({"errors": [error(code)]}, 400), OWN)

    assert isinstance(found, Fault)
    expected = FaultKind.CAPACITY if kind is FaultKind.UNAVAILABLE else kind
    assert (expected, False, code) == (found.kind, found.accepted, found.code)


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_an_error_code_under_200_refuses_unless_it_is_their_trouble(
    code: str, kind: FaultKind
) -> None:
    """Trouble on their side under HTTP 200 proves nothing: the submit is in doubt."""
    found = RUNWARE.read_submit(said({"data": [], "errors": [error(code)]}), OWN)

    assert isinstance(found, Fault)
    expected = None if kind is FaultKind.UNAVAILABLE else False
    assert (kind, expected) == (found.kind, found.accepted)


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_a_failed_task_is_failed_by_the_class_of_its_code(code: str, kind: FaultKind) -> None:
    """An item with status error has failed for good, and nobody says that it was free."""
    item_error = error(code) | {"status": "error"}
    found = RUNWARE.read_status(TASK, said({"data": [item_error]}))

    assert isinstance(found, Failed)
    expected = FaultKind.PROVIDER if kind is FaultKind.UNAVAILABLE else kind
    assert (expected, None) == (found.fault.kind, found.charge)


@pytest.mark.parametrize(("code", "kind"), CODES)
def test_an_error_in_the_list_fails_the_task_only_where_it_is_about_it(
    code: str, kind: FaultKind
) -> None:
    """A rate limit or a bad key hits the asking; the task runs on."""
    found = RUNWARE.read_status(TASK, said({"data": [], "errors": [error(code)]}))

    if kind in {FaultKind.THROTTLED, FaultKind.UNAUTHORISED}:
        assert isinstance(found, Fault)
        assert kind is found.kind
    else:
        assert isinstance(found, Failed)


@pytest.mark.parametrize("code", ["inferenceError", "invalidDuration", "contentPolicyViolation"])
def test_an_error_of_another_task_is_not_ours(code: str) -> None:
    """One task's failure must not end another one."""
    others = {"data": [], "errors": [error(code, uuid=OTHER)]}

    assert Absent() == RUNWARE.read_status(TASK, said(others))
    submitted = RUNWARE.read_submit(said(others), OWN)
    assert isinstance(submitted, Fault)
    assert (FaultKind.UNREADABLE, None) == (submitted.kind, submitted.accepted)


def test_a_success_of_another_task_is_not_ours() -> None:
    """A clip that belongs to another task is never taken for this one."""
    done = {"taskUUID": OTHER, "status": "success", "videoURL": "https://vm.runware.ai/o.mp4"}

    assert Absent() == RUNWARE.read_status(TASK, said({"data": [done]}))


def test_an_error_about_the_asking_does_not_fail_the_task() -> None:
    """A refused getResponse says nothing about the clip that is being made."""
    refused = {"errors": [error("invalidTaskType", task="getResponse")]}
    found = RUNWARE.read_status(TASK, said(refused, 400))

    assert isinstance(found, Fault)
    assert FaultKind.REJECTED is found.kind


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_task_is_not_failed_by_a_server_error(status: int) -> None:
    """A 5xx may carry any error: the task is asked for again."""
    found = RUNWARE.read_status(TASK, said({"errors": [error("inferenceError")]}, status))

    assert isinstance(found, Fault)
    assert FaultKind.UNAVAILABLE is found.kind


@pytest.mark.parametrize(
    ("code", "expected"), [("taskNotFound", Absent), ("taskFailedOrNotFound", Fault)]
)
def test_a_task_they_do_not_know_is_not_failed(code: str, expected: type[Any]) -> None:
    """Not found just after a submit may be replication: absence is no verdict."""
    found = RUNWARE.read_status(TASK, said({"errors": [error(code)]}, 404))

    assert expected is type(found)
    assert not isinstance(found, Fault) or FaultKind.LOST is found.kind


@pytest.mark.parametrize("status", [301, 302, 307, 408, 500, 502, 503, 504, 520])
def test_a_status_that_leaves_it_open_is_a_doubt(status: int) -> None:
    """Redirects, 408 and 5xx do not prove that nothing was taken."""
    found = RUNWARE.read_submit(Response(status=status, headers={}, body=b""), OWN)

    assert isinstance(found, Fault)
    assert (FaultKind.UNAVAILABLE, None) == (found.kind, found.accepted)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429])
def test_a_client_error_proves_that_nothing_was_taken(status: int) -> None:
    """A 4xx without a readable body is a refusal all the same."""
    found = RUNWARE.read_submit(Response(status=status, headers={}, body=b"no"), OWN)

    assert isinstance(found, Fault)
    assert found.accepted is False


@pytest.mark.parametrize("status", [400, 200, 500])
def test_a_conflict_on_our_own_id_is_an_acceptance(status: int) -> None:
    """The duplicate is ours: it was taken before."""
    body = {"errors": [error("conflictTaskUUID", uuid=None)]}

    assert Accepted(task=OWN) == RUNWARE.read_submit(said(body, status), OWN)


def test_a_conflict_on_another_id_is_not_an_acceptance() -> None:
    """Somebody else's duplicate says nothing about our task."""
    body = {"errors": [error("conflictTaskUUID", uuid=OTHER)]}
    found = RUNWARE.read_submit(said(body, 200), OWN)

    assert isinstance(found, Fault)
    assert found.accepted is None


def test_an_acknowledgement_counts_even_beside_an_error() -> None:
    """Data and errors may coexist: what was acknowledged is polled, never bought again."""
    body = {"data": [{"taskType": "videoInference", "taskUUID": OWN}], "errors": [error("x")]}

    assert Accepted(task=OWN) == RUNWARE.read_submit(said(body), OWN)


def test_a_success_without_a_link_is_unreadable() -> None:
    """A finished task without a clip is neither done nor failed."""
    found = RUNWARE.read_status(
        TASK, said({"data": [{"taskUUID": OWN, "status": "success", "videoURL": None}]})
    )

    assert isinstance(found, Fault)
    assert FaultKind.UNREADABLE is found.kind


@pytest.mark.parametrize(
    ("cost", "charge"),
    [
        (None, None),
        ("free", Charge(unread="'free'")),
        (True, Charge(unread="True")),
        (-1, Charge(unread="-1")),
        ([0.5], Charge(unread="[0.5]")),
    ],
)
def test_a_cost_that_is_none_is_not_zero(cost: object, charge: Charge | None) -> None:
    """What is not said is not free, and what is no sum is kept as it was written."""
    done = {"taskUUID": OWN, "status": "success", "videoURL": "https://a/b.mp4", "cost": cost}
    found = RUNWARE.read_status(TASK, said({"data": [done]}))

    assert isinstance(found, Done)
    assert charge == found.charge


def test_a_reference_in_a_url_is_sent_as_the_url() -> None:
    """A public medium needs no upload."""
    url = "https://shop.example/front.png"
    found = item(Kind.REFERENCES, references=(reference(FRONT.role, 1, url=url),), prompt=("x y",))

    body = RUNWARE.submit_request(found, {}).body

    assert [url] == body[0]["inputs"]["referenceImages"]


def test_reference_syntax_is_an_option() -> None:
    """The documents name no syntax: it is used only where a person says so."""
    found = item(Kind.REFERENCES)

    words = RUNWARE.submit_request(found, {}).body[0]["positivePrompt"]
    tokens = RUNWARE.submit_request(found, {"reference_syntax": "@image_{n}"}).body[0]

    assert "the sneaker (image 1) turns in the light of image 2." == words
    assert "@image_1 turns in the light of @image_2." == tokens["positivePrompt"]


@pytest.mark.parametrize(
    ("safety", "expected"),
    [
        ("none", {"checkContent": False, "mode": "none"}),
        ("full", {"checkContent": True, "mode": "full"}),
    ],
)
def test_safety_is_sent_when_set(safety: str, expected: dict[str, Any]) -> None:
    """The content check is off in one way and on in two."""
    body = RUNWARE.submit_request(item(safety=safety), {}).body

    assert expected == body[0]["safety"]


def test_the_dry_run_is_marked_and_the_purchase_is_not() -> None:
    """The header that makes a request free must be on the quote alone."""
    bought = RUNWARE.submit_request(item(), {})
    asked = RUNWARE.quote_request(bought)

    assert {"X-Runware-Dry-Run": "1"} == asked.headers
    assert {} == dict(bought.headers)
    assert bought.body == asked.body


def test_an_upload_sends_the_placeholder_of_its_medium() -> None:
    """The engine puts the data URI where the placeholder stands."""
    found = CLIP.media[0]

    asked = next(RUNWARE.upload(found))

    assert f"asset:{found.digest}" == asked.body[0]["media"]
    assert "mediaStorage" == asked.body[0]["taskType"]


def test_a_first_frame_beside_a_guide_takes_the_place_of_the_size() -> None:
    """Exactly one of frames, reference images, width and height."""
    body = compose(item(Kind.GUIDE, references=(FIRST, CLIP), ratio="auto"), {})["body"][0]

    assert {"frameImages", "referenceVideos"} == set(body["inputs"])
    assert ["first"] == [frame["frame"] for frame in body["inputs"]["frameImages"]]
    assert {"width", "height"}.isdisjoint(body)
    with pytest.raises(InvalidInput):
        compose(item(Kind.GUIDE, references=(FIRST, FRONT, CLIP), ratio="auto"), {})
    with pytest.raises(InvalidInput):
        compose(item(Kind.GUIDE, references=(FIRST, CLIP), ratio="auto", duration=7), {})


def result(**more: Any) -> Any:
    """Return what is read from a finished task."""
    done = {"taskUUID": OWN, "status": "success", "videoURL": "https://a/b.mp4", "cost": 0.56}
    return RUNWARE.read_status(TASK, said({"data": [{**done, **more}]}))


def test_a_result_that_is_called_unsafe_is_refused_and_was_charged() -> None:
    """With its cost and its seed; whether it has a link does not matter."""
    for more in ({}, {"videoURL": None}):
        found = result(NSFWContent=True, seed=7, **more)

        assert isinstance(found, Failed)
        assert (FaultKind.REFUSED, "NSFWContent") == (found.fault.kind, found.fault.code)
        assert (Charge(usd=Decimal("0.56")), "7", True) == (found.charge, found.seed, found.nsfw)


@pytest.mark.parametrize(
    ("told", "seed", "nsfw"),
    [
        ({}, "", None),
        ({"seed": 12345678901234567890, "NSFWContent": False}, "12345678901234567890", False),
        ({"seed": "abc", "NSFWContent": "yes"}, "abc", None),
        ({"seed": True, "NSFWContent": 1}, "", None),
        ({"seed": [1], "NSFWContent": None}, "", None),
    ],
)
def test_what_is_told_of_a_result_is_kept(
    told: dict[str, Any],
    seed: str,
    nsfw: bool | None,  # noqa: FBT001 - a column of the table above
) -> None:
    """The seed as it was written; a verdict is true or false, and anything else is none."""
    found = result(**told)

    assert isinstance(found, Done)
    assert (seed, nsfw) == (found.seed, found.nsfw)


def test_quality_and_lifetime_are_sent_where_they_are_set() -> None:
    """Else the page's own quality holds, and links are asked to live for a day."""
    plain = compose(item(), {})["body"][0]
    base = item()
    more = {"output_quality": 80, "ttl": 3600}
    given = replace(base, settings=replace(base.settings, more=more))
    body = compose(given, {})["body"][0]

    assert (86_400, 3600) == (plain["ttl"], body["ttl"])
    assert "outputQuality" not in plain
    assert 80 == body["outputQuality"]
