"""The options that several commands share: their help, written once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from pipeline.diagnostics import Diagnostic, Span
from pipeline.errors import InvalidInput

ManifestPath = Annotated[Path, typer.Argument(metavar="M", help="The manifest, a YAML file.")]
Profile = Annotated[str, typer.Option("--profile", help="Lay this profile over the manifest.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set one value, last of all."),
]
ProviderName = Annotated[str, typer.Option("--provider", help="Who makes what is missing.")]
Root = Annotated[Path, typer.Option("--root", help="Where clips, store and ledger live.")]
Rehearse = Annotated[bool, typer.Option("--rehearse", help="Use the sandbox: no key, no cost.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Read keys from this file too.")]
BaseUrls = Annotated[
    list[str] | None, typer.Option("--base-url", metavar="PROVIDER=URL", help="Another address.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needs a limit.")]
MaxCost = Annotated[
    str, typer.Option("--max-cost", metavar="USD", help="Spend no more in this run.")
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

DEFAULT_ROOT = Path("outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line, for every command that reads a manifest."""

    manifest: Path
    profile: str = ""
    overrides: tuple[str, ...] = ()
    provider: str = ""
    root: Path = DEFAULT_ROOT
    rehearse: bool = False
    env_file: Path | None = None
    base_urls: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The root that is used: a rehearsal has its own and shares nothing with the real one."""
        return self.root / "rehearsal" if self.rehearse else self.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a run may spend without asking."""

    yes: bool = False
    max_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run as it was asked for; tests bring their own checkpoint."""

    asked: Asked
    spending: Spending = field(default_factory=Spending)
    retry: tuple[str, ...] = ()
    scenario: Path | None = None
    chaos: float = 0.0
    quiet: bool = False
    checkpoint: Callable[[str], None] = lambda _: None


def dollars(text: str) -> Decimal:
    """Read an amount such as `12.50` or `12.50 USD`."""
    try:
        amount = Decimal(text.upper().removesuffix("USD").strip())
    except InvalidOperation:
        raise usage(f"{text!r} is no amount; write 12.50") from None
    if not amount.is_finite() or amount < 0:
        raise usage(f"{text!r} is no amount; write 12.50")
    return amount


def usage(message: str) -> InvalidInput:
    """Return the fault of a command line that cannot be followed (exit 3)."""
    return InvalidInput([Diagnostic(slug="usage", message=message, span=Span(file="command line"))])
