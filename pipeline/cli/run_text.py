"""What a run of a campaign made and cost, in words."""

from __future__ import annotations

from pipeline.domain import RunRecord
from pipeline.domain.money import exact_usd
from pipeline.report.figures import count_text


def run_sentence(run: RunRecord, *, made: int, committed: str) -> str:
    """Return what one run made and cost, beside what the campaign has cost in all.

    `made` are the clips that came in it, whichever run ordered them.
    """
    clips = count_text(made, "clip")
    return f"this run: {clips} made, {cost_text(run)} USD; all runs: {committed} USD"


def cost_text(run: RunRecord) -> str:
    """Return what a run was charged, and what of it is still open."""
    charged = exact_usd(run.charged_usd)
    return f"{charged} + {exact_usd(run.open_usd)} open" if run.open_usd else charged
