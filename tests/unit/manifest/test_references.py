"""Tokens in prompts: which are mentions, which are text, and which are wrong."""

from __future__ import annotations

import pytest

from pipeline.domain import Mention
from pipeline.manifest.bundles import bundle_faults, references_of
from pipeline.manifest.templates.compile import compile_prompt
from pipeline.manifest.templates.lint import References
from tests.unit.manifest.reading import SCOPE, told, value

FOREIGN = "is one provider's way to name a reference"
ALL = (
    "@first, @front, @look.first, @look.logo, @look.shoe, @look.studio, @look.video, "
    "@product.front, @product.logo, @shoe, @studio, @video"
)
TEXT = """\
a:
  product: {images: {front: a.png, logo: b.png, gallery: {each: "{{ row.rows }}"}}}
  look: {images: {studio: c.png, logo: d.png}, elements: {shoe: {description: x, images: [e.png]}},
    frames: {first: f.png}, video: {file: g.mp4, role: guide}}
"""


def known() -> References:
    """Return the references of two bundles that share one name."""
    return references_of(value(TEXT).entries())


def test_a_template_may_ask_for_an_image_of_a_list() -> None:
    """`refs.gallery_2` is a name; whether it is attached depends on the row."""
    asked = known().names_under_refs()

    assert asked is not None
    assert {"front", "gallery", "gallery_1", "gallery_7", "look.studio"} <= asked
    assert "gallery_8" not in asked
    assert References(complete=False).names_under_refs() is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@front turns", (Mention(name="front"), " turns")),
        ("by @front.", ("by ", Mention(name="front"), ".")),
        ("(@look.studio)", ("(", Mention(name="look.studio"), ")")),
        ("@front-@studio", (Mention(name="front"), "-", Mention(name="studio"))),
        (
            "@shoe @first @video",
            (
                Mention(name="shoe"),
                " ",
                Mention(name="first"),
                " ",
                Mention(name="video"),
            ),
        ),
        (
            "@gallery_1 and @gallery_12",
            (
                Mention(name="gallery_1"),
                " and ",
                Mention(name="gallery_12"),
            ),
        ),
        ("mail a@front.de", ("mail a@front.de",)),
        ("5@front", ("5@front",)),
        ("_@front", ("_@front",)),
        ("@@front", ("@front",)),
        ("a@@front", ("a@front",)),
        ("@ front, @5, @", ("@ front, @5, @",)),
        ("x {{ take }}@front", ("x 2", Mention(name="front"))),
    ],
)
def test_which_signs_are_mentions(text: str, expected: tuple[str | Mention, ...]) -> None:
    """`@` and a name is a mention unless a letter, a digit, `_` or `@` stands before it."""
    template, _ = compile_prompt(value(f"a: '{text}'"), SCOPE, known())

    assert template is not None
    assert expected == template.render({"take": 2})


@pytest.mark.parametrize(
    ("text", "finding", "hint"),
    [
        (
            "the @frnt",
            "m.yaml:1:9: unknown-reference: there is no reference '@frnt'",
            "did you mean '@front'?",
        ),
        (
            "@lok.studio",
            "m.yaml:1:5: unknown-reference: there is no reference '@lok.studio'",
            "did you mean '@look.studio'?",
        ),
        (
            "@front.Then",
            "m.yaml:1:5: unknown-reference: there is no reference '@front.Then'",
            "put a space after the full stop",
        ),
        (
            "@last",
            "m.yaml:1:5: unknown-reference: there is no reference '@last'",
            f"known here: {ALL}",
        ),
        (
            "@logo",
            "m.yaml:1:5: ambiguous-reference: '@logo' is in more than one bundle",
            "write @product.logo or @look.logo",
        ),
        (
            "@gallery",
            "m.yaml:1:5: unknown-reference: '@gallery' is a list of images",
            "write @gallery_1",
        ),
        (
            "<<<image_1>>>",
            f"m.yaml:1:5: foreign-token: '<<<image_1>>>' {FOREIGN}",
            "write @front",
        ),
        (
            "x <<<element_1>>>",
            f"m.yaml:1:7: foreign-token: '<<<element_1>>>' {FOREIGN}",
            "write @shoe",
        ),
        (
            "<<<video_1>>>",
            f"m.yaml:1:5: foreign-token: '<<<video_1>>>' {FOREIGN}",
            "write @video",
        ),
        (
            "@image_4",
            f"m.yaml:1:5: foreign-token: '@image_4' {FOREIGN}",
            "write @studio",
        ),
        (
            "@Image9",
            f"m.yaml:1:5: foreign-token: '@Image9' {FOREIGN}",
            "write @ and the name of the reference",
        ),
        (
            '{{ ref("frnt") }}',
            "m.yaml:1:12: unknown-reference: there is no reference '@frnt'",
            "did you mean '@front'?",
        ),
    ],
)
def test_a_wrong_mention_is_an_error_at_its_place(text: str, finding: str, hint: str) -> None:
    """A mention of nothing, of two things, or in a provider's own syntax says what to write."""
    template, findings = compile_prompt(value(f"a: '{text}'"), SCOPE, known())

    assert template is None
    assert [(finding, hint)] == [(told([one])[0].splitlines()[0], one.hint) for one in findings]


def test_what_is_attached_and_never_mentioned_is_a_warning() -> None:
    """Images and elements that the prompt does not mention are named; frames and video are not."""
    _, findings = compile_prompt(value("a: '@front and @product.logo'"), SCOPE, known())

    assert [
        (
            "m.yaml:1:4: warning: unmentioned-reference: 'gallery' is attached, but the prompt"
            " never mentions it\n      write @gallery_1 where it is meant"
        ),
        (
            "m.yaml:1:4: warning: unmentioned-reference: 'studio' is attached, but the prompt never"
            " mentions it\n      write @studio where it is meant"
        ),
        (
            "m.yaml:1:4: warning: unmentioned-reference: 'look.logo' is attached, but the prompt"
            " never mentions it\n      write @look.logo where it is meant"
        ),
        (
            "m.yaml:1:4: warning: unmentioned-reference: 'shoe' is attached, but the prompt never"
            " mentions it\n      write @shoe where it is meant"
        ),
    ] == told(findings)


def test_a_prompt_with_computed_mentions_is_not_warned_about() -> None:
    """Where mentions come from values, nobody can say here what is never mentioned."""
    _, findings = compile_prompt(value("a: '{{ ref(variant.mood) }}'"), SCOPE, known())

    assert () == findings


def test_any_name_may_be_right_where_a_bundle_is_broken() -> None:
    """A bundle that could not be read hides no names: its shot's mentions are not judged."""
    template, findings = compile_prompt(value("a: '@anything'"), SCOPE, References(complete=False))

    assert template is not None
    assert () == findings


def test_names_of_frames_and_video_are_kept_for_them() -> None:
    """An image cannot be called `first`, and one name cannot be an image and an element."""
    node = value(
        "a: {images: {first: a.png, x: b.png}, elements: {x: {description: d, images: [c.png]}}}"
    )

    assert [
        (
            "m.yaml:1:14: reserved-name: '@first' always means the frame or video of that name\n"
            "      choose another name"
        ),
        (
            "m.yaml:1:50: duplicate-reference: 'x' is both an image and an element of this bundle\n"
            "      give one of them another name\n"
            "      also at m.yaml:1:28"
        ),
    ] == told(bundle_faults(node))
