"""A plan as a person reads it: its table, its sum, and what should be known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from pipeline.api.campaign_plan import require_admitted
from pipeline.api.campaign_request import SpendLimit
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import lock_path
from pipeline.api.money_text import item_count, price_text
from pipeline.api.price_notes import price_lines
from pipeline.cli.change_text import change_group_lines
from pipeline.cli.console import print_error, print_text
from pipeline.cli.figure_table import FigureTable
from pipeline.cli.finding_text import findings_text
from pipeline.cli.item_list import standing_text
from pipeline.cli.place_text import round_lines
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain import Budget
from pipeline.domain.money import exact_usd
from pipeline.domain.states import State, Status
from pipeline.report.figures import count_text
from pipeline.run.output_check import DamagedClip
from pipeline.run.plan_files import ChangedOutput
from pipeline.run.plan_sync import PlanLine, PlanSummary

_MINUTES_SAID = 90
"""From here on hours are said."""


def print_plan(
    summary: PlanSummary,
    campaign: LoadedCampaign,
    console: TerminalConsole,
    spending: SpendLimit | None = None,
) -> None:
    """Print a plan, and which limit may not do for it; InvalidInput if it has errors."""
    require_admitted(summary, campaign)
    if summary.findings:
        show = print_error if console.stderr else print_text
        show(findings_text(summary.findings, campaign.sources))
    console.print_lines(damage_lines(summary.damaged_clips, campaign.request.home))
    console.print_table(plan_table(summary))
    console.print(plan_sentence(summary))
    console.print_lines(change_group_lines(summary.changes))
    console.print_lines(plan_notes(summary, campaign, spending or SpendLimit()))


def plan_notes(
    summary: PlanSummary, campaign: LoadedCampaign, spending: SpendLimit
) -> Iterator[str]:
    """Yield what a person should know of a plan beside its table and its sum."""
    earlier = sum(line.items for line in summary.lines if line.earlier_rule)
    if earlier:
        which = "its clip satisfies it as it is" if earlier == 1 else _CLIPS_SATISFY
        yield f"made by an earlier rule: {item_count(earlier)}; {which}"
    stale = sum(line.items for line in summary.lines if line.stale)
    if stale:
        yield (
            f"approved, and the manifest asks for something else now: {item_count(stale)}; kept,"
            " and made again only after `callsheet reopen`"
        )
    if summary.elsewhere_usd:
        lock = lock_path(campaign.request, summary.campaign).name
        spent = exact_usd(summary.elsewhere_usd)
        yield f"paid elsewhere: {spent} USD, as {lock} says; they count against the limit"
    yield from round_lines(summary.places) if summary.places else ()
    yield from shortfalls(summary, campaign.manifest.budget, spending)
    yield from price_lines(summary.prices)
    if summary.expected_s is not None:
        yield f"time: {duration_text(summary.expected_s)}, as long as clips took in earlier runs"
    # With a provider of the command line the warnings have told it already.
    if not campaign.request.provider:
        yield from campaign.reassignments.lines({line.shot for line in summary.lines})
    yield from leftover_lines(summary.left_behind)
    yield from change_lines(summary.changed_outputs)
    if summary.orphaned:
        yield orphan_line(summary.orphaned)


def duration_text(seconds: float) -> str:
    """Return a length of time as a person says it, to about a tenth.

    >>> duration_text(40), duration_text(700), duration_text(9000)
    ('about 1 minute', 'about 12 minutes', 'about 2.5 hours')
    """
    minutes = max(1, round(seconds / 60))
    if minutes < _MINUTES_SAID:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    return f"about {minutes / 60:.2g} hours"


def orphan_line(addresses: Sequence[str]) -> str:
    """Return what earlier plans had and this one has not, in one line however much it is."""
    named = ", ".join(addresses[:_ORPHANS_SHOWN])
    more = len(addresses) - _ORPHANS_SHOWN
    verb = "is" if len(addresses) == 1 else "are"
    return (
        f"orphaned: {item_count(len(addresses))} of earlier plans {verb} in this one no more;"
        f" clips stay where they are: {named}{f' and {more} more' if more > 0 else ''}"
    )


def damage_lines(damaged: Sequence[DamagedClip], root: Path) -> Iterator[str]:
    """Yield what is wrong in the store, and for each clip where its bytes still are."""
    for each in damaged[:_SHOWN]:
        wrong = "is gone" if each.gone else "is not what was received"
        kept = (
            f"{root / each.intact} still has its bytes: `run` puts it back from there"
            if each.intact
            else "put it back from a copy, there or at its output path; it is not bought again"
        )
        yield f"damaged: the clip {root / each.path} {wrong}; {kept}"
    if len(damaged) > _SHOWN:
        more = count_text(len(damaged) - _SHOWN, "more clip")
        yield f"damaged: {more} of the store: callsheet ledger check"


def change_lines(changed: Sequence[ChangedOutput]) -> Iterator[str]:
    """Yield which delivered files somebody changed, however many there are."""
    for each in changed[:_SHOWN]:
        yield f"left alone: {each.path} was changed since it was put there: {each.change}"
    if len(changed) > _SHOWN:
        more = count_text(len(changed) - _SHOWN, "more changed file")
        yield f"left alone: {more}"
    if changed:
        yield "the clips as they were made are in the store; to have one back, move its file away"


def plan_table(summary: PlanSummary) -> FigureTable:
    """Return the plan as a table: a line per shot, provider and status."""
    alike: dict[tuple[str, ...], list[PlanLine]] = {}
    for line in summary.lines:
        # What a plan keeps apart and a person reads alike (in flight: waiting, fetching) is a line.
        again = ", again" if line.status is Status.FAILED and summary.makes(line) else ""
        standing = standing_text(line) + again
        shown = (line.shot, line.provider, standing)
        alike.setdefault(shown, []).append(line)
    rows = []
    for cells, lines in alike.items():
        made = summary.makes(lines[0])
        items = sum(line.items for line in lines)
        rows.append((*cells, str(items), *_prices(lines, made=made)))
    figures = ("items", "low", "expected", "high")
    return FigureTable(titles=(*_WORDS, *figures), rows=rows, words=frozenset(_WORDS))


def plan_sentence(summary: PlanSummary) -> str:
    """Return the plan in one sentence."""
    total = summary.to_make
    ready = summary.count(Status.REUSED, Status.OFF_SPEC)
    others = f"{summary.selected} of " if summary.others else ""
    parts = [f"{others}{item_count(summary.items)}", f"{total.items} to make"]
    parts += [f"{ready} ready"] if ready else []
    parts += [f"{summary.restore} to restore from the store"] if summary.restore else []
    parts += [f"{summary.hide} to take out of the output folder"] if summary.hide else []
    shared = summary.count(Status.SHARED)
    parts += [f"{shared} sharing another's clip"] if shared else []
    return f"{', '.join(parts)}; {price_text(total)}" if total.items else f"{', '.join(parts)}"


def shortfalls(summary: PlanSummary, budget: Budget, spending: SpendLimit) -> Iterator[str]:
    """Yield, for each limit that may not do for what is to be made, how much is left of it."""
    needed_usd = summary.to_make.high_usd
    # A campaign's limit has paid for all its runs; a limit of one run begins with nothing spent.
    scopes = (
        ("budget.limit", spending.budget(budget).limit_usd, summary.committed_usd),
        ("budget.per_run", budget.per_run_usd, Decimal(0)),
        ("--max-cost", spending.max_cost_usd, Decimal(0)),
    )
    for name, limit_usd, used_usd in scopes:
        if limit_usd is not None and used_usd + needed_usd > limit_usd and needed_usd:
            left_usd = max(Decimal(0), limit_usd - used_usd)
            yield (
                f"{name}: {exact_usd(left_usd)} USD are left of {exact_usd(limit_usd)} USD,"
                f" and {exact_usd(needed_usd)} USD are to be set aside: what does not fit is held"
            )


_ORPHANS_SHOWN = 4
_CLIPS_SATISFY = "their clips satisfy them as they are"
_SHOWN = 20
_WORDS = ("shot", "provider", "status")


def _prices(lines: Sequence[PlanLine], *, made: bool) -> tuple[str, str, str]:
    if not made:
        return ("", "", "")
    unpriced = sum(line.unpriced for line in lines)
    if unpriced == sum(line.items for line in lines):
        return ("unknown", "unknown", "unknown")
    mark = f" + {unpriced}?" if unpriced else ""
    low = sum((line.low_usd for line in lines), Decimal(0))
    expected = sum((line.expected_usd for line in lines), Decimal(0))
    high = sum((line.high_usd for line in lines), Decimal(0))
    return (f"{exact_usd(low)}{mark}", f"{exact_usd(expected)}{mark}", f"{exact_usd(high)}{mark}")


def same_clip_lines(groups: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a warning for each file that several works received: at most one of them made it."""
    for addresses in groups:
        shown = ", ".join(addresses[:_SAME_SHOWN])
        more = len(addresses) - _SAME_SHOWN
        named = f"{shown} and {more} more" if more > 0 else shown
        yield f"warning: one and the same file was received for {named}: look at each of them"


_SAME_SHOWN = 4


def leftover_lines(sent: Iterable[tuple[str, str, State]], settle: str = "") -> Iterator[str]:
    """Yield what to say of each task that an earlier plan sent; `settle` is what would help."""
    for address, provider, state in sent:
        told = f"{address} was sent to {provider} for an earlier plan, and is"
        todo = f"; to settle it: {settle}" if settle else ""
        yield f"left behind: {told} {state.replace('_', ' ')}{todo}"
