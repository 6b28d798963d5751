"""The options of the commands, each declared once.

A dataclass is a group of options; `with_options` gives a command those of each group that it takes.
A field has the name of what it becomes in `CampaignRequest`, so that a new option of all commands
touches this file, that one, and the code that acts on it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from pipeline.api.campaign_request import SpendLimit, parse_causes, usage

_Words = tuple[str, ...]
"""An option that may be given several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOptions:
    """Which campaign, in which root: options of every command that reads a manifest."""

    manifest: Annotated[Path, typer.Argument(metavar="M", help="The manifest, a YAML file.")]
    profile: Annotated[
        str | None, typer.Option("--profile", help="Lay this profile over the manifest.")
    ] = None
    overrides: Annotated[
        _Words, typer.Option("--set", metavar="PATH=VALUE", help="Set one value, last of all.")
    ] = ()
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            help="Where clips, store and ledger live; else as callsheet.toml says, or `outputs` in"
            " the project folder.",
        ),
    ] = None
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="URL",
            help="The ledger is on this server: postgresql://USER@HOST/DATABASE; else as"
            " CALLSHEET_LEDGER or callsheet.toml says, or in the root.",
        ),
    ] = None
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Use the sandbox: no key, no cost.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalCampaign(CampaignOptions):
    """The same, of a command that needs no manifest; without one its path is empty."""

    manifest: Annotated[
        Path,
        typer.Argument(metavar="M", help="The manifest, a YAML file.", show_default=False),
    ] = Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """Which items: options of every command that can do with a part of a campaign."""

    select: Annotated[
        _Words,
        typer.Option(
            "--select",
            metavar="WHAT",
            help="Only these items: 'tag:hero,status:new', 'spin[*,9x16-*]', @name.",
        ),
    ] = ()
    exclude: Annotated[
        _Words, typer.Option("--exclude", metavar="WHAT", help="But not these items.")
    ] = ()
    first: Annotated[
        int | None, typer.Option("--first", metavar="N", min=1, help="Only the first N of them.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOptions:
    """Who makes it."""

    provider: Annotated[str, typer.Option("--provider", help="Who makes what is missing.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """How a command reaches providers."""

    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="Read keys from this file too.")
    ] = None
    base_urls: Annotated[
        _Words, typer.Option("--base-url", metavar="PROVIDER=URL", help="Another address.")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """How a command that writes a ledger takes its root."""

    adopt_root: Annotated[
        bool,
        typer.Option(
            "--adopt-root", help="Take over a root that was moved or restored to where it is."
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendOptions:
    """What a run may spend without asking."""

    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needs a limit.")] = False
    max_cost: Annotated[
        str | None,
        typer.Option(
            "--max-cost",
            metavar="USD",
            help="Spend no more in this run; more than the limit raises it for this run.",
        ),
    ] = None
    buy_again: Annotated[
        str | None,
        typer.Option(
            "--buy-again",
            metavar="USD",
            help="Go on without what the ledger has lost, and buy again for this sum, as it was"
            " shown.",
        ),
    ] = None
    retry: Annotated[
        _Words,
        typer.Option("--retry", metavar="CAUSE", help="Buy again what failed for this cause."),
    ] = ()

    @property
    def spending(self) -> SpendLimit:
        """The limit that these options set; InvalidInput where a sum is none."""
        return SpendLimit(
            yes=self.yes,
            max_cost_usd=None if self.max_cost is None else dollars(self.max_cost),
            buy_again_usd=None
            if self.buy_again is None
            else dollars(self.buy_again, "--buy-again"),
        )

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes of failures that are bought again; InvalidInput where one is none."""
        return parse_causes(self.retry)


# `Decimal` reads more than amounts: 1_000, 1e3, the digits of every script.
_AMOUNT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(?:USD)?", re.ASCII | re.IGNORECASE)
# Half of the world writes a thousand like that: nobody is asked again once --yes is said.
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")


def dollars(text: str, option: str = "--max-cost") -> Decimal:
    """Read an amount such as `12.50` or `12.50 USD`, digits as in a manifest's budget."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise usage(f"{option} takes dollars, such as 12.50, not {text!r}")
    if _AMBIGUOUS.fullmatch(found[1]):
        small, large = Decimal(found[1]).normalize(), found[1].replace(".", "")
        raise usage(f"{option} {text}: is that {small:f} USD, or {large}? Write it so")
    return Decimal(found[1])


class ListForm(StrEnum):
    """How items are printed."""

    TEXT = "text"
    JSON = "json"
    """One object a line."""


class RunForm(StrEnum):
    """How a run tells what happens."""

    TEXT = "text"
    NDJSON = "ndjson"
    """One object a line, an event each; words go to standard error."""


Telling = Annotated[
    RunForm,
    typer.Option("--format", help="How to tell events; ndjson is an object a line, for programs."),
]
Listing = Annotated[
    ListForm, typer.Option("--format", help="How to print; json is an object a line.")
]
# Taken from the group, so that it is spelt and explained in one place.
Root = Annotated[
    Path | None, get_args(get_type_hints(CampaignOptions, include_extras=True)["root"])[1]
]
"""The option of the commands that have a root and no manifest."""
LedgerUrl = Annotated[
    str | None, get_args(get_type_hints(CampaignOptions, include_extras=True)["ledger"])[1]
]
Rehearse = Annotated[
    bool, get_args(get_type_hints(CampaignOptions, include_extras=True)["rehearse"])[1]
]
MaybeManifest = Annotated[
    Path | None,
    typer.Argument(metavar="M", help="A manifest, which tells the root and the project."),
]
"""The argument of the commands on a root, which a manifest may name."""
Profile = Annotated[
    str | None, get_args(get_type_hints(CampaignOptions, include_extras=True)["profile"])[1]
]
"""The option of the commands that may read a manifest, and need none."""
LaneOrAll = Annotated[
    str, typer.Argument(metavar="LANE", help="A provider's lane; all where it is left out.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say only what went wrong, and what is asked.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
"""The option of the commands that ask before they move or delete files."""
Scenario = Annotated[
    Path | None, typer.Option("--scenario", help="How the sandbox is to misbehave (YAML).")
]
Chaos = Annotated[
    float, typer.Option("--chaos", min=0.0, max=1.0, help="Share of requests the sandbox spoils.")
]


def command_app(name: str = "", about: str = "") -> typer.Typer:
    """Return what the commands of one file are added to; a group of several has a name."""
    return typer.Typer(
        name=name or None,
        help=about or None,
        no_args_is_help=bool(name),
        add_completion=False,
        rich_markup_mode=None,
    )


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose parameters that are groups of options are those options.

    @app.command()
    @with_options
    def ls(campaign: CampaignOptions, selection: SelectionOptions, form: Listing = …): …
    """
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.annotation)
    }
    flat: list[inspect.Parameter] = []
    several: set[str] = set()
    for name, parameter in signature.parameters.items():
        if name not in groups:
            flat.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        hints = get_type_hints(groups[name], include_extras=True)
        for option in fields(groups[name]):
            kind, declared = get_args(hints[option.name])
            default = inspect.Parameter.empty if option.default is MISSING else option.default
            if kind == _Words:
                # Typer knows lists where a frozen record has tuples.
                kind, default = list[str] | None, None
                several.add(option.name)
            flat.append(
                inspect.Parameter(
                    option.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=Annotated[kind, declared],
                )
            )

    @wraps(function)
    def command(**given: Any) -> None:
        for name, group in groups.items():
            values = {each.name: given.pop(each.name) for each in fields(group)}
            # What may be given several times is None where it was not given.
            given[name] = group(
                **{
                    key: tuple(value or ()) if key in several else value
                    for key, value in values.items()
                }
            )
        function(**given)

    # Typer reads both: parameters from the signature, their types from the annotations.
    command.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in flat}
    return command
