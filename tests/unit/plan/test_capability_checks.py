"""What the model forbids, what a provider cannot be told, and who gets the item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain import (
    Bundle,
    Constraints,
    ElementSpec,
    Item,
    Kind,
    Policy,
    ProviderSettings,
)
from pipeline.findings import Finding, Severity, Span
from pipeline.providers import OFFERS
from tests.unit.plan import builders as build

PAIR = ["runware", "unifically"]


def images(count: int) -> tuple[Any, ...]:
    """Return a number of images."""
    return tuple(build.image(f"view{number}") for number in range(count))


def elements(count: int) -> tuple[Any, ...]:
    """Return a number of elements."""
    return tuple(
        ElementSpec(
            name=f"thing{number}",
            description=build.value("a thing"),
            images=(build.value("thing.png"),),
            span=build.PLACE,
        )
        for number in range(count)
    )


def campaign(settings: Any = None, *, text: str = "Rain.", **given: Any) -> Any:
    """Return a campaign of one shot with one bundle of what is given."""
    more = {name: given.pop(name) for name in ("variants", "extra", "field_spans") if name in given}
    whole = {"policy": given.pop("policy")} if "policy" in given else {}
    bundles = (Bundle(name="all", span=build.PLACE, **given),) if given else ()
    shot = build.shot(text, settings=settings or {}, bundles=bundles, **more)
    return build.manifest(shot, **whole)


def one(found: Any) -> Finding:
    """Return the only finding."""
    (finding,) = found
    assert isinstance(finding, Finding)
    return finding


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ({"frames": build.frames(last="b.png")}, "last-needs-first"),
        (
            {"frames": build.frames("a.png", "b.png"), "images": images(1)},
            "last-excludes-references",
        ),
        (
            {"frames": build.frames("a.png", "b.png"), "elements": elements(1)},
            "last-excludes-references",
        ),
        (
            {"frames": build.frames("a.png", "b.png"), "video": build.video("guide")},
            "last-excludes-video",
        ),
        ({"frames": build.frames("a.png"), "video": build.video("edit")}, "edit-excludes-frames"),
        ({"video": build.video("guide", fast=True)}, "fast-needs-edit"),
        ({"images": images(8)}, "too-many-references"),
        ({"images": images(5), "elements": elements(3)}, "too-many-references"),
        ({"images": images(5), "video": build.video("guide")}, "too-many-references"),
        ({"images": images(5), "video": build.video("edit")}, "too-many-references"),
    ],
)
def test_what_the_model_forbids_is_told_whoever_would_sell_it(given: Any, slug: str) -> None:
    """Once, and no provider is blamed for it."""
    assert [slug] == build.slugs(campaign({"provider": PAIR}, **given))


def test_a_forbidden_combination_is_told_where_the_shot_composes_it() -> None:
    """And where the part is written."""
    use = Span(file="m.yaml", line=12, column=5, end_column=8)

    finding = one(
        build.findings(campaign(frames=build.frames(last="b.png"), field_spans={"use": use}))
    )

    assert (use, (build.at(3),)) == (finding.span, finding.related)
    assert "a last frame needs a first frame" == finding.message


@pytest.mark.parametrize(
    ("given", "duration", "right"),
    [
        ({}, 5, True),
        ({}, 10, True),
        ({}, 7, False),
        ({"frames": build.frames("a.png")}, 7, False),
        ({"images": images(1)}, 3, True),
        ({"images": images(1)}, 2, False),
        ({"images": images(1)}, 11, False),
        ({"video": build.video("guide")}, 7, True),
    ],
)
def test_how_long_a_clip_can_be_follows_from_its_kind(
    given: Any,
    duration: int,
    right: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """5 or 10 seconds from text or a first frame alone, 3 to 10 from the rest."""
    assert ([] if right else ["duration"]) == build.slugs(campaign({"duration": duration}, **given))


def test_a_misfit_of_a_setting_is_told_at_its_value() -> None:
    """Not at the shot."""
    finding = one(build.findings(campaign({"duration": 7})))

    assert "Kling O1 makes clips of 5 or 10 seconds from text alone, not of 7" == finding.message
    assert build.at(20) == finding.span


def test_unknown_words_are_refused() -> None:
    """An axis may hold any text."""
    assert ["mode"] == build.slugs(campaign({"mode": "ultra"}))
    assert (
        "Kling O1 makes 16:9, 1:1 or 9:16, not '4:3'"
        == one(build.findings(campaign({"aspect_ratio": "4:3"}))).message
    )


@pytest.mark.parametrize(
    ("text", "slug"), [("", "prompt-short"), (" \n ", "prompt-short"), ("x" * 2501, "prompt-long")]
)
def test_a_prompt_has_1_to_2500_characters(text: str, slug: str) -> None:
    """As written, without the space at its end."""
    finding = one(build.findings(campaign(text=text)))

    assert (slug, build.at(30)) == (finding.slug, finding.span)
    assert [] == build.slugs(campaign(text="x" * 2500))


def test_the_words_for_a_reference_count() -> None:
    """`@front` becomes `the long name (image 1)` where a provider has no token."""
    said = build.image("front", say=build.value("y" * 90))
    bare = build.image("front")
    text = "@front, " + "x" * 2400

    assert ["prompt-long"] == build.slugs(campaign(text=text, images=(said,)))
    assert [] == build.slugs(campaign(text=text, images=(bare,)))


def test_the_first_provider_that_can_express_the_item_gets_it() -> None:
    """The item says who came first, and why not."""
    (item,) = build.items(campaign({"provider": PAIR, "aspect_ratio": "9:16"}, images=images(1)))

    reason = "Runware cannot be told an aspect ratio for reference images"
    assert ("unifically", (("runware", reason),)) == (item.provider, item.passed_over)


def test_a_prompt_may_decide_who_gets_the_item() -> None:
    """The first takes 2,000 characters, the second 2,500."""
    pair = ["unifically", "runware"]

    short, long = (
        build.items(campaign({"provider": pair}, text="x" * length))[0] for length in (2000, 2001)
    )

    assert ["unifically", "runware"] == [short.provider, long.provider]
    assert "Unifically takes a prompt of at most 2,000 characters" == long.passed_over[0][1]


def test_where_none_can_each_reason_is_told_and_who_could() -> None:
    """One finding, at the setting that the first is about."""
    shot = {"provider": ["runware"], "aspect_ratio": "9:16"}
    finding = one(build.findings(campaign(shot, images=images(1))))

    assert ("ratio-not-stated", build.at(20)) == (finding.slug, finding.span)
    assert "Runware cannot be told an aspect ratio for reference images" == finding.message
    assert "Unifically could" == finding.hint

    finding = one(build.findings(campaign(elements=elements(1))))
    assert ("too-many-elements", "Runware takes no elements") == (finding.slug, finding.message)

    both = one(build.findings(campaign({"provider": PAIR, "watermark": True})))
    assert (
        "Runware has no setting 'watermark'; Unifically has no setting 'watermark'" == both.message
    )
    assert "" == both.hint


@pytest.mark.parametrize(
    ("given", "settings", "ratio"),
    [
        ({}, {}, "16:9"),
        ({"images": images(1)}, {}, "auto"),
        ({"images": images(1)}, {"provider": "unifically"}, "16:9"),
        ({"images": images(1)}, {"provider": "unifically", "aspect_ratio": "1:1"}, "1:1"),
        ({"images": images(1)}, {"aspect_ratio": "auto"}, "auto"),
        ({"frames": build.frames("a.png")}, {}, "auto"),
        ({"frames": build.frames("a.png")}, {"aspect_ratio": "1:1"}, "1:1"),
        ({"frames": build.frames("a.png")}, {"provider": "unifically"}, "1:1"),
        (
            {"frames": build.frames("a.png")},
            {"provider": "unifically", "aspect_ratio": "auto"},
            "1:1",
        ),
        ({"video": build.video("guide")}, {}, "16:9"),
        ({"video": build.video("guide"), "images": images(1)}, {}, "auto"),
        ({"video": build.video("edit")}, {}, None),
    ],
)
def test_who_decides_the_ratio(given: Any, settings: Any, ratio: str | None) -> None:
    """16:9 where one can be stated and nobody wrote one; else frame, clip or provider."""
    (item,) = build.items(campaign(settings, **given))

    assert ratio == item.settings.aspect_ratio


@pytest.mark.parametrize(
    ("given", "settings", "slug"),
    [
        ({}, {"aspect_ratio": "auto"}, "ratio-needed"),
        ({"frames": build.frames("odd.png")}, {"provider": "unifically"}, "ratio-needed"),
        (
            {"video": build.video("guide"), "images": images(1)},
            {"aspect_ratio": "9:16"},
            "ratio-not-stated",
        ),
    ],
)
def test_a_ratio_that_nobody_can_decide_is_refused(given: Any, settings: Any, slug: str) -> None:
    """Before money, at the setting where there is one."""
    album = build.Album(sizes={"odd.png": (1000, 600)})

    assert [slug] == build.slugs(campaign(settings, **given), album)


def test_auto_as_a_default_is_for_what_can_decide() -> None:
    """A shot of text alone then has the usual ratio; on the shot itself it is an error."""
    plain, framed = (
        build.items(
            build.manifest(build.shot(bundles=bundles), defaults={"aspect_ratio": "auto"}),
        )[0].settings.aspect_ratio
        for bundles in ((), (build.bundle(frames=build.frames("a.png")),))
    )

    assert ("16:9", "auto") == (plain, framed)


def test_a_frame_must_have_the_ratio_asked_for() -> None:
    """Within 2 %; `fit` makes it so, and what it makes is the content that counts."""
    album = build.Album(sizes={"a.png": (1000, 1015), "b.png": (1000, 1030)})
    square = {"aspect_ratio": "1:1"}

    finding = one(build.findings(campaign(square, frames=build.frames("a.png", "b.png")), album))
    assert ("frame-ratio", "the last frame is not 1:1") == (finding.slug, finding.message)
    assert build.at(3) == finding.span
    assert "say fit: crop, or fit: pad" == finding.hint

    fitted = build.frames("a.png", "b.png", fit="crop")
    (item,) = build.items(campaign(square, frames=fitted), album)
    first, last = (each.media[0] for each in item.references)
    assert (1000, 1015) == (first.width, first.height)
    assert last.width == last.height
    assert album.look("b.png", build.FOLDER, "image").digest != last.digest

    padded = build.items(campaign(square, frames=build.frames("a.png", "b.png", fit="pad")), album)
    assert item.key.digest != padded[0].key.digest


def test_nothing_is_checked_with_auto_or_of_a_url() -> None:
    """The frame decides; of a URL nothing is known."""
    album = build.Album(sizes={"odd.png": (1000, 600)})
    url = "https://shop.example/a.png"

    (auto,) = build.items(campaign({"aspect_ratio": "auto"}, frames=build.frames("odd.png")), album)
    (remote,) = build.items(campaign({"aspect_ratio": "9:16"}, frames=build.frames(url)))

    assert (None, None) == (auto.spec.ratio, auto.spec.short_side)
    assert (9 / 16, 720) == (remote.spec.ratio, remote.spec.short_side)
    assert ["wrong-media"] == build.slugs(
        campaign({"aspect_ratio": "9:16"}, frames=build.frames(url, fit="crop"))
    )


def test_the_spec_of_an_edit_is_its_clip() -> None:
    """As long as the clip, and no larger."""
    clip: dict[str, Any] = {"video": build.video("edit")}
    album = build.Album(sizes={"clip.mp4": (1280, 720)}, seconds=7.5)

    (item,) = build.items(campaign({"mode": "pro"}, **clip), album)

    assert (7.5, None, 720) == (item.spec.seconds, item.spec.ratio, item.spec.short_side)


@pytest.mark.parametrize(
    ("details", "slug"),
    [
        ({"format": "webp"}, "wrong-media"),
        ({"bytes": 10_000_001}, "too-large"),
        ({"width": 299, "height": 299}, "too-small"),
        ({"width": 2600, "height": 1000}, "extreme-ratio"),
    ],
)
def test_images_are_held_against_the_models_limits(details: Any, slug: str) -> None:
    """Type by content, bytes, pixels, ratio."""
    assert [slug] == build.slugs(campaign(images=images(1)), build.Album(details=details))


@pytest.mark.parametrize(
    ("details", "slug"),
    [
        ({"format": "webm"}, "wrong-media"),
        ({"bytes": 200_000_001}, "too-large"),
        ({"width": 700, "height": 1080}, "clip-size"),
        ({"width": 3840, "height": 2160}, "clip-size"),
        ({"seconds": 2.9}, "clip-seconds"),
        ({"seconds": 10.2}, "clip-seconds"),
        ({"fps": 15.0}, "clip-rate"),
    ],
)
def test_clips_are_held_against_the_models_limits(details: Any, slug: str) -> None:
    """A film's 23.976 frames a second, and a clip that ends a frame late, are right."""
    clip = campaign(video=build.video("guide"))
    right = {"fps": 23.976, "seconds": 10.04}

    assert [slug] == build.slugs(clip, build.Album(details=details))
    assert [] == build.slugs(clip, build.Album(details=right))


