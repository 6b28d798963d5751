"""Two processes run one campaign on a server's ledger: one is killed, or stopped and let go.

The server goes away while they work, their clocks differ, and requests go wrong.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from pipeline.domain.states import OWNED, State
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import jobs
from pipeline.providers import OFFERS
from tests.crash.kit import addressed, campaign_run
from tests.postgresql import PostgresqlServer
from tests.processes import started
from tests.sandboxes import Sandbox

KEY = "key-of-the-two-runs"
NAME = "twice"
ITEMS = 60
LEASE_S = 8.0
"""As short as a busy machine allows: it is renewed five times in it."""
LONG_LEASE_S = 120.0
"""Nobody waits for its end here."""
FIVE_MINUTES_S = 300
FREE_FAULTS = (
    *("throttled", "error", "drop", "error-after", "drop-after", "truncated-reply"),
    *("garbage-reply", "empty", "expired-link", "truncated-download"),
)
"""What goes wrong and costs nothing: every item is made in the end."""
TAKEN_OVER_IN_S = 10.0
SEEDS = [17, *(pytest.param(seed, marks=pytest.mark.drill) for seed in (18, 19))]
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.05
MOST = 10
"""How many clips the account of the shared lane makes at once, and how many it is sent a second."""
RUN_S = 0.8
TASK_S = 0.2
HELD_S = 600.0
"""How long a task takes that is not to end before the test lets it."""
_MANIFEST = """\
callsheet: 1
name: {name}
tables: {{numbers: {{file: numbers.csv, key: number, as: line}}}}
providers: {{{provider}: {{concurrency: {concurrency}, submit_rate: {rate}/s}}}}
shots:
  - id: wall
    for: numbers
    provider: {provider}
    mode: std
    duration: 5
    aspect_ratio: "9:16"
    prompt: "The number <{{{{ line.number }}}}> on a wall, no text."
