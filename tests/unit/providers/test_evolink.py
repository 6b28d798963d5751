"""EvoLink's dialect: a model per kind, lists of addresses, credits set aside."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Feature, Kind
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.providers.base import Accepted, Fault, Part, Request
from pipeline.providers.evolink import EvoLink
from pipeline.providers.registry import compose
from tests.unit.providers.expected.evolink import TASK
from tests.unit.providers.reading import said
from tests.unit.providers.samples import CLIP, FIRST, FRONT, LAST, item, medium

EVOLINK = EvoLink()


def body(kind: Kind, **more: Any) -> dict[str, Any]:
    """Return the body that an item is sent with."""
    found: dict[str, Any] = compose(item(kind, "evolink", mode="pro", **more), {})["body"]
    return found


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (Kind.FIRST_FRAME, "kling-o1-image-to-video"),
        (Kind.FRAMES, "kling-o1-image-to-video"),
        (Kind.EDIT, "kling-o1-video-edit"),
        (Kind.FAST_EDIT, "kling-o1-video-edit-fast"),
    ],
)
def test_each_kind_has_its_model(kind: Kind, model: str) -> None:
    """The model id is the only switch there is."""
    assert model == body(kind)["model"]


def test_what_has_no_model_is_not_offered() -> None:
    """Text, references and guides cannot be said here."""
    assert {Kind.FIRST_FRAME, Kind.FRAMES, Kind.EDIT, Kind.FAST_EDIT} == set(
        EVOLINK.offer.models["kling-o1"]
    )


def test_frames_are_first_and_last_in_one_list() -> None:
    """One image is the first frame, two are first and last: the order is the meaning."""
    found = body(Kind.FRAMES, references=(LAST, FIRST))["image_urls"]

    assert [f"asset:{FIRST.media[0].digest}", f"asset:{LAST.media[0].digest}"] == found


def test_an_edit_states_neither_ratio_nor_seconds() -> None:
    """Both follow the clip; whether the fields exist is unknown."""
    assert {"model", "prompt", "video_urls"} == set(body(Kind.EDIT, ratio="16:9", duration=5))


def test_sound_is_sent_only_when_asked_for() -> None:
    """Its default is told nowhere."""
    assert "keep_original_sound" not in body(Kind.EDIT, keep_audio=False)
    assert body(Kind.EDIT, keep_audio=True)["keep_original_sound"] is True


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.FRAMES, {"duration": 7}),
        (Kind.FRAMES, {"prompt": ("x" * 2001,)}),
        (Kind.EDIT, {"references": (CLIP, *(FRONT for _ in range(5)))}),
        (Kind.FRAMES, {"references": ()}),
    ],
)
def test_what_it_cannot_be_told_is_refused(kind: Kind, more: dict[str, Any]) -> None:
    """Seven seconds, long prompts, five images: refused before money."""
    with pytest.raises(InvalidInput):
        body(kind, **more)


def test_a_file_goes_to_the_files_host_as_a_form() -> None:
    """Another host than the API's."""
    found = medium("a")
    part = Part(name="file", filename=f"{found.digest[:16]}.png", content_type="image/png")

    assert next(EVOLINK.upload(found)) == Request(
        method="POST", path="/api/v1/files/upload/stream", host="upload", part=part
    )


def test_it_cannot_settle_a_doubt_by_itself() -> None:
    """No client id, no listing: an ambiguous submit waits for a person."""
    assert {Feature.UPLOAD, Feature.CREDITS, Feature.BALANCE} == EVOLINK.offer.features


def test_an_id_under_a_server_error_is_an_acceptance() -> None:
    """The id is the proof."""
    assert Accepted(task="task-unified-1-a") == EVOLINK.read_submit(
        said({"id": "task-unified-1-a", "status": "pending"}, 502), ""
    )


def test_an_error_told_under_http_200_counts_by_its_own_code() -> None:
    """The body's 500 leaves it open, whatever HTTP says."""
    found = EVOLINK.read_submit(said({"error": {"code": 500, "message": "oops"}}), "")

    assert isinstance(found, Fault)
    assert (FaultKind.UNAVAILABLE, None) == (found.kind, found.accepted)


def test_the_state_of_another_task_is_not_ours() -> None:
    """A misdelivered reply is unreadable, not a result."""
    other = {"id": "task-unified-2-b", "status": "completed", "results": ["https://a/b.mp4"]}
    found = EVOLINK.read_status(TASK, said(other))

    assert isinstance(found, Fault)
    assert FaultKind.UNREADABLE is found.kind


@pytest.mark.parametrize(
    ("kind", "most"), [(Kind.FIRST_FRAME, 2000), (Kind.FRAMES, 2000), (Kind.EDIT, 2500)]
)
def test_how_long_a_prompt_may_be_follows_from_the_model(kind: Kind, most: int) -> None:
    """2,000 from frames by one of its pages; an edit's page says 5,000, the model takes 2,500."""
    assert most == len(body(kind, prompt=("x" * most,))["prompt"])
    with pytest.raises(InvalidInput):
        body(kind, prompt=("x" * (most + 1),))


@pytest.mark.parametrize(
    ("error", "headers", "wait"),
    [
        ({"fallback_suggestion": "retry after 60 seconds"}, {}, 60.0),
        ({"fallback_suggestion": "Please retry after 30 seconds."}, {}, 30.0),
        ({"fallback_suggestion": "retry after 9000 seconds"}, {}, 300.0),
        ({"fallback_suggestion": "retry after 60 seconds"}, {"retry-after": "2"}, 2.0),
        ({"fallback_suggestion": "use a smaller image"}, {}, None),
        ({"fallback_suggestion": ["retry after 60 seconds"]}, {}, None),
        ({}, {}, None),
    ],
)
def test_a_suggestion_to_retry_is_a_wait(
    error: dict[str, Any], headers: dict[str, str], wait: float | None
) -> None:
    """Its errors say in words what others say by a header, which comes first."""
    told = {"code": 429, "message": "slow down", "type": "rate_limit_error", **error}
    found = EVOLINK.read_submit(said({"error": told}, 429, headers), "")

    assert isinstance(found, Fault)
    assert (FaultKind.THROTTLED, wait) == (found.kind, found.retry_after_s)


@pytest.mark.parametrize("word", ["insufficient_quota", "insufficient_quota_error"])
def test_an_empty_account_has_two_words(word: str) -> None:
    """One copy of its pages has the first, its official client the second."""
    told = {"error": {"code": 400, "message": "no", "type": word}}
    found = EVOLINK.read_submit(said(told, 400), "")

    assert isinstance(found, Fault)
    assert FaultKind.UNPAID is found.kind
