"""Whether this machine is ready for a run: each thing that a run needs, looked at by itself.

Nothing is bought, and no campaign is changed. No check keeps another one from being made: what a
person has to put right is told in one pass.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pipeline.api.campaign_plan import dry_run_summary
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.credentials import environment_of, keyless_accounts, keys_of
from pipeline.api.decision_file import decisions_path, load_decisions
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.lock_file import load_lock, lock_path
from pipeline.api.money_text import item_count
from pipeline.api.roots import require_folder
from pipeline.clock import Clock, RealClock
from pipeline.domain import EMPTY, ProviderSettings
from pipeline.domain.accounts import DEFAULT
from pipeline.domain.money import exact_usd
from pipeline.domain.states import FaultKind
from pipeline.errors import CallsheetError, InvalidInput, LedgerDamaged
from pipeline.findings import Severity
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_identity import refusal_of_work
from pipeline.providers import OFFERS
from pipeline.report.figures import count_text
from pipeline.run.plan_sync import PlanSummary
from pipeline.storage.blobs import Store

if TYPE_CHECKING:  # what sends is loaded where something is sent
    from pipeline.api.provider_probes import ProbeReply
    from pipeline.net.lane import Lane

_EXTRAS = {"heic": "pillow_heif", "store": "obstore"}
"""Optional parts of the package, and a module that is there with each."""
_FEW_BYTES = 1_000_000_000
_MOST_OFF_S = 120
"""Signed links and the ages of tasks bear a clock that is off by less."""


class HealthStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """A run can begin, and a person should know of it."""
    FAIL = "fail"
    """A run would be refused, or would stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One thing that a run needs, as it was found."""

    name: str
    status: HealthStatus
    found: str
    remedy: str = ""
    """What to do about it, where there is something to do."""


_OK, _WARN, _FAIL = HealthStatus
_REFUSALS: Mapping[FaultKind, tuple[HealthStatus, str]] = {
    FaultKind.UNAUTHORISED: (_FAIL, "the key is not valid there: set {variable} again"),
    FaultKind.UNPAID: (_FAIL, "add credit to the account"),
    FaultKind.UNAVAILABLE: (_FAIL, "see to that, or have another make it: --provider NAME"),
}
"""What it means for a run that a provider gave no balance; anything else may be over by then."""


def check_health(
    request: CampaignRequest,
    *,
    offline: bool = False,
    notify: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
) -> Iterator[HealthCheck]:
    """Yield how each thing stands that a run of the manifest needs; without one, any run.

    A request whose manifest is an empty path has none. `offline` asks no provider; a rehearsal
    needs none. `notify` is told of addresses from outside the manifest before anything is sent.
    """
    subject = _Subject(request=request, offline=offline, notify=notify, clock=clock or RealClock())
    for name, check in _CHECKS.items():
        try:
            yield from check(subject)
        except InvalidInput as invalid:
            finding = invalid.findings[0]
            place = f"{finding.span.file}:{finding.span.line}: " if finding.span.line else ""
            yield _fail(name, f"{place}{finding.message}", finding.hint)
        except (CallsheetError, OSError) as fault:
            yield _fail(name, str(fault))


@dataclass(slots=True, kw_only=True)
class _Subject:
    """What is looked at; the first checks leave to the later ones what they have read."""

    request: CampaignRequest
    offline: bool
    notify: Callable[[str], None]
    clock: Clock
    campaign: LoadedCampaign | None = None
    summary: PlanSummary | None = None
    lanes: list[Lane] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The campaign's name, as far as it is known."""
        return self.campaign.name if self.campaign else self.request.manifest.stem

    @property
    def written(self) -> Mapping[str, ProviderSettings]:
        """What the manifest says of providers."""
        return self.campaign.manifest.providers if self.campaign else EMPTY

    @property
    def costs_usd(self) -> Mapping[str, Decimal]:
        """The most that each provider of the plan would charge; 0 where nothing is made there."""
        costs: dict[str, Decimal] = defaultdict(Decimal)
        if self.summary is not None:
            for line in self.summary.lines:
                costs[line.provider] += line.high_usd if self.summary.makes(line) else Decimal(0)
            costs.update(dict.fromkeys(self.summary.fallbacks - costs.keys(), Decimal(0)))
        return costs


def _fail(name: str, found: str, remedy: str = "") -> HealthCheck:
    return HealthCheck(name=name, status=_FAIL, found=found, remedy=remedy)


def _warn(name: str, found: str, remedy: str = "") -> HealthCheck:
    return HealthCheck(name=name, status=_WARN, found=found, remedy=remedy)


def _pass(name: str, found: str) -> HealthCheck:
    return HealthCheck(name=name, status=_OK, found=found)


def _check_software(_: _Subject) -> Iterator[HealthCheck]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield _pass("software", f"callsheet {version('callsheet')}, Python {python}")
    for extra, module in _EXTRAS.items():
        there = find_spec(module) is not None
        found = "installed" if there else f"not installed: pip install 'callsheet[{extra}]'"
        yield _pass(f"extra {extra}", found)


