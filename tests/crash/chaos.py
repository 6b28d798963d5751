"""A campaign over every provider, under faults and kill -9 at random instants, and its reckoning.

`play` runs it to the end and says what the sandbox counted: tasks paid twice, items lost, clips
that are not what was asked for, and by how much the limit was exceeded at the worst instant.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from pipeline.domain import Feature, Record
from pipeline.providers import OFFERS
from tests.conformance.stage import plays, task_of
from tests.crash.kit import addressed, campaign_run, ledger_records
from tests.processes import command_line, started
from tests.sandboxes import PLAIN, Sandbox

KEY = "key-of-the-chaos-test"
CAMPAIGN = "chaos"
HURRY = 5.0
_ENOUGH_USD = Decimal(10_000)
_ROUNDS = 30
_MANIFEST = """\
callsheet: 1
name: chaos
tables: {{numbers: {{file: numbers.csv, key: number, as: line}}}}
bundles: {{opening: {{frames: {{first: box.png}}}}}}
defaults: {{mode: pro, duration: 5, prompt: x}}
shots:
{shots}
providers:
{providers}
policy: {{purchases: 1, stop: off, deadline: 30m}}
budget: {{limit: {limit} USD, unpriced: {{assume: 1.00 USD}}}}
"""
_TEXT = """\
  - id: {name}
    for: numbers
    provider: {name}
    aspect_ratio: "9:16"
    prompt: "{name} shows the number <{{{{ line.number }}}}> on a wall, no text."
"""
_FRAME = """\
  - id: {name}
    for: numbers
    provider: {name}
    use: [opening]
    aspect_ratio: auto
    prompt: "{name} shows the number <{{{{ line.number }}}}> on a wall, no text."
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What is to be played."""

    seed: int
    jobs: int
    kills: int
    faults: float = 0.2
    providers: tuple[str, ...] = tuple(OFFERS)
    usd_per_job: Decimal = Decimal("0.40")
    """The budget at first: not enough for all of them, so that it is met; it is raised at the end.
    """
    lives_s: tuple[float, float] = (1.0, 6.0)
    """How long a run lives at least and at most before it is killed."""

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The sandbox's scenario; failures are free, so that what is known must equal the bills."""
        chaos = {"rate": self.faults, "seed": self.seed}
        return {**PLAIN, "failed_tasks": "refunded", "chaos": chaos}


@dataclass(slots=True, kw_only=True)
class Reckoning:
    """What came of it, by the sandbox's own count."""

    items: int = 0
    states: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    kills: int = 0
    doubts: int = 0
    paid_twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peak_usd: Decimal = Decimal(0)
    """The most that was ever billed before the budget was raised."""
    limit_usd: Decimal = Decimal(0)
    held: int = 0
    """Items that waited for the budget to be raised."""
    crashes: int = 0
    """Runs that ended with a traceback: no fault of a provider may do that."""
    unbalanced: list[str] = field(default_factory=list)
    """Instants at which known ≤ billed ≤ known + in doubt did not hold."""
    known_usd: Decimal = Decimal(0)
    billed_usd: Decimal = Decimal(0)
    seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        states = ", ".join(f"{n} {state}" for state, n in sorted(self.states.items()))
        return (
            f"{self.items} items ({states}), {self.tasks} tasks, {self.kills} kills,"
            f" {self.doubts} doubts decided: {len(self.paid_twice)} paid twice,"
            f" {len(self.lost)} lost, {len(self.wrong)} wrong, {len(self.unbalanced)} instants"
            f" out of balance, {self.held} held at a limit of {self.limit_usd} USD with"
            f" {self.peak_usd} USD billed at the most;"
            f" known {self.known_usd} billed {self.billed_usd} USD, {self.seconds:.0f} s"
        )


