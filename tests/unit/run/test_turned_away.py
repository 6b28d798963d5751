"""Turned away with 429, 402 or 403 although it was taken: found again, never bought again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Budget, Feature, Offer, PricedItem
from pipeline.ledger.integrity import damage
from pipeline.ledger.intent_counter import read_counters
from pipeline.ledger.repository import Ledger
from pipeline.providers import apimart, runware
from pipeline.providers.base import Accepted, Fault, Response
from pipeline.storage.blobs import Store
from tests.unit.run import campaign as campaigns
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import OFFER, Provider

PRICE = Decimal("0.56")
IDEMPOTENT = replace(OFFER, features=frozenset({Feature.IDEMPOTENT, Feature.COST}))
NEITHER = replace(OFFER, features=frozenset({Feature.COST}))
LONG_AFTER_S = 7200.0
STOPPING = ("unpaid", "unauthorised")
WAIT = "throttled:290"
"""Two of these waits are within the time for which an id is known, three are not."""
LOST = ("lost",) * 8
"""So many submits that their growing waits take more than the rest of that time."""


def _like(offer: Offer) -> Provider:
    """Return the shop as a provider that knows an id for as long, and can be asked for as much."""
    known = replace(
        OFFER, dedupe_for_s=offer.dedupe_for_s, features=OFFER.features & offer.features
    )
    return Provider(known)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio whose provider takes an id twice, and cannot be asked for it."""
    return Studio(tmp_path, provider=Provider(IDEMPOTENT))


def purchases(studio: Studio) -> list[tuple[str, str, int]]:
    """Return client id, outcome and number of sends of every purchase."""
    database = studio.root / ".callsheet" / "ledger.db"
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT client_id, outcome, sends FROM purchases ORDER BY id"
        ).fetchall()


def holds_together(studio: Studio) -> bool:
    """Tell whether the ledger contradicts itself nowhere."""
    with Ledger.open(studio.root) as ledger:
        return not list(damage(ledger, Store(studio.root)))


def edited(name: str, body: str) -> PricedItem:
    """Return the same work with another request, as another option would make it."""
    usual = entry(name)
    request = {**usual.request, "body": {"id": "client:id", "prompt": body, "images": []}}
    return replace(usual, request=request)


@pytest.mark.parametrize("kind", ["throttled", "capacity"])
async def test_a_busy_reply_to_what_was_taken_buys_nothing_twice(studio: Studio, kind: str) -> None:
    """It is sent again under its own id, and is the task that was taken."""
    studio.shop.script.extend([f"took:{kind}", kind])

    outcome = await studio.make("a", "b")

    assert 0 == outcome.exit_code
    assert 2 == len(studio.shop.tasks)
    assert studio.shop.billed == outcome.committed_usd
    assert 4 == studio.shop.submits == sum(record.tries for record in studio.records())
    assert 2 == len(purchases(studio))
    assert holds_together(studio)


@pytest.mark.parametrize("kind", STOPPING)
async def test_held_for_want_of_money_it_keeps_its_id(studio: Studio, kind: str) -> None:
    """Once the account is topped up, any run sends the same id; nothing is bound till then."""
    studio.concurrency = 1
    studio.shop.script.append(f"took:{kind}")

    held = await studio.make("a", "b")
    assert (12, Decimal(0)) == (held.exit_code, held.committed_usd)
    studio.clock.advance(LONG_AFTER_S)
    studio.shop.script.append(kind)
    again = await studio.run()
    studio.clock.advance(LONG_AFTER_S)
    outcome = await studio.run()

    assert (12, 0) == (again.exit_code, outcome.exit_code)
    assert 2 == len(studio.shop.tasks)
    assert studio.shop.billed == outcome.committed_usd
    assert [3, 1] == [sends for _, _, sends in purchases(studio)]
    assert holds_together(studio)


@pytest.mark.parametrize("kind", STOPPING)
async def test_a_lane_that_stops_is_asked_for_its_last_task(tmp_path: Path, kind: str) -> None:
    """Another provider may be given the item next: what was taken here is found before that."""
    studio = Studio(tmp_path, concurrency=1)
    studio.shop.script.extend([f"took:{kind}"])

    outcome = await studio.make("a", "b")

    assert (12, ["done", "held"]) == (outcome.exit_code, studio.states())
    assert studio.shop.billed == outcome.committed_usd == PRICE
    assert 1 == studio.shop.submits


