"""APIMart's dialect: a key that makes a repeat safe, tokens written out, two reply forms."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Feature, Kind, Role
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.providers.apimart import APIMart
from pipeline.providers.base import CLIENT_ID, Fault, Part, Request
from pipeline.providers.registry import compose
from tests.unit.providers.reading import said
from tests.unit.providers.samples import FRONT, item, medium, reference

APIMART = APIMart()


def sent(kind: Kind, options: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return the whole request of an item."""
    return compose(item(kind, "apimart", **more), options or {})


def test_the_key_is_our_client_id() -> None:
    """The engine fills it once; a repeat carries the same one."""
    assert {"Idempotency-Key": CLIENT_ID} == sent(Kind.TEXT)["headers"]


def test_the_reply_form_is_an_option_and_part_of_the_request() -> None:
    """A repeat must ask for the same form, so it is frozen with the rest."""
    found = sent(Kind.TEXT, {"response_version": "2026-07-27"})

    assert "2026-07-27" == found["headers"]["X-APIMart-Response-Version"]


def test_the_first_image_is_named_where_no_image_is() -> None:
    """The server would add the token unseen: written out, it is shown and counted."""
    found = sent(Kind.REFERENCES, references=(FRONT,), prompt=("It turns.",))

    assert "<<<image_1>>>It turns." == found["body"]["prompt"]


def test_the_added_token_counts_against_the_limit() -> None:
    """2,490 characters and 13 more are too many."""
    with pytest.raises(InvalidInput) as caught:
        sent(Kind.REFERENCES, references=(FRONT,), prompt=("x" * 2490,))

    assert ["prompt-long"] == [finding.slug for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("kind", "refer_type", "kept", "sound"),
    [
        (Kind.GUIDE, "feature", False, "no"),
        (Kind.GUIDE, "feature", True, "yes"),
        (Kind.EDIT, "base", True, "yes"),
    ],
)
def test_a_video_says_what_it_is_for(
    kind: Kind,
    refer_type: str,
    kept: bool,  # noqa: FBT001 - a parameter of the case
    sound: str,
) -> None:
    """Left out, a style clip would silently become an edit."""
    (found,) = sent(kind, keep_audio=kept)["body"]["video_list"]

    assert (refer_type, sound) == (found["refer_type"], found["keep_original_sound"])


def test_seconds_are_a_bare_number() -> None:
    """A quoted one is an error here."""
    assert sent(Kind.TEXT)["body"]["duration"] == 5


def test_frames_are_not_offered() -> None:
    """They are documented for a sibling model only."""
    assert {Kind.TEXT, Kind.REFERENCES, Kind.GUIDE, Kind.EDIT} == set(
        APIMART.offer.models["kling-o1"]
    )


def test_only_images_can_be_uploaded() -> None:
    """A video must be a public address."""
    found = medium("a")
    part = Part(name="file", filename=f"{found.digest[:16]}.png", content_type="image/png")

    assert {"image"} == APIMART.offer.uploads
    assert next(APIMART.upload(found)) == Request(
        method="POST", path="/v1/uploads/images", part=part
    )


def test_it_settles_a_doubt_by_repeating() -> None:
    """The same key and body, while young enough; failed tasks are refunded."""
    assert {
        Feature.IDEMPOTENT,
        Feature.UPLOAD,
        Feature.COST,
        Feature.FREE_FAILURES,
    } == APIMART.offer.features
    assert 600.0 == APIMART.offer.dedupe_for_s


@pytest.mark.parametrize("place", ["code", "type"])
def test_a_key_that_is_in_use_is_a_doubt(place: str) -> None:
    """Where the word stands is not written down: both places count."""
    error = {"code": 409, "type": "x", "message": "m"} | {place: "idempotency_in_progress"}
    found = APIMART.read_submit(said({"error": error}, 409, {"retry-after": "2"}), "")

    assert isinstance(found, Fault)
    assert (FaultKind.UNAVAILABLE, None, 2.0) == (found.kind, found.accepted, found.retry_after_s)


def test_more_images_beside_a_video_than_the_model_takes_are_refused() -> None:
    """Its page names no limit: the model's own holds."""
    images = tuple(reference(Role.IMAGE, number) for number in range(1, 6))
    video = reference(Role.VIDEO)

    with pytest.raises(InvalidInput):
        sent(Kind.GUIDE, references=(video, *images))
