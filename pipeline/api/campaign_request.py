"""Which campaign is meant, in which root, and what of it: the input of the application.

The command line fills it from options of the same names, a Python program through `Project`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pipeline.api.project_file import ProjectFile
from pipeline.clock import Clock, RealClock
from pipeline.domain import Budget
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.ledger.location import LedgerLocation, url_fault
from pipeline.ledger.root_identity import REHEARSAL_FOLDER, RootKind
from pipeline.storage.object_store import is_folder

COMMAND_LINE = Span(file="command line", line=0, column=0, end_column=0)
"""Where a fault is that is in no file."""
LEDGER_VARIABLE = "CALLSHEET_LEDGER"
"""The variable of the environment that says where the ledger is, where `--ledger` does not."""
NO_LIMIT = "--yes needs a limit: `budget: {limit: …}` or --max-cost"
_SENDS = frozenset({"run", "reconcile"})
"""Commands that go to providers: to the same addresses, with the same keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRequest:
    """A manifest, how it is to be read, and where its clips and its ledger are."""

    manifest: Path
    project: ProjectFile
    """What holds where nothing is said here."""
    profile: str | None = None
    """As it was given; see `profile_name`."""
    overrides: tuple[str, ...] = ()
    provider: str = ""
    root: Path | None = None
    """As it was given; see `home`."""
    ledger: str | None = None
    """The ledger's URL as it was given, empty for the root's own; see `where`."""
    adopt_root: bool = False
    rehearse: bool = False
    env_file: Path | None = None
    """As it was given; the project's is another thing, since keys come from it alone."""
    base_urls: tuple[str, ...] = ()
    address: str = ""
    """Which item, or a pattern of several; what is selected must also fit it."""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    first: int | None = None
    """How many of the selected items at most, in plan order."""
    locked: bool = False
    """Whether the lock file says which takes there are, and nothing else is wanted."""
    engine: str | None = None
    """Where the cluster is that works for a run, as it was given; empty for this machine."""
    store: str | None = None
    """The store that the engine's machines share, as it was given; empty for none."""

    def __post_init__(self) -> None:
        require_ledger_url(self.ledger or "", COMMAND_LINE)

    @property
    def selects(self) -> bool:
        """Tell whether anything but the whole campaign was asked for."""
        return bool(self.address or self.select or self.exclude or self.first is not None)

    @property
    def home(self) -> Path:
        """The root that is used: a rehearsal has its own and shares nothing with the real one."""
        root = self.project.root if self.root is None else self.root
        return root / REHEARSAL_FOLDER if self.rehearse else root

    @property
    def where(self) -> LedgerLocation:
        """The root that is used, and where its ledger is."""
        return LedgerLocation(
            self.home, ledger_url(self.ledger, self.project, rehearse=self.rehearse)
        )

    @property
    def kind(self) -> RootKind:
        """What the root that is used must hold."""
        return RootKind.REHEARSAL if self.rehearse else RootKind.REAL

    @property
    def profile_name(self) -> str:
        """The profile that is laid over the manifest; empty for none."""
        return self.project.profile if self.profile is None else self.profile

    @property
    def selection_words(self) -> list[str]:
        """The selection as words of a command line."""
        pairs = [("--select", text) for text in self.select]
        pairs += [("--exclude", text) for text in self.exclude]
        pairs += [("--first", str(self.first))] if self.first is not None else []
        return [word for pair in pairs for word in pair]

    def command(self, verb: str = "run") -> str:
        """Return the command that does something more with the campaign, as it would be typed.

        It is about the same plan: what was set for that is set again.
        """
        words = ["callsheet", *verb.split(), str(self.manifest)]
        # An empty one turns the project's profile off, where it has one.
        told = self.profile is not None and bool(self.profile or self.project.profile)
        words += ["--profile", self.profile_name] if told else []
        words += [word for text in self.overrides for word in ("--set", text)]
        words += ["--root", str(self.root)] if self.root is not None else []
        # As with the profile, an empty one turns off what is said elsewhere.
        elsewhere = self.project.ledger or os.environ.get(LEDGER_VARIABLE)
        named = self.ledger is not None and bool(self.ledger or elsewhere)
        words += ["--ledger", self.ledger or ""] if named else []
        words += ["--rehearse"] if self.rehearse else []
        if verb in _SENDS:
            words += ["--env-file", str(self.env_file)] if self.env_file else []
            words += [word for text in self.base_urls for word in ("--base-url", text)]
        if verb == "run":
            words += ["--engine", self.engine] if self.engine is not None else []
            words += ["--store", self.store] if self.store is not None else []
        return shlex.join(words)

    def without_selection(self) -> CampaignRequest:
        """Return the request for the whole campaign."""
        return replace(self, address="", select=(), exclude=(), first=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLimit:
    """What a run may spend without asking."""

    yes: bool = False
    max_cost_usd: Decimal | None = None
    buy_again_usd: Decimal | None = None
    """The sum a person agreed to where the ledger has lost what was bought."""
    agreed_usd: Decimal | None = None
    """What a person was shown and said yes to; it raises no limit."""

    def budget(self, budget: Budget) -> Budget:
        """Return a manifest's budget as it holds in this run.

        The cap of a run raises the campaign's limit for this run where it is above it.
        """
        limit_usd, cap_usd = budget.limit_usd, self.max_cost_usd
        if limit_usd is not None and cap_usd is not None:
            limit_usd = max(limit_usd, cap_usd)
        caps = [cap for cap in (budget.per_run_usd, cap_usd, self.agreed_usd) if cap is not None]
        return replace(budget, limit_usd=limit_usd, per_run_usd=min(caps, default=None))

    def is_limited(self, budget: Budget) -> bool:
        """Tell whether anything limits what may be spent without a person's word."""
        return budget.limit_usd is not None or self.max_cost_usd is not None

    def is_agreed(self, budget: Budget) -> bool:
        """Tell whether a sum was agreed to, or a limit stands for it."""
        return self.buy_again_usd is not None or self.is_limited(budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a campaign is run; tests bring their own checkpoint and clock."""

    spending: SpendLimit = field(default_factory=SpendLimit)
    retry: tuple[str, ...] = ()
    """Causes of failures that are bought again."""
    scenario: Path | None = None
    """How a rehearsal's sandbox is to misbehave."""
    chaos: float = 0.0
    variables: Mapping[str, str] | None = None
    """The environment with what the --env-file adds, once it was read: it may be a pipe."""
    replaces: bool = True
    """Whether a take that is off spec is replaced in its round: a saved plan is run exactly."""
    checkpoint: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=RealClock)


def engine_asked(request: CampaignRequest) -> str:
    """Return the address of the engine that a run is asked to work with; empty for this machine.

    What is given on the command line wins over `callsheet.toml`; a rehearsal follows what is given
    to it alone.
    """
    if request.engine is not None:
        return request.engine
    return "" if request.rehearse else request.project.engine


def store_asked(request: CampaignRequest) -> str:
    """Return the address of the store that a run shares with other machines; empty for none.

    That of a folder is absolute. As with the engine, the command line wins, and a rehearsal follows
    no `callsheet.toml`. InvalidInput where it is given and there is no engine.
    """
    address = request.store
    if address is None:
        address = "" if request.rehearse else request.project.store
    elif address and not engine_asked(request):
        raise usage(
            "--store is where the machines of a cluster put clips, and no engine was named",
            "say --engine ray://HOST:PORT; `callsheet store push` copies clips to a store",
        )
    return str(Path(address).absolute()) if address and is_folder(address) else address


def ledger_url(given: str | None, project: ProjectFile, *, rehearse: bool) -> str:
    """Return the URL of the ledger that is meant; empty where the root itself knows.

    What is `given` on the command line wins over the environment, and that over the project. A
    rehearsal shares nothing with real work: it takes what is given to it and nothing else.
    InvalidInput where the URL is none, or has a password in it.
    """
    if given is not None:
        return require_ledger_url(given, COMMAND_LINE)
    if rehearse:
        return ""
    told = os.environ.get(LEDGER_VARIABLE)
    if told is None:
        return project.ledger
    return require_ledger_url(told, Span(file=LEDGER_VARIABLE, line=0, column=0, end_column=0))


def require_ledger_url(url: str, place: Span) -> str:
    """Return a URL that may be a ledger's, or none at all; InvalidInput with its place if not."""
    fault = url_fault(url) if url else None
    if fault is None:
        return url
    finding = Finding(slug=fault.slug, message=fault.message, span=place, hint=fault.hint)
    raise InvalidInput([finding])


def parse_causes(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return causes of failures to buy again; a misspelt one would buy nothing and not say so."""
    known = [kind.value for kind in FaultKind]
    for cause in given:
        if cause not in known:
            raise usage(f"--retry: nothing fails for {cause!r}", did_you_mean(cause, known))
    return given


def usage(message: str, hint: str = "") -> InvalidInput:
    """Return the fault of a request that cannot be followed (exit 3)."""
    return command_line_fault("usage", message, hint)


def command_line_fault(slug: str, message: str, hint: str = "") -> InvalidInput:
    """Return a fault whose place is the command line or the environment (exit 3)."""
    return InvalidInput([Finding(slug=slug, message=message, span=COMMAND_LINE, hint=hint)])