async def test_after_the_window_a_provider_that_can_be_asked_is_asked_first(
    studio: Studio,
) -> None:
    """It may have forgotten the id by then: its archive has not."""
    studio.shop.script.append("took:unpaid")
    await studio.make("a")
    studio.clock.advance(LONG_AFTER_S)
    studio.shop.forgets = True
    studio.provider = Provider()

    outcome = await studio.run()

    assert (0, 1) == (outcome.exit_code, studio.shop.submits)
    assert studio.shop.billed == outcome.committed_usd == PRICE
    assert holds_together(studio)


async def test_with_another_body_what_was_taken_is_collected(studio: Studio) -> None:
    """The same work under another option: the clip that was made for it is its clip."""
    studio.shop.script.append("took:unpaid")
    await studio.make("a")
    studio.provider = Provider()

    assert studio.admit([edited("a", "turn a, slowly")]).ok
    outcome = await studio.run()

    assert (0, 1) == (outcome.exit_code, studio.shop.submits)
    assert ["a"] == [task.body["prompt"] for task in studio.shop.tasks.values()]


async def test_an_id_is_as_old_as_its_first_send(tmp_path: Path) -> None:
    """Turned away every five minutes since it was taken: Runware's archive is asked in time."""
    studio = Studio(tmp_path, provider=_like(runware.OFFER))
    studio.shop.remembers_s = runware.OFFER.dedupe_for_s
    studio.shop.script.extend([f"took:{WAIT}", WAIT, WAIT])

    outcome = await studio.make("a")

    assert (0, 3) == (outcome.exit_code, studio.shop.submits)
    assert studio.shop.billed == outcome.committed_usd == PRICE
    assert holds_together(studio)


@pytest.mark.parametrize(("offer", "ended"), [(runware.OFFER, 0), (apimart.OFFER, 13)])
async def test_a_doubt_about_what_was_turned_away_is_as_old_as_its_first_send(
    tmp_path: Path, offer: Offer, ended: int
) -> None:
    """Nothing is sent again once that may be forgotten; who cannot be asked leaves it to a person.

    A later `reconcile` sends nothing either.
    """
    studio = Studio(tmp_path, provider=_like(offer))
    studio.shop.remembers_s = offer.dedupe_for_s
    studio.shop.script.extend([f"took:{WAIT}", WAIT, *LOST])

    outcome = await studio.make("a")
    studio.shop.script.clear()
    settled = await studio.run(settle_only=True)

    assert (ended, ended) == (outcome.exit_code, settled.exit_code)
    assert 1 == len(studio.shop.tasks)
    assert studio.shop.billed == settled.committed_usd == PRICE
    assert holds_together(studio)


async def test_a_look_up_in_vain_begins_the_time_of_an_id_anew(tmp_path: Path) -> None:
    """What the archive does not know after ten minutes was not taken: a doubt since is young."""
    studio = Studio(tmp_path, provider=_like(runware.OFFER))
    studio.shop.script.extend([WAIT, WAIT, WAIT, *LOST])

    outcome = await studio.make("a")

    assert (0, 1) == (outcome.exit_code, len(studio.shop.tasks))
    assert 1 == len(purchases(studio))
    assert studio.shop.billed == outcome.committed_usd == PRICE


async def test_a_wall_clock_that_was_set_back_makes_no_id_young(studio: Studio) -> None:
    """How long ago it was sent is told by the clock that nobody sets as well."""
    studio.shop.script.append("took:unpaid")
    await studio.make("a")
    a_minute_later = studio.clock.now() + timedelta(minutes=1)
    studio.clock.advance(LONG_AFTER_S)
    studio.clock.set_wall(a_minute_later)
    studio.shop.forgets = True
    studio.provider = Provider()

    outcome = await studio.run()

    assert (0, 1) == (outcome.exit_code, studio.shop.submits)
    assert studio.shop.billed == outcome.committed_usd == PRICE


