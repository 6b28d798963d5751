"""How the sandbox shall behave: a YAML or JSON document, and the faults it plays, in their order.

Nothing here happens by chance: a misspelt fault or option is refused, because a drill that
silently plays nothing proves nothing. What was played survives a restart of the sandbox; what chaos
draws depends on the seed, the stage and the request's address (or prompt), and not on the order in
which requests arrive.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import yaml

from pipeline.errors import CallsheetError
from pipeline.sandbox.document_schema import DocumentSchema, FieldError
from pipeline.sandbox.faults import CHAOS, FAULT_TYPES, Effect, InjectedFault, Subject
from pipeline.schemas import schema

_SCHEMA = DocumentSchema(schema("scenario"))
_MATCHES = ("provider", "address", "prompt", "key")
# A task is polled often: chaos meets a poll less often than anything else.
_POLLS_PER_FAULT = 4
_CHAOS_SLOW_S = 3


class BadScenario(CallsheetError):  # noqa: N818 - named for what it says, as the whole tree is
    """A scenario cannot be read; the text names the place and what is known there."""


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

    accounts: Mapping[str, Account] = field(default_factory=dict)
    prices: Mapping[str, Pricing] = field(default_factory=dict)
    """By provider; one that is not named bills as usual."""
    accept_s: tuple[float, float] = (0.0, 0.05)
    run_s: tuple[float, float] = (0.2, 1.0)
    render: str = "full"
    fps: int = 24
    """Pictures of a clip a second, as Kling's have; with few, clips are quick to make and check."""
    clip_bytes: int = 0
    """Plain clips are padded up to this size."""
    bill: str = "accept"
    failed_tasks: str = ""
    """"kept" or "refunded"; empty: as the provider does."""
    link_ttl_s: float = 3600.0
    """How long links live where the request does not say."""
    chaos: Chaos | None = None
    faults: tuple[InjectedFault, ...] = ()


def read_document(path: Path) -> dict[str, Any]:
    """Return a scenario file's content, YAML or JSON; raises BadScenario."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadScenario(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadScenario(f"{path}: {error}") from error
    if not isinstance(found, dict | None):
        raise BadScenario(f"{path}: must be a mapping")
    return found or {}


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a file; raises BadScenario."""
    return parse_scenario(read_document(path))


def parse_scenario(document: Mapping[str, Any]) -> Scenario:
    """Return the scenario a document describes; raises BadScenario."""
    # As JSON has it: YAML's keys may be numbers, and its values dates.
    given = orjson.loads(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))
    # What is wrong with one field of a fault hides that its others are known.
    errors = sorted(_SCHEMA.errors(given), key=lambda each: each.problem == "unknown")
    if errors:
        raise BadScenario(_sentence(errors[0], given))
    values = {
        name: value
        for name, value in given.items()
        if name in {"render", "fps", "clip_bytes", "bill", "failed_tasks", "link_ttl_s"}
    }
    for name, seconds in given.get("timing", {}).items():
        low, high = seconds if isinstance(seconds, list) else (seconds, seconds)
        values[name] = (float(low), float(high))
    told = given.get("chaos", 0)
    # The seed may stand by itself, and goes before the one beside the rate.
    chaos = dict(told) if isinstance(told, dict) else {"rate": told}
    chaos |= {"seed": given["seed"]} if given.get("seed") is not None else {}
    # Any fault may be drawn by name, also one that chance leaves out by itself.
    chaos |= {"faults": frozenset(chaos["faults"])} if "faults" in chaos else {}
    return Scenario(
        **values,
        accounts={
            key: Account(bad=True) if told == "bad" else Account(**_amounts(told))
            for key, told in given.get("accounts", {}).items()
        },
        prices={name: Pricing(**_amounts(told)) for name, told in given.get("prices", {}).items()},
        chaos=Chaos(**chaos) if chaos.get("rate") else None,
        faults=tuple(_fault(line) for line in given.get("faults", ())),
    )


def _sentence(error: FieldError, document: Any) -> str:
    """Return what is wrong and where, and what would have been known there."""
    *above, last = error.path or ("scenario",)
    known = error.known
    if error.problem == "unknown":
        if above[:1] == ["faults"]:
            # Beside what every fault takes: the options of this one.
            known += tuple(FAULT_TYPES[document["faults"][above[1]]["fault"]].options)
        where, given = above or ["scenario"], last
    else:
        where, given = [*above, last], error.given
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    words = (
        f"{given!r} is unknown; known here: {', '.join(sorted(known))}" if known else error.words
    )
    return f"{place.removeprefix('.')}: {words}"


