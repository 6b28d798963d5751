"""Unifically's dialect: strict modes, ratios, elements, and replies that say more than HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Feature, Kind, Role, Token
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.providers.base import Accepted, Failed, Fault, Part, Request, TaskRef
from pipeline.providers.registry import compose
from pipeline.providers.unifically import Unifically
from tests.unit.providers.expected.unifically import TASK
from tests.unit.providers.reading import said
from tests.unit.providers.samples import CLIP, FIRST, FRONT, HERO, item, medium

UNIFICALLY = Unifically()
MEDIA = {"image_urls", "elements", "start_frame_url", "end_frame_url", "video_url", "keep_audio"}


def fields(kind: Kind, **more: Any) -> dict[str, Any]:
    """Return the `input` that an item is sent with."""
    found: dict[str, Any] = compose(item(kind, "unifically", **more), {})["body"]["input"]
    return found


@pytest.mark.parametrize(
    ("kind", "ratio", "expected"),
    [
        (Kind.TEXT, "16:9", "16:9"),
        (Kind.TEXT, "9:16", "9:16"),
        (Kind.TEXT, "1:1", "1:1"),
        (Kind.REFERENCES, "9:16", "9:16"),
        (Kind.FIRST_FRAME, "9:16", "9:16"),
        (Kind.FIRST_FRAME, "auto", None),
        (Kind.FRAMES, "auto", None),
        (Kind.GUIDE, "auto", "auto"),
        (Kind.EDIT, None, "auto"),
    ],
)
def test_auto_is_said_with_a_video_and_only_then(
    kind: Kind, ratio: str | None, expected: str | None
) -> None:
    """With a video any other ratio is refused, without one `auto` is."""
    assert expected == fields(kind, ratio=ratio).get("aspect_ratio")


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.REFERENCES])
def test_a_ratio_must_be_stated_where_nothing_else_gives_one(kind: Kind) -> None:
    """Left out, the provider's default of 16:9 would be bought."""
    with pytest.raises(InvalidInput):
        compose(item(kind, "unifically", ratio="auto"), {})


def test_text_has_no_field_of_a_medium() -> None:
    """Even a null would be refused."""
    assert set() == MEDIA & set(fields(Kind.TEXT))


@pytest.mark.parametrize("kind", [Kind.GUIDE, Kind.EDIT])
def test_sound_is_said_only_where_it_is_kept(kind: Kind) -> None:
    """It is off by default, by the page of the second model."""
    assert fields(kind, keep_audio=True)["keep_audio"] is True
    assert "keep_audio" not in fields(kind, keep_audio=False)


def test_a_first_frame_among_references_is_marked_by_its_place() -> None:
    """It is the first of `image_urls`, so references in the prompt count from two."""
    prompt = (Token(role=Role.IMAGE, ordinal=1), " beside ", Token(role=Role.ELEMENT, ordinal=1))
    found = fields(
        Kind.FIRST_FRAME, references=(FIRST, FRONT, HERO), prompt=prompt, duration=7, ratio="9:16"
    )

    assert "@Image2 beside @Element1" == found["prompt"]
    assert [f"asset:{one.media[0].digest}" for one in (FIRST, FRONT)] == found["image_urls"]
    assert ("elements", 1, 7) == (
        found["video_mode"],
        found["start_image_index"],
        found["duration"],
    )
    assert "start_frame_url" not in found


def test_a_first_frame_stands_beside_a_guide() -> None:
    """Marked by its place as well; with a video the ratio is `auto`."""
    found = fields(Kind.GUIDE, references=(FIRST, CLIP), ratio="auto")

    assert ("video_reference", 1, "auto") == (
        found["video_mode"],
        found["start_image_index"],
        found["aspect_ratio"],
    )
    assert [f"asset:{FIRST.media[0].digest}"] == found["image_urls"]


def test_an_edit_can_go_to_the_second_model() -> None:
    """Its page has no elements and no seconds; the ratio follows the video where none is said."""
    options = {"edit_model": "kling-o1-video-edit"}
    found = item(Kind.EDIT, "unifically", references=(FRONT, CLIP), keep_audio=True)

    body = compose(found, options)["body"]

    assert "kuaishou/kling-o1-video-edit" == body["model"]
    assert {"prompt", "video_mode", "mode", "image_urls", "video_url", "keep_audio"} == set(
        body["input"]
    )
    assert "transform" == body["input"]["video_mode"]
    guide = compose(item(Kind.GUIDE, "unifically", ratio="auto"), options)["body"]
    assert "kuaishou/kling-o1-video" == guide["model"]
    with pytest.raises(InvalidInput):
        compose(item(Kind.EDIT, "unifically", references=(CLIP, HERO)), options)


