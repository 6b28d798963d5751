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
    """The field is undocumented for this model."""
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
