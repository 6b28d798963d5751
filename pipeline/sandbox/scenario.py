"""Read how the sandbox shall behave: a YAML or JSON document becomes a Scenario.

Nothing here happens by chance: a misspelt fault or option is refused, because a drill that
silently plays nothing proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from pipeline.errors import CallsheetError
from pipeline.sandbox.faults import CHAOS, KINDS, Kind

_MATCHES = ("provider", "address", "prompt", "key")
_RANGE_LENGTH = 2
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class BadScenario(CallsheetError):  # noqa: N818 - named for what it says, as the whole tree is
    """A scenario cannot be read; the text names the place and what is known there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of a scenario: what happens, to whom, how often."""

    name: str
    stage: str
    provider: str = ""
    address: str = ""
    prompt: str = ""
    key: str = ""
    times: int | None = 1
    """How often it plays; None: always."""
    after: int = 0
    """How many matching requests pass first."""
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def kind(self) -> Kind:
        """Return what sort of misbehaviour this is."""
        return KINDS[self.name]

    def meets(self, *, provider: str, address: str, prompt: str, key: str) -> bool:
        """Tell whether a request is one this fault waits for; `*` and `?` work in addresses."""
        return (
            self.provider in {"", provider}
            and self.key in {"", key}
            and (not self.address or _glob(self.address).fullmatch(address) is not None)
            and self.prompt.casefold() in prompt.casefold()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key the scenario names."""

    bad: bool = False
    balance_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How a provider's bill differs from its usual price, and what its replies tell of it."""

    factor: Decimal = Decimal(1)
    """By what the usual price is multiplied."""
    per_item_usd: Decimal | None = None
    """The bill of each task whatever its length; None: by the second, as usual."""
    told: Any = "billed"
    """"billed", "credits" (in the provider's own unit alone), "nothing", or what stands there."""
    credit_factor: Decimal = Decimal(1)
    """By what the told credits are multiplied, as if the unit were another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Faults by probability, drawn from a seed: the same requests meet the same faults."""

    rate: float
    seed: int = 0
    faults: frozenset[str] = frozenset(name for names in CHAOS.values() for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How the sandbox behaves; the defaults are a quick provider on a good day."""

    accounts: Mapping[str, Account] = field(default_factory=lambda: _NOTHING)
    prices: Mapping[str, Pricing] = field(default_factory=lambda: _NOTHING)
    """By provider; one that is not named bills as usual."""
    accept_s: tuple[float, float] = (0.0, 0.05)
    run_s: tuple[float, float] = (0.2, 1.0)
    render: str = "full"
    clip_bytes: int = 0
    """Plain clips are padded up to this size."""
    bill: str = "accept"
    failed_tasks: str = ""
    """"kept" or "refunded"; empty: as the provider does."""
    link_ttl_s: float = 3600.0
    """How long links live where the request does not say."""
    chaos: Chaos | None = None
    faults: tuple[Fault, ...] = ()


def read_document(path: Path) -> dict[str, Any]:
    """Return a scenario file's content, YAML or JSON; raises BadScenario."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadScenario(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadScenario(f"{path}: {error}") from error
    return _mapping(found if found is not None else {}, str(path))


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a file; raises BadScenario."""
    return parse_scenario(read_document(path))


def parse_scenario(document: Mapping[str, Any]) -> Scenario:
    """Return the scenario a document describes; raises BadScenario."""
    _known(document, _READERS, "scenario")
    values: dict[str, Any] = {}
    for name, value in document.items():
        values |= _READERS[name](value)
    seed = values.pop("seed", None)
    if seed is not None and values.get("chaos") is not None:
        chaos: Chaos = values["chaos"]
        values["chaos"] = Chaos(rate=chaos.rate, seed=seed, faults=chaos.faults)
    return Scenario(**values)


def _timing(value: Any) -> dict[str, Any]:
    found = _mapping(value, "timing")
    _known(found, ("accept_s", "run_s"), "timing")
    return {name: _range(seconds, f"timing.{name}") for name, seconds in found.items()}


def _accounts(value: Any) -> dict[str, Any]:
    found = _mapping(value, "accounts")
    return {
        "accounts": {str(key): _account(told, f"accounts.{key}") for key, told in found.items()}
    }


def _account(value: Any, where: str) -> Account:
    if value == "bad":
        return Account(bad=True)
    told = _mapping(value, where)
    _known(told, ("balance_usd",), where)
    try:
        return Account(balance_usd=Decimal(str(told["balance_usd"])))
    except (InvalidOperation, KeyError) as error:
        raise BadScenario(f"{where}: write `bad` or `{{balance_usd: 1.50}}`") from error


def _prices(value: Any) -> dict[str, Any]:
    found = _mapping(value, "prices")
    return {"prices": {name: _pricing(told, f"prices.{name}") for name, told in found.items()}}


def _pricing(value: Any, where: str) -> Pricing:
    told = _mapping(value, where)
    _known(told, ("factor", "per_item_usd", "told", "credit_factor"), where)
    try:
        numbers = {name: Decimal(str(told[name])) for name in told if name != "told"}
    except InvalidOperation as error:
        raise BadScenario(f"{where}: factors and prices are numbers") from error
    return Pricing(told=told.get("told", "billed"), **numbers)


def _chaos(value: Any) -> dict[str, Any]:
    told = value if isinstance(value, Mapping) else {"rate": value}
    _known(told, ("rate", "seed", "faults"), "chaos")
    rate = _number(told.get("rate", 0), "chaos.rate")
    if not 0 <= rate <= 1:
        raise BadScenario("chaos.rate: a share between 0 and 1")
    names = told.get("faults", sorted(Chaos(rate=0).faults))
    for name in names:
        _known({name: None}, Chaos(rate=0).faults | KINDS.keys(), "chaos.faults")
    seed = _whole(told.get("seed", 0), "chaos.seed")
    return {"chaos": Chaos(rate=rate, seed=seed, faults=frozenset(names)) if rate else None}


def _faults(value: Any) -> dict[str, Any]:
    if not isinstance(value, list):
        raise BadScenario("faults: a list")
    return {"faults": tuple(_fault(told, f"faults[{n}]") for n, told in enumerate(value))}


def _fault(value: Any, where: str) -> Fault:
    told = {"fault": value} if isinstance(value, str) else _mapping(value, where)
    name = str(told.get("fault", ""))
    _known({name: None}, KINDS, f"{where}.fault")
    kind = KINDS[name]
    _known(told, ("fault", "stage", "times", "after", *_MATCHES, *kind.options), where)
    stage = told.get("stage", kind.stages[0])
    _known({stage: None}, kind.stages, f"{where}.stage")
    times = told.get("times", 1)
    return Fault(
        name=name,
        stage=stage,
        times=None if times == "always" else _whole(times, f"{where}.times"),
        after=_whole(told.get("after", 0), f"{where}.after"),
        options={option: told.get(option, kind.options[option]) for option in kind.options},
        **{match: str(told.get(match, "")) for match in _MATCHES},
    )


def _word(name: str, *words: str) -> Any:
    def read(value: Any) -> dict[str, Any]:
        _known({value: None}, words, name)
        return {name: value}

    return read


_READERS: Mapping[str, Any] = MappingProxyType(
    {
        "accounts": _accounts,
        "prices": _prices,
        "timing": _timing,
        "render": _word("render", "full", "plain"),
        "clip_bytes": lambda value: {"clip_bytes": _whole(value, "clip_bytes")},
        "bill": _word("bill", "accept", "finish"),
        "failed_tasks": _word("failed_tasks", "", "kept", "refunded"),
        "link_ttl_s": lambda value: {"link_ttl_s": _number(value, "link_ttl_s")},
        "chaos": _chaos,
        "seed": lambda value: {"seed": _whole(value, "seed")},
        "faults": _faults,
    }
)


def _known(told: Mapping[Any, Any], known: Any, where: str) -> None:
    for name in told:
        if name not in known:
            options = ", ".join(sorted(str(word) for word in known))
            raise BadScenario(f"{where}: {name!r} is unknown; known here: {options}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadScenario(f"{where}: a mapping")
    return value


def _range(value: Any, where: str) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == _RANGE_LENGTH:
        low, high = (_number(seconds, where) for seconds in value)
        return low, high
    only = _number(value, where)
    return only, only


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadScenario(f"{where}: a number")
    return float(value)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadScenario(f"{where}: a whole number")
    return value


def _glob(pattern: str) -> re.Pattern[str]:
    # Not fnmatch: the brackets of an address are plain text.
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
