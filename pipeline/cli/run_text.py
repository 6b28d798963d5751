"""A run of a campaign as a person or a program reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.domain import RunRecord
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.report.figures import count_text, duration


def run_cells(run: RunRecord) -> tuple[str, ...]:
    """Return a run as a line of a table: started, took, ordered, made, USD, ended."""
    took = "" if run.ended_at is None else duration((run.ended_at - run.started_at).total_seconds())
    # A process that was killed writes no end; one that is at work has none yet.
    ended = "not ended: at work, or killed"
    if run.exit_code is not None:
        ended = f"{run.exit_code} {Exit(run.exit_code).name.lower().replace('_', ' ')}"
    started = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
    return started, took, str(run.ordered), str(run.made), _cost(run), ended


def run_sentence(run: RunRecord, *, made: int, committed: str) -> str:
    """Return what one run made and cost, beside what the campaign has cost in all.

    `made` are the clips that came in it, whichever run ordered them.
    """
    return f"this run: {count_text(made, 'clip')} made, {_cost(run)} USD; all runs: {committed} USD"


def _cost(run: RunRecord) -> str:
    charged = exact_usd(run.charged_usd)
    return f"{charged} + {exact_usd(run.open_usd)} open" if run.open_usd else charged


def plain_run(run: RunRecord) -> Mapping[str, Any]:
    """Return a run as plain data that JSON can hold; sums are texts, as in every other list."""
    return {
        "started_at": run.started_at.isoformat(),
        "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
        "exit_code": run.exit_code,
        "ordered": run.ordered,
        "made": run.made,
        "charged_usd": exact_usd(run.charged_usd),
        "open_usd": exact_usd(run.open_usd),
    }