def test_a_medium_that_only_one_provider_refuses_goes_to_the_next() -> None:
    """Its own limits are the provider's, not the model's."""
    narrow = replace(build.RUNWARE, uploads=frozenset({"video"}))
    offers = {"runware": narrow, "unifically": build.UNIFICALLY}

    (item,) = build.items(campaign({"provider": PAIR}, images=images(1)), offers=offers)

    reason = "Runware takes images only as public addresses; view0.png is a local file"
    assert ("unifically", (("runware", reason),)) == (item.provider, item.passed_over)


def test_an_unknown_provider_is_told_with_the_nearest() -> None:
    """Also one of the command line, and one in `extra`."""
    finding = one(build.findings(campaign({"provider": ["runwar"]})))

    assert ("unknown-provider", "did you mean 'runware'?") == (finding.slug, finding.hint)
    assert ["unknown-provider"] == build.slugs(campaign(), provider="fal")
    assert ["unknown-provider"] == build.slugs(campaign(extra={"fal": {"seed": 1}}))


def test_a_provider_of_the_command_line_is_asked_first() -> None:
    """Whatever the manifest says; it pins nothing."""
    (item,) = build.items(campaign({"provider": ["runware"]}), provider="unifically")

    assert ("unifically", False) == (item.provider, item.pinned)