@dataclass(slots=True, kw_only=True)
class Player:
    """Plays one drill in one folder against one sandbox."""

    drill: Drill
    folder: Path
    sandbox: Sandbox
    result: Reckoning = field(default_factory=Reckoning)
    began: float = field(default_factory=time.time)

    def play(self) -> Reckoning:
        """Run, kill and run again until nothing changes any more; then count."""
        self._write(self.drill.usd_per_job * self.drill.jobs)
        chance = Random(self.drill.seed)  # noqa: S311 - a drill
        while self.result.kills < self.drill.kills and self._plays(chance):
            self._weigh()
        self._finish()
        if not self.result.limit_usd:
            self._raise_the_budget()
            self._finish()
        self._count()
        self.result.seconds = time.time() - self.began
        return self.result

    def _raise_the_budget(self) -> None:
        self._weigh()
        self.result.held = sum(record.state == "held" for record in self._records())
        self.result.peak_usd = Decimal(self.sandbox.ledger()["peak_billed_usd"])
        self.result.limit_usd = self.drill.usd_per_job * self.drill.jobs
        self._write(_ENOUGH_USD)

    def _write(self, limit_usd: Decimal) -> None:
        rows = self.drill.jobs // len(self.drill.providers)
        numbers = "\n".join(str(number) for number in range(rows))
        (self.folder / "numbers.csv").write_text(f"number\n{numbers}\n", "utf-8")
        Image.new("RGB", (720, 1280), (180, 120, 60)).save(self.folder / "box.png")
        shots = "".join(
            (_FRAME if name == "evolink" else _TEXT).format(name=name)
            for name in self.drill.providers
        )
        lanes = "\n".join(
            f"  {name}: {{concurrency: 10, submit_rate: 100/s}}" for name in self.drill.providers
        )
        text = _MANIFEST.format(shots=shots, providers=lanes, limit=limit_usd)
        (self.folder / "chaos.yaml").write_text(text.replace(", prompt: x", ""), "utf-8")

    def _start(self) -> ForkServerProcess:
        words = [str(self.folder / "chaos.yaml"), str(self.folder / "root"), "--quiet"]
        words += ["--hurry", str(HURRY), str(self.began), *self._addresses()]
        return started(campaign_run, words, _keys(), streams=(self._log, self._log))

    @property
    def _log(self) -> Path:
        return self.folder / "runs.log"

    def _addresses(self) -> list[str]:
        return addressed(self.sandbox, self.drill.providers)

    def _plays(self, chance: Random) -> bool:
        """Run, and kill it at a random instant; tell whether another run would do something."""
        process = self._start()
        process.join(chance.uniform(*self.drill.lives_s))
        if process.is_alive():
            process.kill()
            process.join()
            self.result.kills += 1
            if chance.random() < 1 / 5:
                self.sandbox.restart(kill=True)
            return True
        # What waits for a decision may keep others back: runs alone would change nothing any more.
        self._decide_doubts()
        if not self.result.limit_usd and self._waits_for_money():
            self._raise_the_budget()
        return bool(self._open())

    def _waits_for_money(self) -> bool:
        """Tell whether there is something left to do, and only the budget is in its way."""
        left = self._open()
        return bool(left) and all(record.cause == "budget" for record in left)

    def _open(self) -> list[Record]:
        """Return the items that another run would still do something about."""
        done = {"done", "off_spec", "failed", "abandoned", "in_doubt"}
        return [record for record in self._records() if record.state not in done]

    def _finish(self) -> None:
        """Run, and decide what is in doubt, until all has ended or is held by the budget."""
        for _ in range(_ROUNDS):
            self._start().join()
            if not self._decide_doubts() and (self._waits_for_money() or not self._open()):
                return

    def _decide_doubts(self) -> bool:
        """Decide as a person would who looks at each provider's list of tasks; tell if any was."""
        doubts = [record for record in self._records() if record.state == "in_doubt"]
        if not doubts:
            return False
        self.result.doubts += len(doubts)
        known = {_subject(task["prompt"]): task["task"] for _, task in self._tasks()}
        words = []
        for record in doubts:
            task = known.get(_subject(record.prompt))
            words += ["--task", f"{record.address}={task}"] if task else []
            words += [] if task else ["--resubmit", record.address]
        words += ["--root", str(self.folder / "root"), "--quiet", *self._addresses()]
        command = ["reconcile", str(self.folder / "chaos.yaml"), *words]
        started(command_line, command, _keys(), streams=(self._log, self._log)).join()
        return True

    def _records(self) -> list[Record]:
        return ledger_records(self.folder / "root", CAMPAIGN)

    def _tasks(self) -> list[tuple[str, dict[str, Any]]]:
        names = self.drill.providers
        return [(name, task) for name in names for task in self.sandbox.tasks(name, KEY)]

    def _weigh(self) -> None:
        """Hold the sandbox's bills against the ledger at this instant."""
        told = [name for name in self.drill.providers if Feature.COST in OFFERS[name].features]
        records = [record for record in self._records() if record.provider in told]
        billed = sum((Decimal(t["usd"]) for name, t in self._tasks() if name in told), Decimal(0))
        known = sum((record.charged_usd for record in records), Decimal(0))
        open_ = sum((r.reserved_usd + r.possible_usd for r in records), Decimal(0))
        if not known <= billed <= known + open_:
            self.result.unbalanced.append(f"{known} <= {billed} <= {known + open_}")
        self.result.known_usd, self.result.billed_usd = known, billed

    def _count(self) -> None:
        self._weigh()
        self.result.crashes = self._log.read_text("utf-8").count("Traceback")
        result, records, tasks = self.result, self._records(), self._tasks()
        result.items, result.tasks = len(records), len(tasks)
        result.states = Counter(record.state for record in records)
        bought = Counter(_subject(task["prompt"]) for _, task in tasks if Decimal(task["usd"]))
        result.paid_twice = [subject for subject, number in bought.items() if number > 1]
        rows = self.drill.jobs // len(self.drill.providers) * len(self.drill.providers)
        missing = [str(n) for n in range(rows - len(records))]
        ended = {"done", "failed", "off_spec", "abandoned"}
        result.lost = missing + [r.address for r in records if r.state not in ended]
        result.wrong = [r.address for r in records if r.state == "done" and not self._right(r)]

    def _right(self, record: Record) -> bool:
        clip = self.folder / "root" / CAMPAIGN / (record.path or "missing")
        own = {task["task"]: task["prompt"] for _, task in self._tasks_of(record.provider)}
        if not clip.is_file() or task_of(clip) != record.task or not plays(clip):
            return False
        return _subject(own.get(record.task, "")) == _subject(record.prompt)

    def _tasks_of(self, provider: str) -> list[tuple[str, dict[str, Any]]]:
        return [(provider, task) for task in self.sandbox.tasks(provider, KEY)]


def _subject(prompt: str) -> str:
    """Return what a prompt is about, however a provider has it: its provider and number."""
    name = prompt[: prompt.index(" shows")].rsplit(" ", 1)[-1] if " shows" in prompt else ""
    return f"{name} {prompt[prompt.find('<') + 1 : prompt.find('>')]}"


def _keys() -> dict[str, str]:
    return {offer.key_env: KEY for offer in OFFERS.values()}
