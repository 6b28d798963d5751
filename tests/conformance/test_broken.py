"""Adapters that are wrong on purpose must fail the suite, and a faithful wrapper must pass it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.providers import PROVIDERS
from pipeline.sandbox.dialects import DIALECTS
from tests.conformance.broken import BROKEN, Faithful
from tests.conformance.scenarios import SCENARIOS, patient
from tests.conformance.stage import Stage
from tests.sandboxes import Sandbox

CAUGHT_BY = {
    "PendsForever": "unknown_status",
    "FailsTheUnknown": "unknown_status",
    "LeaksTheKey": "happy",
    "TrustsServerErrors": "error_after",
    "TrustsEmptyReplies": "truncated_reply",
    "FailsTheAbsent": "slow",
    "NewIdPerAttempt": "happy",
    "ForgetsTheCost": "happy",
    "ForgetsTheModel": "happy",
    "LeavesDoubts": "drop_after",
    "ReadsStatusAlone": "no_credit",
    "PollsPastFailure": "refused",
    "BuysADryRun": "happy",
    "SwapsTheFrames": "frames",
    "ForgetsTheKey": "drop_after",
    "TakesBusyForNo": "drop_early",
    "QuotesTheSeconds": "happy",
    "ReadsNumbers": "happy",
    "HandsOutTwice": "twins",
}
WITNESSED = [name for name in PROVIDERS if name in DIALECTS]
CASES = [(name, broken) for name in WITNESSED for broken in BROKEN[name]]


# Time is hurried, and an adapter that sees no end in an end is waited for until then.
_DEADLINE_S = 3600


def _stage(name: str, adapter: Faithful, sandbox: Sandbox, tmp_path: Path) -> Stage:
    assert name == adapter.offer.provider
    stage = patient(Stage(provider=adapter, sandbox=sandbox, root=tmp_path / "root"))
    return replace(stage, policy=replace(stage.policy, deadline_s=_DEADLINE_S))


@pytest.mark.parametrize(("provider", "broken"), CASES)
async def test_a_broken_adapter_is_caught(
    provider: str, broken: type[Faithful], sandbox: Sandbox, tmp_path: Path
) -> None:
    """The scenario named for it turns red."""
    stage = _stage(provider, broken(PROVIDERS[provider]), sandbox, tmp_path)
    scenario = SCENARIOS[CAUGHT_BY[broken.__name__]]

    with pytest.raises(AssertionError):
        await scenario(stage)


@pytest.mark.parametrize("provider", WITNESSED)
@pytest.mark.parametrize("scenario", sorted(set(CAUGHT_BY.values())))
async def test_the_wrapper_itself_is_not_what_fails(
    provider: str, scenario: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The same scenarios pass with a wrapper that breaks nothing."""
    stage = _stage(provider, Faithful(PROVIDERS[provider]), sandbox, tmp_path)

    await SCENARIOS[scenario](stage)