def test_what_the_provider_of_the_command_line_cannot_make_stays_where_it_was() -> None:
    """The item keeps its place in the plan; a warning tells why, and who could make it."""
    guided = campaign(video=build.video("guide"))

    (item,) = build.items(guided, provider="unifically")
    warning = one(build.findings(guided, provider="unifically"))

    assert "runware" == item.provider
    assert ("kind", Severity.WARNING) == (warning.slug, warning.severity)
    assert "left out of this run; Runware could" == warning.hint


def test_an_item_may_move_on_to_whoever_comes_after_and_can() -> None:
    """Where the manifest says so, and it is not pinned: one key, and what each would be asked."""
    settings: Any = {"provider": PAIR, "aspect_ratio": "16:9"}
    moves: Any = {"policy": Policy(fallback=True)}

    (item,) = build.items(campaign(settings, **moves))
    (stays,) = build.items(campaign(settings))
    (pinned,) = build.items(campaign(settings | {"pin_provider": True}, **moves))
    (only,) = build.items(campaign(settings, **moves), provider="runware")
    (unable,) = build.items(campaign(settings, video=build.video("guide"), **moves))

    (other,) = item.fallbacks
    assert ["runware", "unifically"] == [item.provider, other.provider]
    assert (item.key, item.address, ()) == (other.key, other.address, other.passed_over)
    assert [(), (), (), ()] == [each.fallbacks for each in (stays, pinned, only, unable)]


