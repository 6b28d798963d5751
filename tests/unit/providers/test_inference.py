"""inference.sh's dialect: two input schemas, uploads in two steps, doubts settled by listing."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Feature, Kind, Role, Token
from pipeline.domain.offer_rules import offer_by_options
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.providers.base import Absent, Accepted, Fault, Request, TaskRef, Unknown, Uploaded
from pipeline.providers.inference import Inference
from pipeline.providers.registry import compose
from tests.unit.providers.reading import answered, said
from tests.unit.providers.samples import CLIP, FIRST, FRONT, LAST, STUDIO, item, medium

INFERENCE = Inference()
INPUT = {"prompt": "x", "duration": 5}
SENT = Request(method="POST", path="/apps/run", body={"app": "klingai/video-o1", "input": INPUT})
NOON = 1_786_104_000.0
"""2026-08-07T12:00:00Z in unix seconds."""


def fields(kind: Kind, options: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return the `input` that an item is sent with."""
    found: dict[str, Any] = compose(item(kind, "inference", **more), options or {})["body"]["input"]
    return found


def listed(name: str, at: str = "2026-08-07T12:00:05Z", **more: Any) -> dict[str, Any]:
    """Return a task as a listing shows it."""
    return {"id": name, "created_at": at, "input": {**INPUT, "seed": None}, **more}


def look(*pages: list[dict[str, Any]], known: tuple[str, ...] = ()) -> Accepted | Absent | Fault:
    """Return what the look-up says when the listing has these pages."""
    steps = INFERENCE.find("", SENT, since=NOON, known=known)
    replies = [
        said({"data": {"items": one, "next_cursor": "next" if one is not pages[-1] else None}})
        for one in pages
    ]
    return answered(steps, *replies)


@pytest.mark.parametrize(("mode", "resolution"), [("std", "720p"), ("pro", "1080p")])
def test_the_newer_schema_has_a_resolution_and_no_sound(mode: str, resolution: str) -> None:
    """August 2026: no mode, no switch for the sound."""
    found = fields(Kind.GUIDE, mode=mode)

    assert resolution == found["resolution"]
    assert {"mode", "keep_original_sound"}.isdisjoint(found)


def test_the_older_schema_has_a_mode_and_says_the_sound() -> None:
    """May 2026: sound is on by default, so it is always said."""
    found = fields(Kind.GUIDE, {"schema": "may-2026"}, mode="std")

    assert ("std", False) == (found["mode"], found["keep_original_sound"])
    assert "resolution" not in found


def test_the_schemas_name_images_differently() -> None:
    """Ids in one, positions in a list in the other."""
    newer = fields(Kind.REFERENCES)["prompt"]
    older = fields(Kind.REFERENCES, {"schema": "may-2026"})["prompt"]

    assert "@image_1 turns in the light of @image_2." == newer
    assert "<<<image_1>>> turns in the light of <<<image_2>>>." == older


def test_a_first_frame_shifts_the_older_numbers() -> None:
    """There the frame is image 1 of the list, and references begin at 2."""
    prompt = (Token(role=Role.IMAGE, ordinal=1),)
    found = item(Kind.FIRST_FRAME, "inference", references=(FIRST, FRONT), prompt=prompt)

    older = INFERENCE.submit_request(found, {"schema": "may-2026"}).body["input"]["prompt"]
    newer = INFERENCE.submit_request(found, {}).body["input"]["prompt"]

    assert ("<<<image_2>>>", "@image_1") == (older, newer)


@pytest.mark.parametrize(
    "options", [{"schema": "june"}, {"run_path": "/elsewhere"}, {"colour": "red"}]
)
def test_an_option_is_one_of_those_known(options: dict[str, Any]) -> None:
    """A misspelt schema must not buy the default's."""
    with pytest.raises(InvalidInput):
        fields(Kind.TEXT, options)


