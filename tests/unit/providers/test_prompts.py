"""Neutral tokens become a provider's own syntax, or words."""

from __future__ import annotations

import pytest

from pipeline.domain import Kind, Role, Token
from pipeline.providers.prompts import mentions, render_prompt
from tests.unit.providers.samples import FRONT, HERO, STUDIO, item

IMAGE = Token(role=Role.IMAGE, ordinal=1)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.TEXT, "A sneaker turns on a plinth."),
        (Kind.FIRST_FRAME, "From the first frame the camera pulls back."),
        (Kind.FRAMES, "the first frame melts into the last frame."),
        (Kind.REFERENCES, "the sneaker (image 1) turns in the light of image 2."),
        (Kind.GUIDE, "Move like the video."),
        (Kind.EDIT, "Make the sneaker in the video red."),
    ],
)
def test_without_a_syntax_tokens_are_words(kind: Kind, expected: str) -> None:
    """A provider without a documented syntax is told in words, with numbers in list order."""
    assert expected == render_prompt(item(kind))


def test_with_a_syntax_tokens_are_numbered() -> None:
    """`say` is for words only: the token itself points at the image."""
    assert "@Image1 turns in the light of @Image2." == render_prompt(
        item(Kind.REFERENCES), {Role.IMAGE: "@Image{n}"}
    )


def test_numbers_move_where_other_media_come_first() -> None:
    """Where the first frame is image 1 of the provider's list, ours begin at 2."""
    assert "<<<image_2>>> turns in the light of <<<image_3>>>." == render_prompt(
        item(Kind.REFERENCES), {Role.IMAGE: "<<<image_{n}>>>"}, image_shift=1
    )


def test_an_element_is_named_by_its_own_number() -> None:
    """Elements and images are counted apart."""
    prompt = (Token(role=Role.ELEMENT, ordinal=1), " beside ", IMAGE)
    found = item(Kind.REFERENCES, prompt=prompt, references=(FRONT, STUDIO, HERO))

    assert "a red sneaker (element 1) beside the sneaker (image 1)" == render_prompt(found)
    assert "@Element1 beside @Image1" == render_prompt(
        found, {Role.IMAGE: "@Image{n}", Role.ELEMENT: "@Element{n}"}
    )


def test_a_form_from_a_manifest_is_text() -> None:
    """A form is filled in, never evaluated."""
    assert "{0.__class__}1" == render_prompt(
        item(Kind.REFERENCES, prompt=(IMAGE,)), {Role.IMAGE: "{0.__class__}{n}"}
    )


def test_mentions_looks_for_tokens_only() -> None:
    """Text that looks like a token mentions nothing."""
    assert mentions(item(Kind.REFERENCES), Role.IMAGE)
    assert not mentions(item(Kind.REFERENCES, prompt=("@Image1",)), Role.IMAGE)