@pytest.mark.parametrize(
    "given",
    [
        {"settings": {"pin_provider": True}},
        {"variants": build.variants({"provider": ["runware"]})},
        {"extra": {"runware": {"outputQuality": 90}}},
    ],
)
def test_what_pins_an_item_to_its_provider(given: Any) -> None:
    """`pin_provider`, a provider axis, or `extra`; then nobody else makes it."""
    pinned = campaign(given.pop("settings", None), **given)

    (item,) = build.items(pinned)

    assert item.pinned
    assert ["pinned-provider"] == build.slugs(pinned, provider="unifically")
    assert 1 == len(build.items(pinned, provider="runware"))


def test_extra_goes_to_the_provider_it_is_for() -> None:
    """A provider it says nothing for is not asked."""
    extra = {"unifically": {"start_image_index": 1}}

    (item,) = build.items(campaign({"provider": PAIR}, extra=extra))

    assert ("unifically", extra) == (item.provider, item.extra)
    assert ["pinned-provider"] == build.slugs(campaign(extra=extra))


def test_a_provider_axis_gives_each_cell_its_provider() -> None:
    """That is how takes of two providers are compared."""
    both: list[Item] = build.items(campaign(variants=build.variants({"provider": PAIR})))

    assert [("runware", "runware"), ("unifically", "unifically")] == [
        (item.cell, item.provider) for item in both
    ]
    assert both[0].key.digest != both[1].key.digest