def test_the_older_path_is_an_option() -> None:
    """A 404 could as well be an unknown app: nothing is probed."""
    assert "/run" == compose(item(Kind.TEXT, "inference"), {"run_path": "/run"})["path"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Kind.TEXT, {"duration": 7}),
        (Kind.FIRST_FRAME, {"duration": 7}),
        (Kind.TEXT, {"ratio": "auto"}),
        (Kind.FRAMES, {"references": (FIRST, LAST, FRONT)}),
        (Kind.EDIT, {"references": (FIRST, CLIP)}),
        (Kind.GUIDE, {"references": (CLIP, *(FRONT for _ in range(5)))}),
        (Kind.REFERENCES, {"references": tuple(FRONT for _ in range(8))}),
    ],
)
def test_what_would_fail_late_is_refused_now(kind: Kind, more: dict[str, Any]) -> None:
    """The provider takes such requests and fails them minutes later."""
    with pytest.raises(InvalidInput):
        fields(kind, **more)


def test_an_upload_is_announced_then_put_unsigned() -> None:
    """The second address is another origin's: no key goes there."""
    found = medium("a")
    steps = INFERENCE.upload(found)

    announced = next(steps)
    put = steps.send(
        said({"data": [{"uri": "inf://f/1", "upload_url": "https://store.example/p?sig=1"}]})
    )

    assert ("/files", "image/png", 1000) == (
        announced.path,
        announced.body["files"][0]["content_type"],
        announced.body["files"][0]["size"],
    )
    assert put == Request(
        method="PUT",
        path="https://store.example/p?sig=1",
        host="",
        headers={"content-type": "image/png"},
        content=True,
    )
    with pytest.raises(StopIteration) as end:
        steps.send(said(None))
    assert Uploaded(uri="inf://f/1", lifetime_s=3600.0) == end.value.value


@pytest.mark.parametrize(
    "reply",
    [
        [{"uri": "u", "upload_url": "https://s.example/p"}],
        {"data": [{"uri": "u", "upload_url": "https://s.example/p"}]},
        {"data": {"files": [{"uri": "u", "upload_url": "https://s.example/p"}]}},
    ],
)
def test_the_place_of_an_upload_is_found_in_every_envelope(reply: Any) -> None:
    """Bare list, wrapped list, wrapped object: the envelope changed between versions."""
    steps = INFERENCE.upload(medium("a"))
    next(steps)

    assert "https://s.example/p" == steps.send(said(reply)).path


def test_a_refused_put_is_a_fault() -> None:
    """An expired address takes nothing."""
    place = said([{"uri": "u", "upload_url": "https://s.example/p"}])
    found = answered(INFERENCE.upload(medium("a")), place, said(None, 403))

    assert isinstance(found, Fault)


def test_a_listed_task_with_our_input_is_ours() -> None:
    """The server may have added fields of its own; ours must be equal."""
    other = listed("t-1") | {"input": {**INPUT, "prompt": "y"}}

    assert Accepted(task="t-2") == look([other, listed("t-2")])


def test_a_task_of_another_job_is_not_handed_out_again() -> None:
    """Two takes have the same input: each task belongs to one of them."""
    assert Accepted(task="t-2") == look([listed("t-1"), listed("t-2")], known=("t-1",))
    assert Absent() == look([listed("t-1")], known=("t-1",))


@pytest.mark.parametrize("at", ["2026-08-07T11:50:00Z", "yesterday", "", "2026-08-07T12:00:05"])
def test_a_task_from_before_the_intent_is_not_ours(at: str) -> None:
    """What is older, or of unknown age, was another purchase."""
    assert Absent() == look([listed("t-1", at)])


def test_a_slow_clock_of_theirs_is_allowed_for() -> None:
    """A minute behind ours is still after the intent."""
    assert Accepted(task="t-1") == look([listed("t-1", "2026-08-07T11:59:00.123456789Z")])