def _check_manifest(subject: _Subject) -> Iterator[HealthCheck]:
    """Read the manifest and plan it; what is wrong with it is counted, and `check` tells it."""
    request = subject.request
    if not request.manifest.name:
        return
    try:
        subject.campaign = load_campaign(request)
        findings = subject.campaign.findings
    except InvalidInput as invalid:
        findings = tuple(invalid.findings)
    else:
        # What keeps a plan from being made is a fault of ledger, lock or decisions: told there.
        with suppress(CallsheetError):
            subject.summary = dry_run_summary(subject.campaign)
            findings = subject.summary.findings
    errors = sum(each.severity is Severity.ERROR for each in findings)
    if not findings:
        yield _pass("manifest", f"{request.manifest}: no findings")
        return
    warnings = count_text(len(findings) - errors, "warning")
    found = f"{request.manifest}: {count_text(errors, 'error')}, {warnings}"
    tell = _fail if errors else _warn
    yield tell("manifest", found, f"{request.command('check')} tells them")


def _check_disk(subject: _Subject) -> Iterator[HealthCheck]:
    """Compare what is free with what the plan would make, by the size of the clips that are here.

    Where there is no clip yet, what one takes is not known.
    """
    home = subject.request.home
    place = next(each for each in (home.absolute(), *home.absolute().parents) if each.is_dir())
    if not os.access(place, os.W_OK | os.X_OK):
        yield _fail("disk", f"{place} cannot be written to", "make it writable, or name a --root")
        return
    free = shutil.disk_usage(place).free
    found, needed = f"{free / 1e9:.1f} GB free in {home}", 0.0
    items = subject.summary.to_make.items if subject.summary else 0
    sizes = [path.stat().st_size for path in Store(home).clips()] if items else []
    if sizes:
        # A clip is kept in the store, and copied to its output path.
        needed = 2 * items * sum(sizes) / len(sizes)
        found += (
            f"; {item_count(items)} to make take about {needed / 1e9:.1f} GB, by the clips here"
        )
    elif items:
        found += f"; what {item_count(items)} to make take is not known before the first clip"
    advice = "make room, or name a --root on another disk"
    if needed > free:
        yield _fail("disk", found, advice)
    elif free < _FEW_BYTES:
        yield _warn("disk", found, advice)
    else:
        yield _pass("disk", found)


def _check_ledger(subject: _Subject) -> Iterator[HealthCheck]:
    """Check the ledger as `ledger check` does, every clip with it."""
    home = subject.request.home
    root = shlex.join(["--root", str(home)])
    try:
        ledger = Ledger.reader(subject.request.where, kind=subject.request.kind)
        if ledger is None:
            yield _pass("ledger", f"there is none yet: nothing was run in {home}")
            return
        with ledger:
            wrong = list(damage(ledger, Store(home)))
    except LedgerDamaged as unreadable:
        remedy = f"callsheet ledger restore FILE {root} puts a backup in its place"
        yield _fail("ledger", str(unreadable), remedy)
        return
    if wrong:
        remedy = (
            f"callsheet ledger check --root {shlex.quote(str(home))} tells all, and the ways on"
        )
        yield _fail("ledger", f"{len(wrong)} found; the first: {wrong[0]}", remedy)
    else:
        yield _pass("ledger", "it holds together, and every clip is as it was received")


def _check_root(subject: _Subject) -> Iterator[HealthCheck]:
    """Look for what would keep a run out of the root: a file, that it is a copy, or one at work."""
    require_folder(subject.request)
    where, refusal = subject.request.where, ""
    home, occupant = where.root, where.database.find_owner()
    # Of a damaged one it was told.
    with suppress(LedgerDamaged):
        refusal = refusal_of_work(where, adopt=False)
    if refusal:
        yield _fail("root", refusal)
    elif occupant:
        yield _warn("root", f"{home} is in use by {occupant}", "wait for it, or stop it")
    else:
        yield _pass("root", f"{home} is free to work in")


def _check_lock(subject: _Subject) -> Iterator[HealthCheck]:
    """Read the lock file, and count which of its clips are in the store."""
    request = subject.request
    if not request.manifest.name:
        return
    path = lock_path(request, subject.name)
    if not path.exists():
        yield _pass("lock file", "there is none yet: a run writes it")
        return
    lock, store = load_lock(request, subject.name), Store(request.home)
    yield _pass("lock file", f"{path}: {count_text(len(lock), 'clip')}")
    missing = [a for a, clip in lock.items() if not store.has(clip.sha256, clip.extension)]
    found = f"{len(lock) - len(missing)} of the {len(lock)} clips of the lock file are here"
    if missing:
        pull = f"from a shared store: {request.command('store pull')} URL"
        yield _warn("store", f"{found}; the first that is not: {missing[0]}", pull)
    else:
        yield _pass("store", found)