@pytest.mark.parametrize("offer", [OFFER, IDEMPOTENT])
async def test_another_body_is_never_sent_under_the_old_id(tmp_path: Path, offer: object) -> None:
    """What is not there, as far as can be known, is sent anew."""
    studio = Studio(tmp_path, provider=Provider(offer))  # type: ignore[arg-type]
    studio.shop.script.append("unpaid")
    await studio.make("a")

    assert studio.admit([edited("a", "turn a, slowly")]).ok
    outcome = await studio.run()

    (task,) = studio.shop.tasks.values()
    assert (0, "turn a, slowly") == (outcome.exit_code, task.body["prompt"])
    first, second = purchases(studio)
    assert first[0] != second[0]
    assert "not_accepted" == first[1]


async def test_where_an_id_means_nothing_each_try_has_its_own(tmp_path: Path) -> None:
    """There a refusal is believed, as it is documented."""
    studio = Studio(tmp_path, provider=Provider(NEITHER))
    studio.shop.script.extend(["throttled", "throttled"])

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 3 == len({client_id for client_id, _, _ in purchases(studio)})


async def test_another_account_gets_another_id(studio: Studio) -> None:
    """It never heard of the first."""
    studio.shop.script.append("unauthorised")
    await studio.make("a")
    studio.key = "key-2"

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 2 == len({client_id for client_id, _, _ in purchases(studio)})


async def test_another_campaign_leaves_the_purchase_where_it_is_counted(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work for another campaign is its own try: no ledger looks as if it had lost one."""
    studio.shop.script.append("unpaid")
    await studio.make("a")
    monkeypatch.setattr(campaigns, "CAMPAIGN", "autumn")

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 2 == len(purchases(studio))
    assert {"spring": 1, "autumn": 1} == read_counters(studio.root)
    assert holds_together(studio)


@pytest.mark.parametrize("kind", ["rejected", "refused"])
async def test_what_was_refused_for_good_gets_another_id(studio: Studio, kind: str) -> None:
    """Asked for again by a person it is another try."""
    studio.shop.script.append(kind)
    await studio.make("a")

    outcome = await studio.run(retry=(kind,))

    assert 0 == outcome.exit_code
    assert ["refused", "charged"] == [outcome for _, outcome, _ in purchases(studio)]


class _Replays(Provider):
    """Answers from its records what it said before."""

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit."""
        found = super().read_submit(response, client_id)
        return replace(found, replayed=True) if isinstance(found, Fault) else found


async def test_a_refusal_from_the_records_uses_its_id_up(tmp_path: Path) -> None:
    """The provider would say the same for ever, and says that it took nothing."""
    studio = Studio(tmp_path, provider=_Replays(IDEMPOTENT))
    studio.shop.script.append("throttled")

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 2 == len({client_id for client_id, _, _ in purchases(studio)})


async def test_what_is_sent_again_is_reserved_again(studio: Studio) -> None:
    """A limit that was lowered meanwhile holds it, and its id is kept for later."""
    studio.shop.script.append("unpaid")
    await studio.make("a")
    studio.budget = Budget(limit_usd=Decimal("0.50"))

    held = await studio.run()
    studio.budget = Budget()
    outcome = await studio.run()

    assert (11, 0) == (held.exit_code, outcome.exit_code)
    assert [2] == [sends for _, _, sends in purchases(studio)]
    assert holds_together(studio)


async def test_a_lost_reply_to_what_was_sent_again_is_settled_by_the_same_id(
    studio: Studio,
) -> None:
    """A doubt about the second is one about both."""
    studio.shop.script.extend(["took:throttled", "lost", "lost"])

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 1 == len(studio.shop.tasks)
    assert studio.shop.billed == outcome.committed_usd


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", ["intent", "intended", "sent", "accepted", "polled"])
async def test_killed_while_it_is_sent_again_it_is_bought_once(
    studio: Studio, point: str, nth: int
) -> None:
    """Whatever the moment, the next run ends with one task and a ledger that holds together."""
    studio.shop.script.append("took:throttled")
    assert studio.admit([entry("a")]).ok
    seen = 0

    def kill(name: str) -> None:
        nonlocal seen
        seen += name == point
        if name == point and seen == nth:
            raise Killed

    if point in {"intent", "intended", "sent"} or nth == 1:
        with pytest.raises(Killed):
            await studio.run(checkpoint=kill)
    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 1 == len(studio.shop.tasks)
    assert studio.shop.billed == outcome.committed_usd
    assert holds_together(studio)