def test_a_guide_may_have_a_first_frame_where_the_offer_says_so() -> None:
    """The model allows it; Runware shows it nowhere."""
    given: dict[str, Any] = {"video": build.video("guide"), "frames": build.frames("a.png")}
    terms = Constraints(durations=frozenset({5}), first_frame=True, ratio="frame")
    open_handed = {"runware": build.offer("runware", guide=terms)}

    assert [Kind.GUIDE] == [
        item.kind for item in build.items(campaign(**given), offers=open_handed)
    ]
    assert (
        "Runware takes no first frame beside a guide video"
        == one(build.findings(campaign(**given))).message
    )


FAR = "https://shop.example/clip.mp4"


@pytest.mark.parametrize(
    ("role", "seconds", "right"),
    [
        ("edit", 3, True),
        ("edit", 10, True),
        ("edit", 2.9, False),
        ("edit", 12, False),
        ("guide", 12, False),
        ("guide", 7.5, True),
    ],
)
def test_the_declared_length_of_an_address_is_held_against_the_limits(
    role: str,
    seconds: float,
    right: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """Nobody can look into it: what is written of it counts, and is where the finding stands."""
    given = build.video(role, FAR, seconds=build.value(seconds, 6))
    found = build.findings(campaign(video=given))

    assert ([] if right else [("clip-seconds", build.at(6))]) == [
        (each.slug, each.span) for each in found
    ]


def test_a_declared_length_is_held_against_the_providers_limits_too() -> None:
    """Where they are narrower than the model's, another provider is named."""
    offers = {name: build.offer(name, edit=Constraints(**EDIT)) for name in PAIR}
    narrow = Constraints(**{**EDIT, "clip_seconds": (3.0, 5.0)})
    offers["runware"] = build.offer("runware", edit=narrow)
    given = build.video("edit", FAR, seconds=build.value(7, 6))

    found = one(build.findings(campaign(video=given), offers=offers))

    assert "Runware takes videos of 3 to 5 seconds here; 'seconds' says 7" == found.message
    assert "Unifically could" == found.hint


EDIT: dict[str, Any] = {"ratio": "clip", "clip_seconds": (3.0, 10.0)}
SHORT, LONG = frozenset({5, 10}), frozenset(range(3, 11))


def beside(**kinds: Constraints) -> dict[str, Any]:
    """Return offers of one provider that makes these."""
    return {"offers": {"runware": build.offer("runware", **kinds)}}


def test_references_beside_a_first_frame_change_how_long_it_may_last() -> None:
    """5 or 10 seconds from a frame alone, 3 to 10 with references: of model and offer."""
    limits = Constraints(
        durations=SHORT,
        ratio="frame",
        max_images=7,
        with_images=Constraints(durations=LONG, ratio="frame", max_images=7),
    )
    given: dict[str, Any] = {"frames": build.frames("a.png"), "images": images(2)}

    assert [] == build.slugs(campaign({"duration": 7}, **given), **beside(first_frame=limits))
    narrow = replace(limits, with_images=None)
    found = one(build.findings(campaign({"duration": 7}, **given), **beside(first_frame=narrow)))
    assert (
        "Runware makes clips of 5 or 10 seconds from a first frame with reference images, not of 7"
        == found.message
    )


def test_a_first_frame_may_take_the_place_of_an_image() -> None:
    """Six references are left then of seven, beside a guide three of four."""
    limits = Constraints(durations=LONG, max_images=7, frame_is_image=True)
    guide = Constraints(
        durations=LONG,
        ratio="provider",
        first_frame=True,
        frame_is_image=True,
        max_images=4,
        clip_seconds=(3.0, 10.0),
    )
    offers = beside(first_frame=limits, guide=guide)
    frame: dict[str, Any] = {"frames": build.frames("a.png")}
    clip: dict[str, Any] = {**frame, "video": build.video("guide")}

    assert [] == build.slugs(campaign(**frame, images=images(6)), **offers)
    assert ["too-many-references"] == build.slugs(campaign(**frame, images=images(7)), **offers)
    assert [] == build.slugs(campaign(**clip, images=images(3)), **offers)
    found = one(build.findings(campaign(**clip, images=images(4)), **offers))
    assert (
        "Runware takes at most 3 reference images beside a guide video and a first frame, not 4"
        == found.message
    )


def test_a_first_frame_beside_a_guide_has_limits_of_its_own() -> None:
    """A provider that has a size or a frame takes no images then, and asks for other lengths."""
    guide = Constraints(
        durations=LONG,
        first_frame=True,
        max_images=4,
        clip_seconds=(3.0, 10.0),
        with_first=Constraints(durations=SHORT, ratio="frame", first_frame=True),
    )
    offers = beside(guide=guide)
    given: dict[str, Any] = {"frames": build.frames("a.png"), "video": build.video("guide")}

    (item,) = build.items(campaign(**given), **offers)
    assert (Kind.GUIDE, "auto") == (item.kind, item.settings.aspect_ratio)
    assert ["duration"] == build.slugs(campaign({"duration": 7}, **given), **offers)
    assert ["too-many-references"] == build.slugs(campaign(**given, images=images(1)), **offers)


@pytest.mark.parametrize(
    ("size", "written", "ratio"),
    [
        ((1080, 1920), None, "9:16"),
        ((1080, 1920), "auto", "9:16"),
        ((1000, 600), None, "auto"),
        ((1080, 1920), "9:16", "9:16"),
    ],
)
def test_the_frames_own_ratio_is_stated_where_the_default_is_another(
    size: tuple[int, int], written: str | None, ratio: str
) -> None:
    """Left out, it would be 16:9; one that nobody makes is left out all the same."""
    offers = beside(first_frame=Constraints(durations=SHORT, ratio="framed"))
    settings = {} if written is None else {"aspect_ratio": written}
    album = build.Album(sizes={"a.png": size})

    (item,) = build.items(campaign(settings, frames=build.frames("a.png")), album, **offers)

    assert ratio == item.settings.aspect_ratio


def test_a_ratio_that_is_stated_for_a_frame_changes_no_key() -> None:
    """It follows from the frame, whoever is told of it."""
    given = campaign(frames=build.frames("a.png"))
    stated, left = (
        build.items(given, **beside(first_frame=Constraints(durations=SHORT, ratio=ratio)))[0]
        for ratio in ("framed", "frame")
    )

    assert ("1:1", "auto") == (stated.settings.aspect_ratio, left.settings.aspect_ratio)
    assert stated.key == left.key


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"safety": "perhaps"}, "Runware's 'safety' is none, fast or full, not 'perhaps'"),
        (
            {"output_quality": 10},
            "Runware's 'output_quality' is a whole number from 20 to 99, not 10",
        ),
        ({"ttl": 59}, "Runware's 'ttl' is a whole number from 60 on, not 59"),
    ],
)
def test_a_value_that_a_provider_does_not_take_is_told_at_its_key(
    settings: dict[str, Any], message: str
) -> None:
    """The model's rule is wider: each offer has its own."""
    found = one(build.findings(campaign(settings), offers=OFFERS))

    assert ("bad-setting", message, build.at(20)) == (found.slug, found.message, found.span)


def test_how_long_a_link_lives_makes_no_other_clip() -> None:
    """`ttl` is in no key; how well a clip is encoded is."""
    plain, kept, finer = (
        build.items(campaign(settings), offers=OFFERS)[0]
        for settings in ({}, {"ttl": 3600}, {"output_quality": 99})
    )

    assert plain.key == kept.key
    assert {"ttl": 3600} == kept.settings.more
    assert plain.key.digest != finer.key.digest


def test_an_option_may_choose_what_is_sold() -> None:
    """inference.sh keeps the sound of a clip in its older schema alone."""
    clip = replace(build.video("guide"), keep_audio=True)
    wanted = campaign({"provider": "inference"}, video=clip)
    older = ProviderSettings(options={"schema": "may-2026"})

    assert ["keep-audio"] == build.slugs(wanted, offers=OFFERS)
    assert [] == build.slugs(replace(wanted, providers={"inference": older}), offers=OFFERS)
