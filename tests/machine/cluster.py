"""A campaign that two nodes of a Ray cluster work on while parts of it die, and its reckoning."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pipeline.domain import Feature, Record
from pipeline.file_content import file_sha256
from pipeline.ledger.repository import Ledger
from pipeline.providers import OFFERS
from pipeline.sandbox.media_host import tag_mp4
from pipeline.sandbox.tasks import clip_texts
from pipeline.storage.blobs import Store
from pipeline.storage.fs import STATE_FOLDER
from tests.crash.kit import addressed
from tests.postgresql import PostgresqlServer
from tests.processes import begin_callsheet, run_callsheet
from tests.ray_cluster import RayCluster
from tests.sandboxes import PLAIN, Sandbox

KEY = "key-of-the-node"
EVERYTHING = ("kill_actor", "stop_server", "kill_node", "kill_driver", "hang_node")
"""What happens to a cluster, once each."""
SETTLES, ASKS = "runware", "unifically"
"""A provider that settles each doubt by itself, and one whose doubts a person decides."""
_NAME = "cluster"
_ROUNDS = 12
_LOOK_EVERY_S = 0.5
_BEGUN = "has begun to work"
"""What a run says of each node that works for it."""
_MANIFEST = """\
callsheet: 1
name: {name}
tables:
{tables}
defaults: {{mode: pro, duration: 5, aspect_ratio: "9:16"}}
shots:
{shots}
providers:
{providers}
policy: {{stop: off, deadline: 60m}}
budget: {{limit: 100000 USD, unpriced: {{assume: 1.00 USD}}}}
"""
_TABLE = "  {name}: {{file: {name}.csv, key: number, as: line}}\n"
_SHOT = """\
  - id: {name}
    for: {name}
    provider: {name}
    prompt: "{name} shows the number <{{{{ line.number }}}}> on a wall, no text."
"""
_PHOTO = '    references: {frames: {first: "photos/{{ line.number }}.png"}}\n'
_LANE = "  {name}: {{concurrency: {slots}, submit_rate: 100/s}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a drill is, and for how long what is away stays away."""

    settled: int
    """Items at the provider that settles doubts."""
    asked: int
    """Items at the one that cannot."""
    away_s: float
    """For how long the server of the ledger is stopped."""
    hung_s: float
    """For how long a node stands still: longer than a lease."""
    times: int
    """How often each thing happens."""
    slots: int = 10
    """Clips of each provider at once, on each node."""
    patience_s: float = 400.0

    @property
    def items(self) -> Mapping[str, int]:
        """Return how many items there are, by provider."""
        return {SETTLES: self.settled, ASKS: self.asked}


