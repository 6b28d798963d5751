"""Every provider × every scenario, and every kind it offers, over real HTTP to the sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain import Constraints, Kind, Reference, Role
from pipeline.domain.offer_rules import limits_beside
from pipeline.providers import PROVIDERS
from pipeline.sandbox.dialects import DIALECTS
from tests.conformance.scenarios import SCENARIOS, patient
from tests.conformance.stage import Stage, plays, task_of
from tests.sandboxes import Sandbox
from tests.unit.providers.samples import CLIP, FIRST, FRONT

WITNESSED = [name for name in PROVIDERS if name in DIALECTS]
MODES = [
    (name, kind, mode)
    for name in WITNESSED
    for kind, terms in PROVIDERS[name].offer.models["kling-o1"].items()
    for mode in sorted(terms.modes)
]


def _takes(terms: Constraints | None, references: tuple[Reference, ...]) -> bool:
    """Tell whether a first frame may stand beside these."""
    if terms is None or (CLIP in references and not terms.first_frame):
        return False
    images = sum(each.role is Role.IMAGE for each in references)
    limits = limits_beside(terms, first=CLIP in references, images=bool(images))
    return images <= limits.max_images


def _stage(name: str, sandbox: Sandbox, tmp_path: Path) -> Stage:
    return patient(Stage(provider=PROVIDERS[name], sandbox=sandbox, root=tmp_path / "root"))


@pytest.mark.parametrize("provider", WITNESSED)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
async def test_a_provider_survives(
    provider: str, scenario: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What must hold after a scenario holds for each provider."""
    await SCENARIOS[scenario](_stage(provider, sandbox, tmp_path))


@pytest.mark.parametrize(("provider", "kind", "mode"), MODES)
async def test_a_kind_is_made(
    provider: str, kind: Kind, mode: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each kind in each mode becomes one task and one clip, in spec, from uploaded references."""
    stage = _stage(provider, sandbox, tmp_path)

    played = await stage.play(stage.item(1, kind, mode=mode))

    assert ["done"] == played.states, [(r.cause, r.message) for r in played.records]
    assert 1 == len(played.tasks)
    assert played.records[0].task == task_of(played.clip(played.records[0]))
    assert plays(played.clip(played.records[0]))
    assert [] == list(played.leaks)


BESIDE = [
    (name, kind, references)
    for name in WITNESSED
    for kind, references in (
        (Kind.FIRST_FRAME, (FIRST, FRONT)),
        (Kind.GUIDE, (FIRST, CLIP)),
        (Kind.GUIDE, (FIRST, FRONT, CLIP)),
    )
    if _takes(PROVIDERS[name].offer.models["kling-o1"].get(kind), references)
]


@pytest.mark.parametrize(("provider", "kind", "references"), BESIDE)
async def test_a_first_frame_beside_others_is_made(
    provider: str,
    kind: Kind,
    references: tuple[Reference, ...],
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    """References, a guide, or both stand beside it where the provider takes them."""
    stage = _stage(provider, sandbox, tmp_path)
    terms = PROVIDERS[provider].offer.models["kling-o1"][kind]
    limits = limits_beside(terms, first=True, images=FRONT in references)
    seconds = min(limits.durations)
    ratio = "auto" if limits.ratio in {"frame", "provider"} else "9:16"
    wanted = stage.item(1, kind, references=references, ratio=ratio)
    settings = replace(wanted.settings, duration=seconds)
    wanted = replace(wanted, settings=settings, spec=replace(wanted.spec, seconds=float(seconds)))

    played = await stage.play(wanted)

    assert ["done"] == played.states, [(r.cause, r.message) for r in played.records]
    assert len(references) == len(played.tasks[0]["references"])


async def test_what_is_told_of_a_result_is_kept(sandbox: Sandbox, tmp_path: Path) -> None:
    """A result that is called unsafe was made and charged, is refused, and is not bought again."""
    stage = _stage("runware", sandbox, tmp_path)
    sandbox.play("nsfw")

    played = await stage.play(*stage.items(2))

    by_verdict = {record.nsfw: record for record in played.records}
    unsafe, safe = by_verdict[True], by_verdict[False]
    assert ("failed", "refused", None) == (unsafe.state, unsafe.cause, unsafe.path)
    assert "done" == safe.state
    assert all(record.seed.isdecimal() for record in played.records)
    assert played.billed_usd == played.charged_usd
    assert unsafe.charged_usd > 0
    assert 10 == played.outcome.exit_code
    again = await stage.play(*stage.items(2))
    assert 2 == len(again.tasks)


async def test_an_earlier_version_of_the_app_keeps_the_sound(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """inference.sh takes the older input for the pinned version alone, and refuses it else."""
    stage = _stage("inference", sandbox, tmp_path)
    wanted = stage.item(1, Kind.GUIDE, keep_audio=True)
    for options, state in (
        ({"schema": "may-2026"}, "failed"),
        ({"schema": "may-2026", "version": "3m7x1c"}, "done"),
    ):
        root = tmp_path / state
        played = await replace(stage, options=options, root=root / "root").play(wanted)
        assert [state] == played.states

    (task,) = sandbox.tasks("inference")
    assert task["request"]["input"]["keep_original_sound"] is True


@pytest.mark.parametrize("provider", WITNESSED)
async def test_a_shared_reference_is_uploaded_once(
    provider: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """References that many items share go up once per content."""
    stage = _stage(provider, sandbox, tmp_path)
    kinds = [
        k
        for k in (Kind.REFERENCES, Kind.FIRST_FRAME)
        if k in stage.provider.offer.models["kling-o1"]
    ]

    played = await stage.play(*stage.items(4, kinds[0]))

    assert ["done"] == played.states
    seen = {tuple(task["references"]) for task in played.tasks}
    assert 1 == len(seen)
    uploads = sandbox.ledger()["providers"][provider]["accounts"][stage.key]["uploads"]
    assert len(next(iter(seen))) == len(uploads)
