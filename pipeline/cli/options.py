"""The options that several commands share: their help, written once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.project import Project
from pipeline.clock import Clock, RealClock
from pipeline.domain import Budget
from pipeline.domain.states import FaultKind
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.ledger.root_identity import REHEARSAL_FOLDER, RootKind

ManifestPath = Annotated[Path, typer.Argument(metavar="M", help="The manifest, a YAML file.")]
Profile = Annotated[
    str | None, typer.Option("--profile", help="Lay this profile over the manifest.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set one value, last of all."),
]
ProviderName = Annotated[str, typer.Option("--provider", help="Who makes what is missing.")]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="WHAT",
        help="Only these items: 'tag:hero,status:new', 'spin[*,9x16-*]', @name.",
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="WHAT", help="But not these items.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N of them.")
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Where clips, store and ledger live; else as callsheet.toml says, or `outputs` in"
        " the project folder.",
    ),
]
AdoptRoot = Annotated[
    bool,
    typer.Option(
        "--adopt-root", help="Take over a root that was moved or restored to where it is."
    ),
]
Rehearse = Annotated[bool, typer.Option("--rehearse", help="Use the sandbox: no key, no cost.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Read keys from this file too.")]
BaseUrls = Annotated[
    list[str] | None, typer.Option("--base-url", metavar="PROVIDER=URL", help="Another address.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say only what went wrong, and what is asked.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needs a limit.")]
MaxCost = Annotated[
    str | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Spend no more in this run; more than the limit raises it for this run.",
    ),
]
BuyAgain = Annotated[
    str | None,
    typer.Option(
        "--buy-again",
        metavar="USD",
        help="Go on without what the ledger has lost, and buy again for this sum, as it was shown.",
    ),
]
Scenario = Annotated[
    Path | None, typer.Option("--scenario", help="How the sandbox is to misbehave (YAML).")
]
Chaos = Annotated[
    float, typer.Option("--chaos", min=0.0, max=1.0, help="Share of requests the sandbox spoils.")
]
Retry = Annotated[
    list[str] | None,
    typer.Option("--retry", metavar="CAUSE", help="Buy again what failed for this cause."),
]

COMMAND_LINE = Span(file="command line", line=0, column=0, end_column=0)
"""Where a fault is that is in no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOptions:
    """What was asked for on the command line, for every command that reads a manifest."""

    manifest: Path
    project: Project
    """What holds where nothing was typed."""
    profile: str | None = None
    """As it was typed; see `profile_name`."""
    overrides: tuple[str, ...] = ()
    provider: str = ""
    root: Path | None = None
    """As it was typed; see `home`."""
    adopt_root: bool = False
    rehearse: bool = False
    env_file: Path | None = None
    """As it was typed; the project's is another thing, since keys come from it alone."""
    base_urls: tuple[str, ...] = ()
    address: str = ""
    """Which item, or a pattern of several; what is selected must also fit it."""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def selects(self) -> bool:
        """Tell whether anything but the whole campaign was asked for."""
        return bool(self.address or self.select or self.exclude or self.limit is not None)

    @property
    def home(self) -> Path:
        """The root that is used: a rehearsal has its own and shares nothing with the real one."""
        root = self.project.root if self.root is None else self.root
        return root / REHEARSAL_FOLDER if self.rehearse else root

    @property
    def kind(self) -> RootKind:
        """What the root that is used must hold."""
        return RootKind.REHEARSAL if self.rehearse else RootKind.REAL

    @property
    def profile_name(self) -> str:
        """The profile that is laid over the manifest; empty for none."""
        return self.project.profile if self.profile is None else self.profile


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


# `Decimal` reads more than amounts: 1_000, 1e3, the digits of every script.
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(?:USD)?", re.ASCII | re.IGNORECASE)
# Half of the world writes a thousand like that: nobody is asked again once --yes is said.
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """A run as it was asked for; tests bring their own checkpoint and clock."""

    asked: CampaignOptions
    spending: SpendLimit = field(default_factory=SpendLimit)
    retry: tuple[str, ...] = ()
    scenario: Path | None = None
    chaos: float = 0.0
    quiet: bool = False
    variables: Mapping[str, str] | None = None
    """The environment with what the --env-file adds, once it was read: it may be a pipe."""
    checkpoint: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=RealClock)


def dollars(text: str, option: str = "--max-cost") -> Decimal:
    """Read an amount such as `12.50` or `12.50 USD`, digits as in a manifest's budget."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise _no_amount(text, option)
    if _AMBIGUOUS.fullmatch(found[1]):
        small, large = Decimal(found[1]).normalize(), found[1].replace(".", "")
        raise usage(f"{option} {text}: is that {small:f} USD, or {large}? Write it so")
    return Decimal(found[1])


def causes(given: list[str] | None) -> tuple[str, ...]:
    """Return the causes of `--retry`; a misspelt one would buy nothing and not say so."""
    known = [kind.value for kind in FaultKind]
    for cause in given or ():
        if cause not in known:
            raise usage(f"--retry: nothing fails for {cause!r}", did_you_mean(cause, known))
    return tuple(given or ())


def _no_amount(text: str, option: str) -> InvalidInput:
    return usage(f"{option} takes dollars, such as 12.50, not {text!r}")


def usage(message: str, hint: str = "") -> InvalidInput:
    """Return the fault of a command line that cannot be followed (exit 3)."""
    return mistyped("usage", message, hint)


def mistyped(slug: str, message: str, hint: str = "") -> InvalidInput:
    """Return a fault whose place is the command line or the environment (exit 3)."""
    return InvalidInput([Finding(slug=slug, message=message, span=COMMAND_LINE, hint=hint)])


def command_line(asked: CampaignOptions, verb: str = "run") -> str:
    """Return the command that does something more with the campaign, as it would be typed.

    It is about the same plan: what was set for that is set again.
    """
    words = ["callsheet", *verb.split(), str(asked.manifest)]
    words += ["--profile", asked.profile] if asked.profile is not None else []
    words += [word for text in asked.overrides for word in ("--set", text)]
    words += ["--root", str(asked.root)] if asked.root is not None else []
    words += ["--rehearse"] if asked.rehearse else []
    if verb in _SENDS:
        words += ["--env-file", str(asked.env_file)] if asked.env_file else []
        words += [word for text in asked.base_urls for word in ("--base-url", text)]
    return shlex.join(words)


_SENDS = frozenset({"run", "reconcile"})
"""Commands that go to providers: to the same addresses, with the same keys."""
