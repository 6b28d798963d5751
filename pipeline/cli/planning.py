"""`check` and `plan`: what is wrong, and what would be made at which price. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.amounts import counted_items, priced
from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.comparing import compared, show_comparison
from pipeline.cli.console import TerminalConsole, print_error, print_text
from pipeline.cli.exits import Leave
from pipeline.cli.finding_text import Format, counted, written
from pipeline.cli.losses import find_loss, print_loss
from pipeline.cli.options import (
    AdoptRoot,
    BaseUrls,
    CampaignOptions,
    EnvFile,
    Exclude,
    Limit,
    ManifestPath,
    Overrides,
    Profile,
    ProviderName,
    Rehearse,
    Root,
    Select,
    SpendLimit,
)
from pipeline.cli.prices import price_lines
from pipeline.cli.project import project_of
from pipeline.cli.reporting import left_behind
from pipeline.domain import EMPTY, Budget
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit, Status
from pipeline.errors import InvalidInput
from pipeline.findings import has_errors
from pipeline.ledger.loss_detection import Loss
from pipeline.ledger.repository import Ledger
from pipeline.run.output_check import DamagedClip, RealFiles
from pipeline.run.plan_sync import ChangedOutput, PlanLine, PlanSummary, sync_plan


@app.command(epilog="Example: callsheet check manifests/spring-sneakers/campaign.yaml")
def check(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    root: Root = None,
) -> None:
    """Tell every finding of a manifest; exit 3 if any is an error. Needs no network."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
    )
    campaign = open_campaign(asked)
    findings = foreseen(campaign).findings
    if findings or form is not Format.TEXT:
        print_text(written(findings, campaign.sources, form))
    if form is Format.TEXT:
        print_text(f"{manifest}: {counted(findings)}")
    if has_errors(findings):
        raise Leave(Exit.INVALID)


@app.command(epilog="Example: callsheet plan manifests/spring-sneakers/campaign.yaml")
def plan(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    provider: ProviderName = "",
    root: Root = None,
    rehearse: Rehearse = False,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="All providers side by side; nothing is sent.")
    ] = False,
    quote: Annotated[
        bool, typer.Option("--quote", help="Ask for prices by dry run where a provider has it.")
    ] = False,
    env_file: EnvFile = None,
    base_url: BaseUrls = None,
    adopt_root: AdoptRoot = False,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if there is work.")
    ] = False,
) -> None:
    """Tell what would be made, reused and restored, and what it would cost."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        provider=provider,
        root=root,
        adopt_root=adopt_root,
        rehearse=rehearse,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
        env_file=env_file,
        base_urls=tuple(base_url or ()),
    )
    campaign, console = open_campaign(asked), TerminalConsole()
    if compare:
        show_comparison(console, compared(campaign))
        return
    loss = find_loss(asked, campaign.name)
    admission = foreseen(campaign, loss, files=loss is None or loss.uncounted)
    told(admission, campaign, console)
    if loss is not None:
        print_loss(loss, asked, admission.to_make)
        if admission.to_make.items or not loss.uncounted:
            raise Leave(Exit.STOPPED)
    if quote:
        from pipeline.cli.quoting import show_quotes  # noqa: PLC0415 - slow to load, seldom needed

        show_quotes(campaign, console)
    if detailed and (admission.to_make.items or admission.restore):
        raise Leave(Exit.WORK)


def foreseen(campaign: Campaign, settled: Loss | None = None, *, files: bool = True) -> PlanSummary:
    """Return what admitting the campaign would come to, without writing anything.

    That is once a loss is `settled`; `files` says whether output paths are looked at.
    """
    with tried(campaign, settled, files=files) as (admission, _):
        return admission


def foresee_settled(campaign: Campaign, loss: Loss, *, files: bool = False) -> PlanSummary:
    """Return what the plan comes to once a loss is settled; InvalidInput if it has errors.

    With `files`, a file of somebody else's at an output path is one.
    """
    admission = foreseen(campaign, settled=loss, files=files)
    if not admission.ok:
        raise InvalidInput(admission.findings, campaign.sources)
    return admission


@contextmanager
def tried(
    campaign: Campaign, settled: Loss | None = None, *, files: bool = True
) -> Iterator[tuple[PlanSummary, Ledger]]:
    """Yield what admitting the campaign would come to, and a private ledger that admitted it."""
    home = campaign.asked.home
    with Ledger.memory(home, kind=campaign.asked.kind) as ledger:
        if settled is not None:
            ledger.settle_loss(settled, now=datetime.now(UTC))
        yield admitted(campaign, ledger, files=files, dry=True), ledger


def admitted(
    campaign: Campaign,
    ledger: Ledger,
    stopped: Mapping[str, str] = EMPTY,
    retried: Sequence[str] = (),
    *,
    files: bool = True,
    dry: bool = False,
) -> PlanSummary:
    """Write the campaign's plan into a ledger, and return what it comes to.

    `files` says whether output paths are looked at; a `dry` plan makes no fitted frames.

    Providers that are `stopped` (name to reason) are passed over where another can do it: that is
    a run that goes on, with what it selected when it began. Failures of the `retried` causes count
    among what is to be made.
    """
    home, again = campaign.asked.home, bool(stopped)
    admission = sync_plan(
        campaign.entries(None if dry else home / ".callsheet" / "assets", stopped),
        ledger,
        campaign=campaign.name,
        budget=campaign.manifest.budget,
        policy=campaign.manifest.policy,
        files=RealFiles(home) if files else None,
        choice=campaign.choice(again=again),
        again=again,
    )
    return replace(admission, retried=tuple(retried))


def told(
    admission: PlanSummary, campaign: Campaign, console: Console, spending: SpendLimit | None = None
) -> None:
    """Print a plan, and which limit may not do for it; InvalidInput if it has errors."""
    if not admission.ok:
        raise InvalidInput(admission.findings, campaign.sources)
    if admission.findings:
        tell = print_error if console.stderr else print_text
        tell(written(admission.findings, campaign.sources))
    for line in damage_lines(admission.damaged_clips, campaign.asked.home):
        console.print(line, soft_wrap=True)
    console.print(drawn(admission))
    console.print(sentence(admission))
    for line in plan_notes(admission, campaign, spending or SpendLimit()):
        console.print(line, soft_wrap=True)


def plan_notes(admission: PlanSummary, campaign: Campaign, spending: SpendLimit) -> Iterator[str]:
    """Yield what a person should know of a plan beside its table and its sum."""
    earlier = sum(line.items for line in admission.lines if line.earlier_rule)
    if earlier:
        yield made_earlier(earlier)
    yield from shortfalls(admission, campaign.manifest.budget, spending)
    yield from price_lines(admission.prices)
    # With a provider of the command line the warnings have told it already.
    if not campaign.asked.provider:
        yield from campaign.detours.lines({line.shot for line in admission.lines})
    yield from left_behind(admission.left_behind)
    yield from changed_lines(admission.changed_outputs)
    if admission.orphaned:
        yield orphans(admission.orphaned)


def orphans(addresses: Sequence[str]) -> str:
    """Return what earlier plans had and this one has not, in one line however much it is."""
    named = ", ".join(addresses[:_ORPHANS_SHOWN])
    more = len(addresses) - _ORPHANS_SHOWN
    verb = "is" if len(addresses) == 1 else "are"
    return (
        f"orphaned: {counted_items(len(addresses))} of earlier plans {verb} in this one no more;"
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
        yield f"damaged: {len(damaged) - _SHOWN} more clips of the store: callsheet ledger check"


def changed_lines(changed: Sequence[ChangedOutput]) -> Iterator[str]:
    """Yield which delivered files somebody changed, however many there are."""
    for each in changed[:_SHOWN]:
        yield f"left alone: {each.path} was changed since it was put there: {each.change}"
    if len(changed) > _SHOWN:
        yield f"left alone: {len(changed) - _SHOWN} more files that were changed"
    if changed:
        yield "the clips as they were made are in the store; to have one back, move its file away"


def drawn(admission: PlanSummary) -> Table:
    """Return the plan as a table: a line per shot, provider and status."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("shot", "provider", "status", "items", "low", "expected", "high"):
        table.add_column(title, justify="right" if title not in _WORDS else "left")
    for line in admission.lines:
        status, made = _standing(line, admission), admission.makes(line)
        table.add_row(line.shot, line.provider, status, str(line.items), *_prices(line, made=made))
    return table