policy: {{stop: off}}
budget: {{limit: 100 USD, unpriced: {{assume: 1.00 USD}}}}
"""


@dataclass(slots=True, kw_only=True)
class SharedCampaign:
    """A campaign of 60 clips whose ledger is on a server, for as many processes as are begun."""

    folder: Path
    sandbox: Sandbox
    url: str
    provider: str = "runware"
    concurrency: int = 12
    rate: int = 100
    runs: list[ForkServerProcess] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """Return the output root, a folder that all of them share."""
        return self.folder / "root"

    def write(self) -> None:
        """Write its manifest and table."""
        limits = {"concurrency": self.concurrency, "rate": self.rate}
        manifest = _MANIFEST.format(name=NAME, provider=self.provider, **limits)
        (self.folder / "twice.yaml").write_text(manifest, "utf-8")
        numbers = "".join(f"{number:04}\n" for number in range(ITEMS))
        (self.folder / "numbers.csv").write_text(f"number\n{numbers}", "utf-8")

    def begin(self, *further: str, lease_s: float = LEASE_S) -> ForkServerProcess:
        """Begin a run of it in a process of its own."""
        words = [str(self.folder / "twice.yaml"), str(self.root), *further]
        words += ["--lease", str(lease_s), *addressed(self.sandbox, [self.provider])]
        streams = self.folder / "said", self.folder / "complained"
        variables = {OFFERS[self.provider].key_env: KEY}
        run = started(campaign_run, words, variables, streams=streams)
        self.runs.append(run)
        return run

    def taken(self) -> Counter[str]:
        """Return how often each item was taken, by the number in its prompt."""
        prompts = [task["prompt"] for task in self.sandbox.tasks(self.provider)]
        return Counter(re.findall(r"<(\d+)>", " ".join(prompts)))

    def under_way(self, run: ForkServerProcess, states: Collection[State] = OWNED) -> int:
        """Count the jobs that a process has."""
        own = jobs.c.owner.startswith(f"process {run.pid} on ")
        return self._ask(
            select(func.count()).select_from(jobs).where(own, jobs.c.state.in_(states))
        )

    def hold_tasks(self) -> None:
        """Let no task end, so that nobody makes all clips before the other has begun."""
        self.sandbox.set(timing={"accept_s": 0, "run_s": HELD_S})

    def release_tasks(self, task_s: float = TASK_S) -> None:
        """Let all tasks end that are held; new ones take so long."""
        self.sandbox.set(timing={"accept_s": 0, "run_s": task_s})
        self.sandbox.advance(HELD_S)

    def wait_for_both(self, first: ForkServerProcess, second: ForkServerProcess) -> None:
        """Wait until both have jobs whose tasks are held, the first more than one.

        Each run waits for the end of its first task before it sends more: while that is held, who
        began earlier does not take all.
        """
        _until(lambda: all(self.under_way(run, {State.WAITING}) for run in (first, second)))
        self.sandbox.advance(HELD_S)
        _until(lambda: self.under_way(first) >= 2 and self.under_way(second) >= 1)

    def moments(self) -> list[float]:
        """Return when the provider took each task, in order."""
        return sorted(task["created_at"] for task in self.sandbox.tasks(self.provider))

    def states(self) -> Counter[str]:
        """Return how many items stand where."""
        reader = Ledger.reader(self.root)
        assert reader is not None
        with reader:
            return Counter(record.state for record in reader.records(NAME))

    def _ask(self, query: object) -> int:
        database = PostgresqlSchema(self.url)
        connection: Connection
        with closing(database.connect(readonly=True)) as connection, connection.begin():
            return connection.scalar(query) or 0  # type: ignore[call-overload]


@pytest.fixture
def campaign(
    tmp_path: Path, sandbox: Sandbox, postgresql_server: PostgresqlServer
) -> Iterator[SharedCampaign]:
    """Return a campaign that nobody runs yet; whoever is left running is killed."""
    sandbox.set(timing={"accept_s": 0, "run_s": TASK_S})
    url = postgresql_server.adopt(tmp_path / "root")
    found = SharedCampaign(folder=tmp_path, sandbox=sandbox, url=url)
    found.write()
    with Ledger.open(found.root):
        pass
    with _kill_what_is_left(found.runs):
        yield found


def test_when_one_is_killed_the_other_sees_it_and_makes_the_rest(campaign: SharedCampaign) -> None:
    """60 clips, each billed once: also those that the dead one was about to buy, or had bought.

    On one machine nobody waits for the end of a lease.
    """
    campaign.hold_tasks()
    killed, other = (campaign.begin(lease_s=LONG_LEASE_S) for _ in range(2))

    taken_after_s = _kill(campaign, killed, other)

    assert taken_after_s <= TAKEN_OVER_IN_S
    _hold(campaign, other)


@pytest.mark.parametrize(
    "ahead_s", [FIVE_MINUTES_S, pytest.param(-FIVE_MINUTES_S, marks=pytest.mark.drill)]
)
def test_when_a_machine_dies_its_lease_ends_by_the_server_s_clock(
    ahead_s: int, campaign: SharedCampaign
) -> None:
    """The clocks of the two are five minutes apart, and all is as if they were not."""
    campaign.hold_tasks()
    killed, other = campaign.begin("--elsewhere", "--ahead", str(ahead_s)), campaign.begin()

    taken_after_s = _kill(campaign, killed, other)

    assert taken_after_s <= LEASE_S + TAKEN_OVER_IN_S
    _hold(campaign, other)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(300)
def test_two_that_meet_faults_pay_each_item_once(seed: int, campaign: SharedCampaign) -> None:
    """A fifth of all requests goes wrong, at either of them, and nobody has anything to decide."""
    campaign.sandbox.set(chaos={"rate": 0.2, "seed": seed, "faults": list(FREE_FAULTS)})

    both = [campaign.begin(lease_s=LONG_LEASE_S) for _ in range(2)]

    _hold(campaign, *both)


@pytest.mark.parametrize(
    ("mode", "away_s"),
    [
        ("immediate", 5.0),
        *(pytest.param(mode, 30.0, marks=pytest.mark.drill) for mode in ("fast", "immediate")),
    ],
)
@pytest.mark.timeout(300)
def test_runs_wait_for_a_server_that_is_away(
    mode: str, away_s: float, campaign: SharedCampaign, postgresql_server: PostgresqlServer
) -> None:
    """Both go on when it is back, and say since when they waited; nothing is bought twice."""
    campaign.hold_tasks()
    both = [campaign.begin(lease_s=15.0) for _ in range(2)]
    campaign.wait_for_both(*both)
    postgresql_server.stop(mode)
    stopped = time.monotonic()
    campaign.release_tasks()
    _until(lambda: time.monotonic() - stopped > away_s)
    postgresql_server.start()

    _hold(campaign, *both)
    said = (campaign.folder / "said").read_text("utf-8")
    assert 2 == len(re.findall(r"server has not answered since \d\d:\d\d:\d\d UTC", said))
    assert 2 == len(re.findall(r"server is back after \d+ s: the run goes on", said))


def test_one_that_was_stopped_past_its_lease_writes_and_sends_no_more(
    campaign: SharedCampaign,
) -> None:
    """It comes back, finds that another has gone on with what it had, and says so."""
    campaign.hold_tasks()
    zombie, other = campaign.begin(), campaign.begin()
    campaign.wait_for_both(zombie, other)
    assert zombie.pid is not None
    os.kill(zombie.pid, signal.SIGSTOP)
    campaign.release_tasks()
    try:
        _until(lambda: not campaign.under_way(zombie))
    finally:
        os.kill(zombie.pid, signal.SIGCONT)
    zombie.join(_PATIENCE_S)
    other.join(_PATIENCE_S)

    assert zombie.exitcode
    assert "LeaseLost" in (campaign.folder / "complained").read_text("utf-8")
    _hold(campaign, other)


def test_two_have_no_more_at_once_than_one(campaign: SharedCampaign) -> None:
    """The provider never has more than ten of both: a task is made RUN_S after it was taken."""
    campaign.concurrency = MOST
    campaign.write()
    campaign.hold_tasks()
    both = [campaign.begin(), campaign.begin()]
    campaign.wait_for_both(*both)
    campaign.release_tasks(RUN_S)

    _hold(campaign, *both)
    assert _most_within(campaign.moments(), RUN_S) <= MOST


def test_who_is_left_has_all_places(campaign: SharedCampaign) -> None:
    """Once the dead one's lease is over, and what it had is taken up, one has ten."""
    campaign.concurrency = MOST
    campaign.write()
    campaign.hold_tasks()
    killed, other = campaign.begin(), campaign.begin()
    campaign.wait_for_both(killed, other)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    # Still held, so that it stays so once it has come to that.
    _until(lambda: campaign.under_way(other, {State.SUBMITTING, State.WAITING}) == MOST)
    campaign.release_tasks(RUN_S)

    _hold(campaign, other)
    assert _most_within(campaign.moments(), RUN_S) <= MOST