def test_the_newest_tasks_are_asked_for_first() -> None:
    """In which order a listing comes by itself is not written down."""
    steps = INFERENCE.find("", SENT, since=NOON)

    first = next(steps)
    second = steps.send(said({"data": {"items": [], "next_cursor": "next"}}))

    assert [{"field": "created_at", "dir": "desc"}] == list(first.body["sort"])
    assert {**first.body, "cursor": "next"} == second.body


def test_further_pages_are_looked_through_three_at_most() -> None:
    """A busy account has many tasks; the look-up stays short."""
    other = listed("t-1") | {"input": {}}

    assert Accepted(task="t-9") == look([other], [other], [listed("t-9")])
    assert Absent() == look([other], [other], [{**other}])


def test_it_offers_a_listing_and_nothing_idempotent() -> None:
    """A repeat would buy twice."""
    assert {Feature.LISTING, Feature.UPLOAD} == INFERENCE.offer.features


def test_a_number_alone_never_ends_a_task() -> None:
    """Ten was failed, is completed: only words and outputs count."""
    reply = said({"data": {"id": "t-1", "status": 10, "output": None, "error": ""}})

    assert Unknown(word="status 10") == INFERENCE.read_status(TaskRef(task="t-1"), reply)


def test_a_maintenance_is_no_doubt() -> None:
    """The platform refused before any run: it is tried again later."""
    problem = {"type": "https://x/errors/app_maintenance", "status": 503, "detail": "soon"}
    found = INFERENCE.read_submit(said(problem, 503, {"retry-after": "60"}), "")

    assert isinstance(found, Fault)
    assert (FaultKind.CAPACITY, False, 60.0) == (found.kind, found.accepted, found.retry_after_s)


def test_two_images_keep_their_order() -> None:
    """Number one in the prompt is first in the list."""
    found = fields(Kind.REFERENCES, references=(FRONT, STUDIO))

    assert [f"asset:{one.media[0].digest}" for one in (FRONT, STUDIO)] == found["reference_images"]


def test_a_first_frame_stands_beside_references_and_a_guide() -> None:
    """All go into one list without excluding each other, by the app's source of 2026-08-07."""
    found = fields(Kind.GUIDE, references=(FIRST, FRONT, CLIP), duration=7)

    assert f"asset:{FIRST.media[0].digest}" == found["image"]
    assert [f"asset:{FRONT.media[0].digest}"] == found["reference_images"]
    assert ("feature", 7) == (found["reference_video_type"], found["duration"])


def test_references_beside_a_frame_let_it_last_seven_seconds() -> None:
    """3 to 10 seconds with reference images; 5 or 10 from a first frame alone."""
    assert 7 == fields(Kind.FIRST_FRAME, references=(FIRST, FRONT), duration=7)["duration"]
    with pytest.raises(InvalidInput):
        fields(Kind.FIRST_FRAME, duration=7)


def test_an_earlier_version_of_the_app_is_pinned_by_its_short_id() -> None:
    """The deployed one takes the input of August: the older form needs the older app."""
    options = {"schema": "may-2026", "version": "3m7x1c"}
    older = compose(item(Kind.GUIDE, "inference", keep_audio=True), options)["body"]

    assert "klingai/video-o1@3m7x1c" == older["app"]
    assert older["input"]["keep_original_sound"] is True
    assert "klingai/video-o1" == compose(item(Kind.TEXT, "inference"), {})["body"]["app"]


def test_sound_can_be_kept_by_the_older_schema_alone() -> None:
    """What the offer promises follows from the option."""
    offer = INFERENCE.offer
    older = offer_by_options(offer, {"schema": "may-2026"}).models["kling-o1"]
    newer = offer_by_options(offer, {"schema": "aug-2026"}).models["kling-o1"]

    for kind in (Kind.GUIDE, Kind.EDIT):
        assert (True, False) == (older[kind].keep_audio, newer[kind].keep_audio)
    assert newer is offer.models["kling-o1"]
