"""A campaign from made clips to approved ones: a reviewer in the page, faults and kill -9.

Which take of which place is usable is decided by a rule that only the reviewer knows. `play` runs
round after round, with kills at random instants, and has each clip that waits decided in the page
of `callsheet review`, by its keys. Then it counts what the sandbox billed against what buying takes
one by one would have cost by the same rule.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

from pipeline.domain import Record
from pipeline.domain.review import Verdict, decisions_on_clips, verdict_of
from pipeline.plan.decision_text import read_decisions
from pipeline.providers import OFFERS
from tests.browser.chromium import Page
from tests.browser.serving import serving
from tests.crash.kit import addressed, campaign_run, ledger_records
from tests.processes import started
from tests.sandboxes import PLAIN, Sandbox

KEY = "key-of-the-acceptance-test"
CAMPAIGN = "acceptance"
WAITS, DONE = 20, 0
TAKES = 12
_PROVIDER = "runware"
_CELLS = ("front", "side", "top")
_FREE_FAULTS = ("throttled", "drop", "truncated-download", "expired-link")
_HURRY = 5.0
_PATIENCE_S = 600
"""How long a page that goes on is waited for: the machine may do much else."""
_RUNS_A_ROUND = 12
_ADDRESS = re.compile(r"clip\[(?P<row>\d+),(?P<cell>\w+)\]#(?P<take>\d+)")
_MANIFEST = """\
callsheet: 1
name: acceptance
tables: {{numbers: {{file: numbers.csv, key: number, as: line}}}}
defaults: {{mode: std, duration: 5, aspect_ratio: "9:16"}}
accept: {{takes: {takes}, spend: {spend} USD, rounds: [1, 1, 2, 2, 3, 3]}}
shots:
  - id: clip
    for: numbers
    provider: runware
    variants: {{matrix: {{view: [{cells}]}}}}
    prompt: "The number <{{{{ line.number }}}}>, from the {{{{ variant.view }}}}, no text."