@dataclass(slots=True, kw_only=True)
class ClusterDrill:
    """One campaign on a cluster, a server and a sandbox of its own."""

    size: Size
    folder: Path
    sandbox: Sandbox
    server: PostgresqlServer
    cluster: RayCluster
    store: str = ""
    """The store that machines share, where they share no disk: then each item has a photo."""
    happenings: Sequence[str] = EVERYTHING
    url: str = ""
    done: list[str] = field(default_factory=list)
    """What happened to the cluster, in order."""
    exit_codes: list[int | None] = field(default_factory=list)
    billed_twice: set[str] = field(default_factory=set)
    decided: int = 0
    seconds: float = 0.0
    _driver: ForkServerProcess | None = None

    def play(self, *, rounds: int = _ROUNDS) -> None:
        """Run it to its end, whatever happens meanwhile, and again while it ends otherwise."""
        began = time.monotonic()
        self._write()
        self._begin()
        happenings = [*self.happenings] * self.size.times
        total = sum(self.size.items.values())
        for number, name in enumerate(happenings, 1):
            # First: a node takes a while to start, in which hundreds of clips come. So a quarter
            # of all is left at the last: a driver that is killed leaves some to its heir.
            self.cluster.fill_up()
            self._until_clips(total * number * 4 // (5 * len(happenings) + 4))
            getattr(self, f"_{name}")()
            self.done.append(name)
        self._finish(rounds)
        self.seconds = time.monotonic() - began

    def taken(self, provider: str) -> Counter[str]:
        """Return how often each item was billed, by its number."""
        tasks = [task for task in self.sandbox.tasks(provider) if Decimal(task["usd"])]
        return Counter(number for task in tasks for number in _numbers(task["prompt"]))

    def states(self) -> Counter[str]:
        """Return how many items stand where."""
        return Counter(record.state for record in self._records())

    def find_wrong(self) -> list[str]:
        """Return the items at whose path is not, byte for byte, what the sandbox has for them."""
        store = Store(self._root)
        rendered = [clip.read_bytes() for clip in (self.sandbox.state / "clips").glob("*.mp4")]
        prompts = {
            (name, task["task"]): task["prompt"]
            for name in self.size.items
            for task in self.sandbox.tasks(name)
        }

        def is_right(record: Record) -> bool:
            clip = self._root / _NAME / (record.path or "missing")
            prompt = prompts.get((record.provider, record.task), "")
            if not clip.is_file() or _numbers(prompt) != _numbers(record.prompt):
                return False
            told = clip_texts(record.task, prompt)
            served = [
                tag_mp4(each, comment=told["comment"], title=told["title"]) for each in rendered
            ]
            digests = {hashlib.sha256(each).hexdigest() for each in served}
            return digests >= {file_sha256(clip), file_sha256(store.path(record.sha256, "mp4"))}

        return [record.address for record in self._records() if not is_right(record)]

    def find_leftovers(self) -> list[str]:
        """Return the temporary files that lie about below the root."""
        parts = (self._root / STATE_FOLDER / "parts").rglob("*")
        return sorted(str(path) for path in [*parts, *self._root.rglob("*.par?")])

    @property
    def said(self) -> str:
        """Return all that the drivers have printed."""
        return "".join(file.read_text("utf-8") for file in self._streams)

    @property
    def sentence(self) -> str:
        """Return what happened, in one line."""
        return (
            f"{sum(self.size.items.values())} items on two nodes, {', '.join(self.done)}:"
            f" exit codes {self.exit_codes}, {self.decided} doubts decided by a person,"
            f" {len(self.billed_twice)} billed twice, {dict(self.states())}, {self.seconds:.0f} s"
        )

    @property
    def _root(self) -> Path:
        return self.folder / "outputs"

    @property
    def _manifest(self) -> Path:
        return self.folder / "cluster.yaml"

    @property
    def _streams(self) -> tuple[Path, Path]:
        return self.folder / "said", self.folder / "complained"

    def _write(self) -> None:
        self.url = self.server.ledger()
        (self.folder / "callsheet.toml").touch()
        for name, number in self.size.items.items():
            rows = "".join(f"{each:05}\n" for each in range(number))
            (self.folder / f"{name}.csv").write_text(f"number\n{rows}", "utf-8")
        names, slots, photo = self.size.items, self.size.slots, _PHOTO if self.store else ""
        manifest = _MANIFEST.format(
            name=_NAME,
            tables="".join(_TABLE.format(name=name) for name in names),
            shots="".join(_SHOT.format(name=name) + photo for name in names),
            providers="".join(_LANE.format(name=name, slots=slots) for name in names),
        )
        self._manifest.write_text(manifest, "utf-8")

    def _begin(self) -> None:
        words = ["run", str(self._manifest), "--yes", "--ledger", self.url]
        words += [*self._addresses(), "--engine", self.cluster.address]
        words += ["--store", self.store] if self.store else []
        self._driver = begin_callsheet(
            words, self._variables(), streams=self._streams, folder=self.folder
        )

    def _kill_actor(self) -> None:
        # There may be none for a moment, after what happened just before.
        found: list[int] = []

        def look() -> bool:
            found[:] = self.cluster.find_actors()
            return bool(found)

        self._until(look)
        os.kill(found[0], signal.SIGKILL)

    def _kill_node(self) -> None:
        self.cluster.kill_node()

    def _kill_driver(self) -> None:
        assert self._driver is not None
        self._driver.kill()
        self._driver.join()
        begun = self.said.count(_BEGUN)
        self._begin()
        # A command that begins while the ledger cannot be had is refused at once.
        self._until(lambda: self.said.count(_BEGUN) > begun)

    def _stop_server(self) -> None:
        self.server.stop()
        time.sleep(self.size.away_s)
        self.server.start()

    def _hang_node(self) -> None:
        self.cluster.hang_node(self.size.hung_s)

    def _finish(self, rounds: int) -> None:
        """Wait for the run's end, decide what is in doubt, and run again, until all is well."""
        for number in range(rounds):
            if number:
                self._decide_doubts()
                self._begin()
            assert self._driver is not None
            self._driver.join(self.size.patience_s)
            self.exit_codes.append(self._driver.exitcode)
            self.billed_twice |= {
                f"{name} {number}"
                for name in self.size.items
                for number, times in self.taken(name).items()
                if times > 1
            }
            assert self._driver.exitcode is not None, f"it does not end: {self.said}"
            if self._driver.exitcode == 0:
                return

    def _decide_doubts(self) -> None:
        """Decide as a person would who looks at the provider's list of tasks."""
        doubts = [record for record in self._records() if record.state == "in_doubt"]
        known = {
            (name, number): task["task"]
            for name in self.size.items
            for task in self.sandbox.tasks(name)
            for number in _numbers(task["prompt"])
        }
        words: list[str] = []
        for record in doubts:
            (number,) = _numbers(record.prompt)
            task = known.get((record.provider, number))
            words += ["--task", f"{record.address}={task}"] if task else []
            words += [] if task else ["--resubmit", record.address]
        if not words:
            return
        self.decided += len(doubts)
        command = ["reconcile", str(self._manifest), "--ledger", self.url, *self._addresses()]
        run_callsheet([*command, *words], self._variables(), folder=self.folder)

    def _until_clips(self, number: int) -> None:
        """Wait until there are so many clips, while somebody works on them."""
        self._until(lambda: sum(1 for _ in self._clips()) >= number)

    def _until(self, condition: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + self.size.patience_s
        while not condition():
            assert self._is_at_work(), f"the run has ended: {self.done} {self.said}"
            assert time.monotonic() < ends_at, f"nothing comes: {self.done} {self.said}"
            time.sleep(_LOOK_EVERY_S)

    def _clips(self) -> Iterator[Path]:
        return (self._root / _NAME).rglob("*.mp4")

    def _is_at_work(self) -> bool:
        return self._driver is not None and self._driver.is_alive()

    def _records(self) -> list[Record]:
        reader = Ledger.reader(self._root)
        assert reader is not None
        with reader:
            return list(reader.records(_NAME))

    def _addresses(self) -> list[str]:
        return addressed(self.sandbox, [*self.size.items])

    def _variables(self) -> dict[str, str]:
        return {**keys(), **self.cluster.variables}


def keys() -> dict[str, str]:
    """Return the keys of the two providers, as a node has them in its environment."""
    assert Feature.IDEMPOTENT in OFFERS[SETTLES].features
    assert not OFFERS[ASKS].features & {Feature.IDEMPOTENT, Feature.FIND, Feature.LISTING}
    return {OFFERS[name].key_env: KEY for name in (SETTLES, ASKS)}


def scenario(run_s: float) -> dict[str, Any]:
    """Return the sandbox's scenario: clips of one colour, rendered once, after so many seconds."""
    return {**PLAIN, "timing": {"accept_s": 0, "run_s": run_s}}


def _numbers(prompt: str) -> list[str]:
    return re.findall(r"<(\d+)>", prompt)
