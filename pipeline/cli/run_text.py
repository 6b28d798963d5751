"""What a run of a campaign does, made and cost: in words, and as objects for programs."""

from __future__ import annotations

from pipeline.cli.console import print_text
from pipeline.domain import Event, RunRecord
from pipeline.domain.money import exact_usd
from pipeline.report.event_lines import to_event_line
from pipeline.report.figures import count_text
from pipeline.report.run_progress import RunProgress


def run_sentence(run: RunRecord, *, landed: int, committed: str) -> str:
    """Return what one run made and cost, beside what the campaign has cost in all.

    `landed` are the clips that came in it, whichever run ordered them: a clip counts with the run
    that ordered it, as its money does.
    """
    clips, others = count_text(run.made, "clip"), landed - run.made
    collected = f" (and {others:,} collected that other runs had ordered)" if others > 0 else ""
    own = f"{clips} made{collected}, {cost_text(run)} USD"
    return f"this run: {own}; all runs: {committed} USD"


def cost_text(run: RunRecord) -> str:
    """Return what a run was charged, and what of it is still open."""
    charged = exact_usd(run.charged_usd)
    return f"{charged} + {exact_usd(run.open_usd)} open" if run.open_usd else charged


def heartbeat_text(progress: RunProgress) -> str:
    """Return where a run stands, as its log says it."""
    failed = progress.failed + progress.in_doubt + progress.off_spec
    parts = [f"{progress.in_flight} in flight", f"{progress.done} done", f"{failed} failed"]
    parts += [f"{progress.waiting} waiting"] if progress.waiting else []
    charged, reserved = exact_usd(progress.charged_usd), exact_usd(progress.reserved_usd)
    parts += [f"{charged} USD charged"]
    parts += [f"{reserved} reserved"] if progress.reserved_usd else []
    return ", ".join(parts)


def print_event(event: Event) -> None:
    """Print an event as one object and one line, at once: a program may be waiting for it."""
    print_text(to_event_line(event), flush=True)