providers: {{runware: {{concurrency: 10, submit_rate: 100/s}}}}
policy: {{stop: off, deadline: 30m}}
budget: {{limit: 10000 USD, unpriced: {{assume: 1.00 USD}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenRule:
    """Which takes the reviewer can use: a third of them, of one row in five a tenth."""

    seed: int

    def usable(self, row: int, cell: str, take: int) -> bool:
        """Tell whether a take can be used."""
        share = 1 / 10 if row % 5 == 4 else 1 / 3
        digest = sha256(f"{self.seed}:{row}:{cell}:{take}".encode()).digest()
        return int.from_bytes(digest[:8]) < share * 2**64

    def first_usable(self, row: int, cell: str) -> int | None:
        """Return the first usable take that the caps allow, or None."""
        takes = range(1, TAKES + 1)
        return next((take for take in takes if self.usable(row, cell, take)), None)


@dataclass(slots=True, kw_only=True)
class Accounts:
    """What came of it; takes and money by the sandbox's own count."""

    sittings: int = 0
    kills: int = 0
    places: int = 0
    usable: int = 0
    """Places that have a usable take among the first twelve."""
    approved: int = 0
    stuck: int = 0
    decisions: int = 0
    bought: int = 0
    minimum: int = 0
    """Takes that one-by-one buying would have needed, by the rule."""
    off_spec: int = 0
    wrongly_approved: list[str] = field(default_factory=list)
    bought_after_approval: list[str] = field(default_factory=list)
    paid_twice: list[str] = field(default_factory=list)
    over_a_cap: list[str] = field(default_factory=list)
    billed_usd: Decimal = Decimal(0)
    charged_usd: Decimal = Decimal(0)
    seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """Return the takes bought per take that was needed; off spec counts as needed."""
        return self.bought / (self.minimum + self.off_spec)

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return (
            f"{self.places} places, {self.usable} with a usable take: {self.approved} approved,"
            f" {self.stuck} stuck in {self.sittings} sittings with {self.decisions} decisions;"
            f" {self.bought} takes bought, {self.ratio:.3f} times the minimum of {self.minimum}"
            f" and {self.off_spec} off spec; {self.kills} kills;"
            f" {len(self.bought_after_approval)} approved and bought again,"
            f" {len(self.paid_twice)} paid twice, {len(self.over_a_cap)} over a cap;"
            f" charged {self.charged_usd} billed {self.billed_usd} USD, {self.seconds:.0f} s"
        )


@dataclass(slots=True, kw_only=True)
class AcceptanceDrill:
    """Plays a campaign of places in one folder, against one sandbox, with one browser."""

    seed: int
    rows: int
    kills: int
    folder: Path
    sandbox: Sandbox
    browser: Page
    spend_usd: Decimal = Decimal("8.00")
    off_spec: int = 6
    result: Accounts = field(default_factory=Accounts)
    _approved: dict[tuple[int, str], int] = field(default_factory=dict)
    """How many takes had been bought of a place when it was approved."""

    def play(self) -> Accounts:
        """Round, sitting, round, until no clip waits; then count."""
        began = time.time()
        self._write()
        # A few takes are off spec: they are paid for, and replaced in the same round.
        self.sandbox.play("wrong-pixels", times=self.off_spec, after=self.rows)
        chance = Random(self.seed)  # noqa: S311 - a drill
        while self._make_a_round(chance, began) == WAITS:
            self.result.sittings += 1
            self._decide_all()
        self._count()
        self.result.seconds = time.time() - began
        return self.result

    @property
    def rule(self) -> HiddenRule:
        """Return what the reviewer goes by."""
        return HiddenRule(seed=self.seed)

    @staticmethod
    def scenario(seed: int) -> Mapping[str, Any]:
        """Return the sandbox's scenario: a fifth of all requests fails, and costs nothing."""
        chaos = {"rate": 0.2, "seed": seed, "faults": list(_FREE_FAULTS)}
        return {**PLAIN, "timing": {"accept_s": 0, "run_s": [0.1, 0.4]}, "chaos": chaos}

    def _write(self) -> None:
        numbers = "\n".join(str(number) for number in range(self.rows))
        (self.folder / "numbers.csv").write_text(f"number\n{numbers}\n", "utf-8")
        text = _MANIFEST.format(takes=TAKES, spend=self.spend_usd, cells=", ".join(_CELLS))
        (self.folder / "acceptance.yaml").write_text(text, "utf-8")

    def _make_a_round(self, chance: Random, began: float) -> int:
        """Run until it ends by itself, killed up to a few times before; return its exit code."""
        codes: list[int | None] = []
        while len(codes) < _RUNS_A_ROUND:
            process = self._start(began)
            # The kills are spread over the first rounds; a run that is quicker is left alone.
            due = min(self.kills, (self.result.sittings + 1) * 7)
            if self.result.kills < due and self._kill(process, chance):
                continue
            process.join()
            code = process.exitcode
            codes.append(code)
            # What was cut off by a fault is fetched by the next run: the round is not over.
            if code in {WAITS, DONE} or not self._open():
                return code or 0
        left = Counter(f"{record.state} {record.cause}" for record in self._open())
        said = (self.folder / "runs.log").read_text("utf-8")[-3000:]
        raise AssertionError(f"runs ended with {codes}, and left {dict(left)}: {said}")

    def _kill(self, process: ForkServerProcess, chance: Random) -> bool:
        """Kill a run at a random instant once some takes were billed; False where it ended first.

        By takes, and not by the clock: on a busy machine most runs would die before their first.
        """
        enough = len(self._tasks()) + chance.randint(1, max(1, self.rows // 4))
        while process.is_alive() and len(self._tasks()) < enough:
            process.join(0.05)
        process.join(chance.uniform(0, 0.3))
        if not process.is_alive():
            return False
        process.kill()
        process.join()
        self.result.kills += 1
        return True

    def _start(self, began: float) -> ForkServerProcess:
        words = [str(self.folder / "acceptance.yaml"), str(self.folder / "outputs"), "--quiet"]
        words += ["--hurry", str(_HURRY), str(began), *addressed(self.sandbox, [_PROVIDER])]
        log = self.folder / "runs.log"
        keys = {OFFERS[_PROVIDER].key_env: KEY}
        return started(campaign_run, words, keys, streams=(log, log))

    def _open(self) -> list[Record]:
        ended = {"done", "off_spec", "failed", "abandoned"}
        return [record for record in self._records() if record.state not in ended]

    def _decide_all(self) -> None:
        """Decide every clip that waits, by the keys of the page, in a sitting of its own."""
        words = ("pipeline", "review", "acceptance.yaml", "--root", str(self.folder / "outputs"))
        with serving(*words, folder=self.folder) as (_, address):
            browser, bought = self.browser, self._bought()
            browser.open(f"{address}#view=sitting")
            while browser.value("document.getElementById('sitting-word').textContent") == "waiting":
                title = browser.value("document.getElementById('sitting-title').textContent")
                row, cell, take = _parts(title)
                is_usable = self.rule.usable(row, cell, take)
                browser.press(*("a" if is_usable else "r1"))
                browser.until(
                    "Decisions.isSettled() && (document.getElementById('sitting-title')"
                    f".textContent !== {title!r}"
                    " || document.getElementById('sitting-word').textContent !== 'waiting')",
                    _PATIENCE_S,
                )
                self.result.decisions += 1
                if is_usable:
                    self._approved[row, cell] = bought[row, cell]

    def _records(self) -> list[Record]:
        return ledger_records(self.folder / "outputs", CAMPAIGN)

    def _tasks(self) -> list[dict[str, Any]]:
        return [t for t in self.sandbox.tasks(_PROVIDER, KEY) if Decimal(t["usd"])]

    def _bought(self) -> Counter[tuple[int, str]]:
        """Count the takes that were billed, by place."""
        return Counter(_subject(task["prompt"]) for task in self._tasks())

    def _count(self) -> None:
        result, bought, records = self.result, self._bought(), self._records()
        places = [(row, cell) for row in range(self.rows) for cell in _CELLS]
        first = {place: self.rule.first_usable(*place) for place in places}
        verdicts = self._verdicts()
        approved = {place for place, held in verdicts.items() if Verdict.APPROVED in held.values()}
        result.places, result.usable = len(places), sum(n is not None for n in first.values())
        result.approved = len(approved)
        result.stuck = len(places) - len(approved)
        result.bought = bought.total()
        result.minimum = sum(take or TAKES for take in first.values())
        result.off_spec = sum(record.state == "off_spec" for record in records)
        result.wrongly_approved = [
            f"{place} take {take}"
            for place, held in verdicts.items()
            for take, verdict in held.items()
            if (verdict is Verdict.APPROVED) is not self.rule.usable(*place, take)
        ]
        result.bought_after_approval = [
            str(place) for place, before in self._approved.items() if bought[place] != before
        ]
        taken = Counter(
            _parts(record.address)[:2] for record in records if record.charged_usd or record.task
        )
        result.paid_twice = [str(place) for place in places if bought[place] > taken[place]]
        spent = dict.fromkeys(places, Decimal(0))
        for task in self._tasks():
            spent[_subject(task["prompt"])] += Decimal(task["usd"])
        result.over_a_cap = [
            str(place) for place in places if bought[place] > TAKES or spent[place] > self.spend_usd
        ]
        result.billed_usd = sum((Decimal(task["usd"]) for task in self._tasks()), Decimal(0))
        result.charged_usd = sum((record.charged_usd for record in records), Decimal(0))

    def _verdicts(self) -> dict[tuple[int, str], dict[int, Verdict]]:
        """Return what holds of each take of each place, by the decisions file."""
        path = self.folder / "acceptance.decisions.yaml"
        found: dict[tuple[int, str], dict[int, Verdict]] = {}
        for place, decisions in read_decisions(path.read_text("utf-8"), path.name).items():
            row, cell, _ = _parts(f"{place}#1")
            found[row, cell] = {
                held[-1].take: verdict
                for held in decisions_on_clips(decisions).values()
                if (verdict := verdict_of(held)) is not None
            }
        return found


def _parts(address: str) -> tuple[int, str, int]:
    """Return row, cell and take of an address."""
    found = _ADDRESS.fullmatch(address)
    assert found, address
    return int(found["row"]), found["cell"], int(found["take"])


def _subject(prompt: str) -> tuple[int, str]:
    """Return the row and cell that a prompt is about."""
    number = prompt[prompt.find("<") + 1 : prompt.find(">")]
    view = next(cell for cell in _CELLS if f"from the {cell}" in prompt)
    return int(number), view