def _amounts(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if name == "told" else Decimal(str(value)) for name, value in told.items()}


def _fault(line: str | Mapping[str, Any]) -> InjectedFault:
    told: Mapping[str, Any] = {"fault": line} if isinstance(line, str) else line
    kind = FAULT_TYPES[told["fault"]]
    times = told.get("times", 1)
    return InjectedFault(
        name=told["fault"],
        stage=told.get("stage", kind.stages[0]),
        times=None if times == "always" else times,
        after=told.get("after", 0),
        options={option: told.get(option, default) for option, default in kind.options.items()},
        **{match: told.get(match, "") for match in _MATCHES},
    )


class FaultInjector:
    """Holds the scenario, and what of it has been played."""

    def __init__(
        self,
        document: Mapping[str, Any],
        counts: Sequence[Sequence[int]] = (),
        *,
        save: Callable[[Mapping[str, Any]], None] = lambda _: None,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self._save = save
        self._first = dict(first or {})
        self._document: dict[str, Any] = {}
        self._counts: list[list[int]] = []
        self._draws: Counter[str] = Counter()
        self.scenario = Scenario()
        self._set(dict(document), counts)

    def replace(self, document: Mapping[str, Any]) -> None:
        """Take these parts of a scenario instead of the present ones; the others stay."""
        # New faults begin anew; another price does not play old ones again.
        counts = [] if "faults" in document else self._counts
        self._set({**self._document, **document}, counts)

    def start_over(self) -> None:
        """Go back to the scenario the sandbox was started with; nothing has been played."""
        self._draws.clear()
        self._set(dict(self._first), [])

    def append(self, faults: Sequence[Any]) -> None:
        """Play these faults too, after those there are."""
        present = list(self._document.get("faults", ()))
        self._set({**self._document, "faults": [*present, *faults]}, self._counts)

    def as_data(self) -> dict[str, Any]:
        """Return the scenario as a document, with how often each fault was met and played."""
        return {"document": self._document, "counts": self._counts}

    def pick(
        self, stage: str, effects: frozenset[Effect], subject: Subject
    ) -> InjectedFault | None:
        """Return the fault that meets this request, if any, and count it as played."""
        for fault, count in zip(self.scenario.faults, self._counts, strict=True):
            waits = fault.times is None or count[1] < fault.times
            if not (waits and fault.stage == stage and fault.effect in effects):
                continue
            if not fault.matches(subject):
                continue
            # How often it was met, and how often it played: while it lets requests pass, the faults
            # behind it may play.
            count[0] += 1
            plays = count[0] > fault.after
            count[1] += plays
            self._save(self.as_data())
            if plays:
                return fault
        chaos = self.scenario.chaos
        return None if chaos is None else self._draw(chaos, stage, effects, subject)

    def _set(self, document: dict[str, Any], counts: Sequence[Sequence[int]]) -> None:
        # First, since it may raise: what was playing goes on then.
        self.scenario = parse_scenario(document)
        self._document = document
        kept = [list(pair) for pair in counts]
        self._counts = kept + [[0, 0] for _ in self.scenario.faults[len(kept) :]]
        self._save(self.as_data())

    def _draw(
        self, chaos: Chaos, stage: str, effects: frozenset[Effect], subject: Subject
    ) -> InjectedFault | None:
        usual = CHAOS.get(stage, ())
        more = sorted(n for n in chaos.faults - {*usual} if FAULT_TYPES[n].stages[0] == stage)
        menu = [name for name in usual if name in chaos.faults] + more
        names = [name for name in menu if FAULT_TYPES[name].effect in effects]
        if not names:
            return None
        # The first name tells the two questions about one submit apart: each has its own draws.
        whom = f"{stage}:{names[0]}:{subject.address or subject.prompt}"
        self._draws[whom] += 1
        chance = random.Random(f"{chaos.seed}:{whom}:{self._draws[whom]}")  # noqa: S311 - a drill
        rate = chaos.rate / _POLLS_PER_FAULT if stage == "status" else chaos.rate
        # A request is looked at once for its reply and once for its task's fate: they share.
        if chance.random() >= rate * len(names) / len(menu):
            return None
        name = chance.choice(names)
        options = dict(FAULT_TYPES[name].options)
        if name == "slow":
            options["seconds"] = _CHAOS_SLOW_S
        if name == "throttled" and chance.random() < 1 / 2:
            options["retry_after"] = 1
        return InjectedFault(name=name, stage=stage, options=options)