def _check_decisions(subject: _Subject) -> Iterator[HealthCheck]:
    request = subject.request
    if not request.manifest.name:
        return
    path = decisions_path(request, subject.name)
    index = load_decisions(request, subject.name)
    conflicts = list(index.conflicts())
    if conflicts:
        found = f"{path}: of {len(conflicts)} takes two people's words differ: {conflicts[0]}"
        yield _warn("decisions", found, "decide on them again: callsheet approve, or reject")
    else:
        yield _pass("decisions", f"{count_text(len(index.places), 'place')} with decisions")


def _check_keys(subject: _Subject) -> Iterator[HealthCheck]:
    """Look for the keys of the plan's providers; of all, where there is no plan.

    Who has a key is asked through its lane afterwards.
    """
    request = subject.request
    if request.rehearse:
        yield _pass("keys", "a rehearsal needs none")
        return
    variables, needed = environment_of(request, os.environ), subject.costs_usd
    stray = request.project.folder / ".env"
    unread = request.env_file is None and request.project.env_file is None and stray.is_file()
    for name in sorted(needed or OFFERS):
        offer, settings = OFFERS[name], subject.written.get(name)
        label = f"key {name}"
        try:
            keys = keys_of(offer, settings, variables, request)
        except InvalidInput as fault:
            (finding,) = fault.findings
            hint = finding.hint + (f"; {stray} is read with --env-file only" if unread else "")
            yield (_fail if name in needed else _warn)(label, finding.message, hint)
            continue
        without = keyless_accounts(offer, settings, variables, request)
        accounts = ", ".join(account or DEFAULT for account in keys)
        found = "there is one" if [*keys] == [""] else f"of the accounts {accounts}"
        if without:
            found += f"; none for {', '.join(without)}"
            yield _warn(label, found, f"set {', '.join(without.values())}")
        else:
            yield _pass(label, found)
        if not subject.offline:
            from pipeline.api.provider_access import account_lanes  # noqa: PLC0415 - slow to load

            try:
                subject.lanes += account_lanes(
                    offer,
                    request=request,
                    written=subject.written,
                    variables=variables,
                    notify=subject.notify,
                )
            except InvalidInput as fault:
                (finding,) = fault.findings
                yield _fail(f"provider {name}", finding.message, finding.hint)
            except CallsheetError as fault:
                yield _fail(label, str(fault))


def _check_providers(subject: _Subject) -> Iterator[HealthCheck]:
    """Ask each provider that there is a key for, and compare its clock with this machine's."""
    if not subject.lanes:
        return
    from pipeline.api.provider_probes import probe_lanes  # noqa: PLC0415 - slow to load

    replies = probe_lanes(subject.lanes, subject.clock)
    shared = [lane.provider for lane in subject.lanes]
    for reply in replies:
        provider = reply.lane.provider
        # What several accounts share nobody's balance must cover alone.
        alone = shared.count(provider) == 1
        cost_usd = subject.costs_usd.get(provider, Decimal(0)) if alone else Decimal(0)
        yield _provider_check(reply, cost_usd)
    times = [reply.ahead_s for reply in replies if reply.ahead_s is not None]
    if not times:
        yield _pass("clock", "not compared: no provider told the time")
        return
    ahead_s = max(times, key=abs)
    found = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} a provider's"
    if abs(ahead_s) > _MOST_OFF_S:
        yield _warn("clock", found, "set the clock: days, prices and links go by it")
    else:
        yield _pass("clock", found)


def _provider_check(reply: ProbeReply, cost_usd: Decimal) -> HealthCheck:
    from pipeline.providers.base import Charge, Fault  # noqa: PLC0415 - after the probe

    name, answer = f"provider {reply.lane.name}", reply.answer
    match answer:
        case Fault(kind=kind, message=message):
            status, remedy = _REFUSALS.get(kind, (_WARN, "try again later"))
            remedy = remedy.format(variable=OFFERS[reply.lane.provider].key_env)
            return HealthCheck(name=name, status=status, found=message, remedy=remedy)
        case Charge(usd=Decimal() as left):
            found = f"it answers; {exact_usd(left)} USD left"
            if left <= 0:
                return _fail(name, found, "add credit to the account")
            if left < cost_usd:
                found += f", and the plan may cost {exact_usd(cost_usd)} USD there"
                return _warn(name, found, "add credit, or set budget: {limit: …}")
            return _pass(name, found)
        case Charge(native=Decimal() as left, unit=unit):
            return _pass(name, f"it answers; {left:f} {unit}s left")
    return _pass(name, "it answers; it tells no balance")


_CHECKS: Mapping[str, Callable[[_Subject], Iterator[HealthCheck]]] = {
    "software": _check_software,
    "manifest": _check_manifest,
    "disk": _check_disk,
    "ledger": _check_ledger,
    "root": _check_root,
    "lock file": _check_lock,
    "decisions": _check_decisions,
    "keys": _check_keys,
    "providers": _check_providers,
}
"""In this order; what one of them raises is its own result."""