def test_two_share_the_pace_of_the_lane(campaign: SharedCampaign) -> None:
    """Both together send what one would, ten a second: twice as fast would be half the time."""
    campaign.rate = MOST
    campaign.write()
    campaign.hold_tasks()
    both = [campaign.begin(), campaign.begin()]
    campaign.wait_for_both(*both)
    held = len(campaign.moments())
    campaign.release_tasks()

    _hold(campaign, *both)
    moments = campaign.moments()[held:]
    # A machine that stalls can only make it longer, but for what waits at the beginning.
    assert moments[-1] - moments[0] >= 0.75 * len(moments) / MOST


@pytest.mark.drill
def test_two_that_are_left_alone_share_the_campaign(campaign: SharedCampaign) -> None:
    """Both end well when all is done, and each has made some."""
    campaign.hold_tasks()
    both = [campaign.begin(), campaign.begin()]
    campaign.wait_for_both(*both)
    campaign.release_tasks()

    _hold(campaign, *both)


def _kill(campaign: SharedCampaign, killed: ForkServerProcess, other: ForkServerProcess) -> float:
    """Kill one of two that work; return after how many seconds the other has what it had."""
    campaign.wait_for_both(killed, other)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    campaign.release_tasks()
    # Nobody sees that it is gone who could still find its number.
    killed.join()
    died = time.monotonic()
    _until(lambda: not campaign.under_way(killed))
    return time.monotonic() - died


def _hold(campaign: SharedCampaign, *runs: ForkServerProcess) -> None:
    """Hold that these end well, every item being made and billed once."""
    for run in runs:
        run.join(_PATIENCE_S)
    assert [0] * len(runs) == [run.exitcode for run in runs]
    assert {"done": ITEMS} == campaign.states()
    assert {f"{number:04}": 1 for number in range(ITEMS)} == campaign.taken()


def _most_within(moments: list[float], seconds: float) -> int:
    """Return how many moments there are at most in so many seconds."""
    return max(
        sum(first <= moment < first + seconds for moment in moments[number:])
        for number, first in enumerate(moments)
    )


def _until(condition: Callable[[], bool]) -> None:
    """Wait for other processes, for two minutes at most."""
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def _kill_what_is_left(runs: list[ForkServerProcess]) -> Iterator[None]:
    try:
        yield
    finally:
        for run in runs:
            if run.is_alive():
                run.kill()
                run.join()
