"""What a watcher adds up from the events of a run is what the ledger has."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

from pipeline.ledger.repository import Ledger
from pipeline.report.run_progress import RunProgress, RunStart, RunTally
from pipeline.run.manual import list_sent
from tests.unit.run.campaign import CAMPAIGN, Studio, entry


def _start(studio: Studio, left: int, committed_usd: Decimal = Decimal(0)) -> RunStart:
    with Ledger.open(studio.root) as ledger:
        sent = {each.address: each.reserved_usd for each in list_sent(ledger, CAMPAIGN)}
    return RunStart(
        campaign=CAMPAIGN,
        at=studio.clock.now(),
        items=left,
        left=left,
        to_make=left - len(sent),
        expected_usd=(left - len(sent)) * Decimal("0.56"),
        committed_usd=committed_usd,
        reserved=sent,
    )


def _watched(studio: Studio, start: RunStart, now: datetime) -> RunProgress:
    tally = RunTally(start)
    for event in studio.events:
        tally.take(event)
    return tally.snapshot(now)


async def test_the_sums_of_the_events_are_those_of_the_ledger(tmp_path: Path) -> None:
    """Done, refused, failed free and bought again, in doubt and overdue: charged, set aside, all.

    Then the next run, which collects what the first one left.
    """
    studio = Studio(tmp_path)
    studio.admit([entry(name) for name in "abcdef"])
    start = _start(studio, 6)
    studio.shop.endings.extend(["done", "refused", "failed_free", "halfway", "done", "done"])
    await studio.run()

    now = _watched(studio, start, studio.clock.now())
    with Ledger.open(studio.root) as ledger:
        committed_usd = ledger.committed_usd(CAMPAIGN)
        records = list(ledger.records(CAMPAIGN))
    assert sum(record.reserved_usd for record in records) == now.reserved_usd > 0
    assert sum(record.charged_usd for record in records) == now.charged_usd > 0
    assert sum(record.possible_usd for record in records) == now.possible_usd > 0
    assert committed_usd == now.projected_usd
    assert (4, 1, 1, 0, 0) == (now.done, now.failed, now.in_doubt, now.in_flight, now.waiting)

    studio.events.clear()
    for task in studio.shop.tasks.values():
        task.ending = "done"
    after = _start(studio, 1, committed_usd)
    studio.admit([entry(name) for name in "abcdef"])
    await studio.run()

    now = _watched(studio, after, studio.clock.now())
    with Ledger.open(studio.root) as ledger:
        assert ledger.committed_usd(CAMPAIGN) == now.projected_usd
    assert (1, 0) == (now.done, now.in_doubt)
    assert not now.reserved_usd


async def test_what_a_provider_tells_is_handed_on_once_and_decides_nothing(tmp_path: Path) -> None:
    """The same half, asked for until the deadline, is one event; the item is overdue all the same.

    What is no longer under way is not said to be half done.
    """
    studio = Studio(tmp_path)
    studio.shop.endings.append("halfway")

    outcome = await studio.make("a")

    told = [event.detail["progress"] for event in studio.events if event.name == "progress"]
    assert (13, [0.5]) == (outcome.exit_code, told)
    (lane,) = _watched(studio, _start(studio, 1), studio.clock.now()).lanes
    assert () == lane.told
