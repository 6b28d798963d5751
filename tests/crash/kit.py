"""A small campaign at one provider: killed, run again, settled, and held against the books."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from pipeline.domain import Feature, Kind, Record
from pipeline.ledger.repository import Ledger
from pipeline.providers import OFFERS
from pipeline.storage.fs import STATE_FOLDER
from tests.conformance.stage import plays, task_of
from tests.postgresql import PlaceLedger
from tests.processes import command_line, process
from tests.sandboxes import Sandbox

HERE = Path(__file__).parent
CAMPAIGN = "crash"
HURRY = 5.0
IN_DOUBT_EXIT = 13
_COLOURS = {"red": "BOX-1", "green": "BOX-2", "blue": "BOX-3"}
_NOISE = (300, 533)
"""Pixels of a picture too large to be sent inside a request: it is uploaded."""


def in_its_file(root: Path) -> Path:
    """Let a root have its ledger in its own file."""
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One campaign of two shots over some rows, in one folder, with a key of its own."""

    provider: str
    sandbox: Sandbox
    folder: Path
    key: str = "key-of-the-crash-test"
    rows: int = 3
    mutant: str = ""
    uploads: bool = False
    """Whether its picture is so large that it is uploaded."""
    place_ledger: PlaceLedger = in_its_file
    """Says in which database its ledger is."""
    hurries: bool = True
    """Whether time runs faster, where nothing is known by its time at the provider."""
    began: float = field(default_factory=time.time)

    @property
    def root(self) -> Path:
        """Return the output root."""
        return self.folder / "root"

    @property
    def items(self) -> int:
        """Return how many clips it is about."""
        return 2 * self.rows

    def write(self) -> None:
        """Write its manifest, table and picture."""
        self.folder.mkdir(parents=True)
        self.place_ledger(self.root)
        # Who has no clips from text or references makes the same from first frames.
        kind = (
            "campaign" if Kind.REFERENCES in OFFERS[self.provider].models["kling-o1"] else "frames"
        )
        shutil.copy(HERE / f"{kind}.yaml", self._manifest)
        lines = (HERE / "products.csv").read_text("utf-8").splitlines()
        table = "\n".join(lines[: 1 + self.rows])
        (self.folder / "products.csv").write_text(f"{table}\n", "utf-8")
        picture = Image.new("RGB", (720, 1280), (180, 120, 60))
        if self.uploads:
            noise = Random(1).randbytes(3 * _NOISE[0] * _NOISE[1])  # noqa: S311 - a picture
            picture = Image.frombytes("RGB", _NOISE, noise)
        picture.save(self.folder / "box.png")

    def run(self, *further: str) -> int:
        """Run it in a process of its own and return the exit code, negative for a signal."""
        words = [str(self._manifest), str(self.root), "--provider", self.provider, "--quiet"]
        words += ["--mutant", self.mutant] if self.mutant else []
        offer = OFFERS[self.provider]
        stated = Kind.REFERENCES in offer.models["kling-o1"] and self.provider != "runware"
        words += ["--set", "vars.ratio=9:16"] if stated else []
        if self.hurries and Feature.LISTING not in offer.features:
            # Where tasks are known by their time, ours must be the sandbox's.
            words += ["--hurry", str(HURRY), str(self.began)]
        return process(campaign_run, [*words, *self._addresses(), *further], self._environment())

    def records(self) -> dict[str, Record]:
        """Return what the ledger holds, by address."""
        return {record.address: record for record in ledger_records(self.root, CAMPAIGN)}

    def tasks(self) -> list[dict[str, Any]]:
        """Return what the sandbox accepted."""
        return self.sandbox.tasks(self.provider, self.key)

    def finish(self) -> None:
        """Run what was killed to its end, as a person would; then all must be right.

        Where the provider cannot settle a doubt, exactly the items killed between intent and
        acceptance are in doubt, and a person's word on each finishes the campaign. Nothing is sent
        by itself.
        """
        self.balance()
        left = {address for address, r in self.records().items() if r.state == "submitting"}
        ended = self.run()
        doubts = {address for address, r in self.records().items() if r.state == "in_doubt"}
        taken = [address_of(task) for task in self.tasks()]
        assert len(taken) == len(set(taken)), f"paid twice: {sorted(taken)}"
        assert self._undecidable(left, set(taken)) == doubts
        if doubts:
            assert IN_DOUBT_EXIT == ended
            self.balance()
            self._settle(doubts)
            ended = self.run()
        assert 0 == ended
        assert [] == list((self.root / STATE_FOLDER / "parts").iterdir())
        self._all_right()

    def reword(self, old: str, new: str) -> None:
        """Change the words of its prompts."""
        text = self._manifest.read_text("utf-8")
        assert old in text
        self._manifest.write_text(text.replace(old, new), "utf-8")

    def shows_what_it_holds(self) -> None:
        """Hold the clip at each item's path against the task that it is of."""
        for record in self.records().values():
            assert record.path, f"{record.address} is shown nowhere"
            clip = self.root / CAMPAIGN / record.path
            assert record.task == task_of(clip), f"{record.address} shows another clip"
            assert plays(clip)

    def balance(self) -> None:
        """Hold the bills against the ledger: known ≤ billed ≤ known + in doubt."""
        if Feature.COST not in OFFERS[self.provider].features:
            return
        records = self.records().values()
        billed = sum((Decimal(task["usd"]) for task in self.tasks()), Decimal(0))
        known = sum((record.charged_usd for record in records), Decimal(0))
        open_ = sum((r.reserved_usd + r.possible_usd for r in records), Decimal(0))
        assert known <= billed <= known + open_, f"out of balance: {known}, {billed}, {open_}"

    @property
    def _manifest(self) -> Path:
        return self.folder / "campaign.yaml"

    def _undecidable(self, left: set[str], taken: set[str]) -> set[str]:
        """Return which of the items left in doubt by a crash only a person can decide."""
        features = OFFERS[self.provider].features
        if Feature.IDEMPOTENT in features:
            return set()
        # What is in a list is found there; what is not may still arrive.
        return left - taken if Feature.LISTING in features else left

    def _settle(self, doubts: set[str]) -> None:
        """Decide each doubt as a person would who looks at the provider's list of tasks."""
        known = {address_of(task): task["task"] for task in self.tasks()}
        words = [
            word
            for address in sorted(doubts)
            for word in (
                ("--task", f"{address}={known[address]}")
                if address in known
                else ("--resubmit", address)
            )
        ]
        command = ["reconcile", str(self._manifest), "--root", str(self.root), "--quiet"]
        words = [*command, *self._addresses(), *words]
        assert 0 == process(command_line, words, self._environment())

    def _all_right(self) -> None:
        """One task an item, each clip its own, and what was billed is what the ledger holds."""
        tasks, records = self.tasks(), self.records()
        assert self.items == len(tasks)
        assert sorted(records) == sorted(address_of(task) for task in tasks)
        for task in tasks:
            assert records[address_of(task)].task == task["task"]
        self.shows_what_it_holds()
        if Feature.COST in OFFERS[self.provider].features:
            billed = sum((Decimal(task["usd"]) for task in tasks), Decimal(0))
            assert billed == sum((record.charged_usd for record in records.values()), Decimal(0))

    def _environment(self) -> Mapping[str, str]:
        return {OFFERS[self.provider].key_env: self.key}

    def _addresses(self) -> list[str]:
        return addressed(self.sandbox, [self.provider])


def ledger_records(root: Path, campaign: str) -> list[Record]:
    """Return what the ledger of a root holds of a campaign; nothing where there is none yet."""
    ledger = Ledger.reader(root)
    if ledger is None:
        return []
    with ledger:
        return list(ledger.records(campaign))


def addressed(sandbox: Sandbox, providers: Sequence[str]) -> list[str]:
    """Return the sandbox's addresses of providers, as words of a command line."""
    words = []
    for name in providers:
        told = sandbox.addresses[name]
        words += ["--base-url", f"{name}={told['base_url']}"]
        if "upload_url" in told:
            words += ["--base-url", f"{name}.upload={told['upload_url']}"]
    return words


def address_of(task: Mapping[str, Any]) -> str:
    """Tell which item a task is for, by its prompt: the sandbox is not told addresses here."""
    shot = "plain" if "on a table" in task["prompt"] else "turn"
    colour = next(word for word in _COLOURS if word in task["prompt"])
    return f"{shot}[{_COLOURS[colour]}]#1"


def campaign_run(words: Sequence[str]) -> int:
    """Run a campaign as `tests.crash.child` does."""
    return int(import_module("tests.crash.child").main(words))