def test_an_element_is_described_and_has_its_images() -> None:
    """An element is made for the request, of up to four images."""
    prompt = (Token(role=Role.ELEMENT, ordinal=1), " beside ", Token(role=Role.IMAGE, ordinal=1))
    found = fields(Kind.REFERENCES, references=(FRONT, HERO), prompt=prompt)

    assert "@Element1 beside @Image1" == found["prompt"]
    assert [f"asset:{FRONT.media[0].digest}"] == found["image_urls"]
    assert [
        {
            "description": "a red sneaker",
            "type": "image",
            "image_urls": [f"asset:{one.digest}" for one in HERO.media],
        }
    ] == found["elements"]


def test_the_other_documented_syntax_is_an_option() -> None:
    """The marketing page writes `@image_1`: one option turns both forms."""
    prompt = (Token(role=Role.ELEMENT, ordinal=1), " beside ", Token(role=Role.IMAGE, ordinal=1))
    found = item(Kind.REFERENCES, "unifically", references=(FRONT, HERO), prompt=prompt)

    body = UNIFICALLY.submit_request(found, {"reference_syntax": "@image_{n}"}).body

    assert "@element_1 beside @image_1" == body["input"]["prompt"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.TEXT, {"duration": 7}),
        (Kind.FIRST_FRAME, {"duration": 7}),
        (Kind.FRAMES, {"duration": 11}),
        (Kind.GUIDE, {"references": (CLIP, *(FRONT for _ in range(5)))}),
        (Kind.REFERENCES, {"references": ()}),
    ],
)
def test_what_the_model_forbids_does_not_pass_the_schema(kind: Kind, more: dict[str, Any]) -> None:
    """The provider would take some of these and fail, or bill, later."""
    with pytest.raises(InvalidInput):
        fields(kind, **more)


def test_seven_seconds_between_two_frames_are_fine() -> None:
    """Two frames may be any whole number of seconds from 3 to 10."""
    assert 7 == fields(Kind.FRAMES, duration=7)["duration"]


def test_a_file_goes_to_the_upload_host_as_a_form() -> None:
    """Its name is its content's, never the user's path."""
    found = medium("secret-project", "video")

    asked = next(UNIFICALLY.upload(found))

    assert asked == Request(
        method="PUT",
        path="/upload",
        host="upload",
        part=Part(name="file", filename=f"{found.digest[:16]}.mp4", content_type="video/mp4"),
    )


def test_only_the_quote_is_a_dry_run() -> None:
    """A purchase that is a dry run would make nothing; a quote that is none would buy."""
    bought = UNIFICALLY.submit_request(item(Kind.TEXT, "unifically"), {})

    assert bought.body["dry_run"] is False
    assert UNIFICALLY.quote_request(bought).body["dry_run"] is True


def test_it_cannot_settle_a_doubt_by_itself() -> None:
    """No client id and no listing: the offer must not promise one."""
    assert {Feature.UPLOAD, Feature.QUOTE, Feature.COST, Feature.BALANCE} == (
        UNIFICALLY.offer.features
    )
    assert 0.0 == UNIFICALLY.offer.dedupe_for_s


def test_an_id_beside_a_refusal_is_a_doubt() -> None:
    """There may be a task after all: nobody buys a second one by himself."""
    body = {"success": False, "data": {"task_id": "t-1", "message": "try later"}}
    found = UNIFICALLY.read_submit(said(body), "")

    assert isinstance(found, Fault)
    assert found.accepted is None


def test_an_id_under_a_server_error_is_an_acceptance() -> None:
    """The id is the proof, whatever the proxy says."""
    body = {"data": {"task_id": "t-1", "status": "pending"}}

    assert Accepted(task="t-1") == UNIFICALLY.read_submit(said(body, 502), "")


def test_a_400_on_a_poll_fails_the_task_only_with_its_own_code() -> None:
    """Any other 400 is about the asking."""
    own = {"code": 400, "data": {"code": "generation_failed", "message": "no"}}
    other = {"code": 400, "data": {"code": "validation_error", "message": "bad id"}}

    assert isinstance(UNIFICALLY.read_status(TASK, said(own, 400)), Failed)
    found = UNIFICALLY.read_status(TASK, said(other, 400))
    assert isinstance(found, Fault)
    assert FaultKind.REJECTED is found.kind


def test_a_task_id_is_one_segment_of_the_path() -> None:
    """An id from outside cannot address another endpoint."""
    asked = UNIFICALLY.status_request(TaskRef(task="a/../b?c"))

    assert "/v1/tasks/a%2F..%2Fb%3Fc" == asked.path