def sentence(admission: PlanSummary) -> str:
    """Return the plan in one sentence."""
    total = admission.to_make
    ready = admission.count(Status.REUSED, Status.OFF_SPEC)
    others = f"{admission.selected} of " if admission.others else ""
    parts = [f"{others}{counted_items(admission.items)}", f"{total.items} to make"]
    parts += [f"{ready} ready"] if ready else []
    parts += [f"{admission.restore} to restore from the store"] if admission.restore else []
    shared = admission.count(Status.SHARED)
    parts += [f"{shared} sharing another's clip"] if shared else []
    return f"{', '.join(parts)}; {priced(total)}" if total.items else f"{', '.join(parts)}"


def made_earlier(items: int) -> str:
    """Return what is said of items whose clips were bought before the recipe of keys changed."""
    which = (
        "its clip satisfies it as it is" if items == 1 else "their clips satisfy them as they are"
    )
    return f"made by an earlier rule: {counted_items(items)}; {which}"


def shortfalls(admission: PlanSummary, budget: Budget, spending: SpendLimit) -> Iterator[str]:
    """Yield, for each limit that may not do for what is to be made, how much is left of it."""
    needed_usd = admission.to_make.high_usd
    scopes = (
        ("budget.limit", spending.budget(budget).limit_usd, admission.committed_usd),
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
_SHOWN = 20
_WORDS = frozenset({"shot", "provider", "status"})


def _standing(line: PlanLine, admission: PlanSummary) -> str:
    again = ", again" if line.status is Status.FAILED and admission.makes(line) else ""
    return standing(line.status, line.cause, earlier_rule=line.earlier_rule) + again


def standing(status: str, cause: str, *, earlier_rule: bool) -> str:
    """Return where items stand as plans and lists print it, with why in brackets."""
    why = ", ".join(filter(None, (cause, "earlier rule" if earlier_rule else "")))
    return f"{status} ({why})" if why else str(status)


def _prices(line: PlanLine, *, made: bool) -> tuple[str, str, str]:
    if not made:
        return ("", "", "")
    if line.unpriced == line.items:
        return ("unknown", "unknown", "unknown")
    mark = f" + {line.unpriced}?" if line.unpriced else ""
    figures = (line.low_usd, line.expected_usd, line.high_usd)
    low, expected, high = (f"{exact_usd(figure)}{mark}" for figure in figures)
    return (low, expected, high)
