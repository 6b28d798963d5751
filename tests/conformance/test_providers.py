"""Every provider × every scenario, and every kind it offers, over real HTTP to the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.domain import Kind
from pipeline.providers import PROVIDERS
from pipeline.sandbox.dialects import DIALECTS
from tests.conformance.scenarios import SCENARIOS, patient
from tests.conformance.stage import Stage, plays, task_of
from tests.sandboxes import Sandbox

WITNESSED = [name for name in PROVIDERS if name in DIALECTS]
MODES = [
    (name, kind, mode)
    for name in WITNESSED
    for kind, terms in PROVIDERS[name].offer.models["kling-o1"].items()
    for mode in sorted(terms.modes)
]


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
