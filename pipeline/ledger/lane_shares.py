"""How a lane's limits are split among the processes that work with a ledger.

Each owner tells about once a second what it wants of a lane, and gets its fair share as far as the
others have given theirs back: what all of them may have in flight is never more than the lane's
most. A share ends with its owner's lease. The rows also tell who still begins items of a campaign
with a provider: what one process cannot make is held by the last of them only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from pipeline.domain.states import State
from pipeline.ledger.connection import upsert
from pipeline.ledger.owners import (
    count_planned,
    owner_of,
    select_living,
)
from pipeline.ledger.sql_schema import (
    campaigns,
    jobs,
    lane_shares,
    purchases,
    still_unsettled,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDemand:
    """What a process tells of one of its lanes."""

    provider: str
    account: str
    """The name of the account; empty for the one that has none."""
    fingerprint: str
    """That of its key: two names for one key are one account."""
    most: int
    """How many at once there may be over all processes, as far as this one knows."""
    steered: bool = False
    """A person has said so to this process, and no other knows it yet."""
    wanted: int
    """How many it would have in flight if it had all of the lane."""
    kept: int
    """How many may be in flight until it has heard the answer: so many it does not give back."""
    begins: bool = True
    """Whether it begins new items with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneShare:
    """What a process may use of a lane until it asks again."""

    places: int
    """How many it may have in flight; while there are more, it submits nothing."""
    held: int
    """How many the others leave to it: `places`, or more while more are in flight."""
    most: int
    """How many there may be over all processes."""
    steered: bool
    """Whether that is a person's word, to whichever process."""
    is_alone: bool
    """Whether no other process works with the account."""


def renew(
    connection: Connection, *, campaign: str, demands: Sequence[LaneDemand]
) -> list[LaneShare]:
    """Write what this connection's owner wants of its lanes; return what it may use of each."""
    connection.execute(delete(lane_shares).where(lane_shares.c.owner.not_in(select_living())))
    rows = connection.execute(select(lane_shares)).all()
    abandoned = _count_abandoned(connection, campaign)
    own = _count_own(connection)
    shares = []
    for demand in demands:
        elsewhere = [each.fingerprint for each in demands if each is not demand]
        share, row = _split_off(demand, _Lane.of(connection, demand, rows, elsewhere), abandoned)
        # What it has taken up since it has said what it wants is more than it has said.
        row["held"] = max(row["held"], own[demand.provider, demand.account])
        named = {"provider": demand.provider, "account": demand.account, "campaign": campaign}
        _write(connection, {**named, "fingerprint": demand.fingerprint, **row})
        shares.append(share)
    return shares


def add_claimed(connection: Connection, *, provider: str, accounts: Mapping[str, int]) -> None:
    """Count what this connection's owner has just taken up of a provider, by account, as held.

    Until it asks for its share again nobody else would: it is no longer abandoned.
    """
    for account, number in accounts.items():
        connection.execute(
            update(lane_shares)
            .where(
                lane_shares.c.owner == owner_of(connection).name,
                lane_shares.c.provider == provider,
                lane_shares.c.account == account,
            )
            .values(held=lane_shares.c.held + number)
        )


def release(connection: Connection) -> None:
    """Leave all lanes of this connection's owner to others: it has nothing in flight any more."""
    connection.execute(delete(lane_shares).where(lane_shares.c.owner == owner_of(connection).name))


def leave(connection: Connection, *, campaign: str, known: Mapping[str, int]) -> bool:
    """Begin nothing more of a campaign; False, and nothing is written, if there is more to begin.

    That is more planned than is `known`, for one of those providers: somebody has given it back.
    """
    planned = count_planned(connection, campaign=campaign)
    if any(planned[provider] > number for provider, number in known.items()):
        return False
    mine = lane_shares.c.owner == owner_of(connection).name
    connection.execute(update(lane_shares).where(mine).values(begins=0))
    return True


def do_as_last(
    connection: Connection,
    *,
    campaign: str,
    provider: str,
    operation: Callable[[Connection], T],
    otherwise: T,
) -> T:
    """Do what gives up a provider's items, unless another process goes on with them."""
    others = select(func.count()).where(
        lane_shares.c.owner.in_(select_living()),
        lane_shares.c.owner != owner_of(connection).name,
        lane_shares.c.campaign == campaign,
        lane_shares.c.provider == provider,
        lane_shares.c.begins == 1,
    )
    return otherwise if connection.scalar(others) else operation(connection)


def split(most: int, wanted: Mapping[str, int], having: Iterable[str] = ()) -> dict[str, int]:
    """Split places among those who want some: evenly, but nobody gets more than it wants.

    What nobody wants is split as well: whoever comes to want more has it at once. Where there are
    fewer places than takers, those come first that have none now (not `having`): each has its turn.
    """
    wants = {name: min(number, most) for name, number in wanted.items()}
    takes_turns = most < sum(number > 0 for number in wants.values())
    last = frozenset(having) if takes_turns else frozenset[str]()
    # Who comes first gets the least: what is left over by rounding falls to the end of the line.
    order = sorted(wants, key=lambda name: (name not in last, wants[name], name))
    shares, left = dict.fromkeys(order, 0), most
    for limits in (wants, dict.fromkeys(order, most)):
        for number, name in enumerate(order):
            more = min(limits[name] - shares[name], left // (len(order) - number))
            shares[name] += more
            left -= more
    return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """A lane as its owner's row and those of the other processes tell it."""

    mine: str
    said: int
    """The number of the person's word that this process knows; 0 where it knows none."""
    holds: bool
    others: Sequence[Any]

    @classmethod
    def of(
        cls,
        connection: Connection,
        demand: LaneDemand,
        rows: Sequence[Any],
        elsewhere: Sequence[str],
    ) -> _Lane:
        """Find it among all rows; `elsewhere` are the keys of this process's other lanes."""
        mine, name = owner_of(connection).name, (demand.provider, demand.account)
        own = next((r for r in rows if (r.owner, r.provider, r.account) == (mine, *name)), None)
        others = [
            row
            for row in rows
            if row.owner != mine
            and row.provider == demand.provider
            # As `find_account`: the key counts first, and a name where the key is unknown here.
            and (
                row.fingerprint == demand.fingerprint
                or (row.account == demand.account and row.fingerprint not in elsewhere)
            )
        ]
        return cls(
            mine=mine,
            said=own.said if own else 0,
            holds=bool(own and own.held),
            others=others,
        )


def _split_off(
    demand: LaneDemand, lane: _Lane, abandoned: Mapping[tuple[str, str], int]
) -> tuple[LaneShare, dict[str, int]]:
    """Return a process's share of a lane, and what its row says from now on."""
    most, said = _most(demand, lane)
    # By their settings alone processes may differ: then the least counts.
    in_all = most if said else min([most, *(row.most for row in lane.others)])
    # What a process that is gone had in flight is still the provider's, until somebody settles it.
    there = max(0, in_all - abandoned[demand.provider, demand.account])
    wanted, held = Counter({lane.mine: demand.wanted}), Counter[str]()
    for row in lane.others:
        wanted[row.owner] += row.wanted
        held[row.owner] += row.held
    having = [*(name for name, number in held.items() if number), *([lane.mine] * lane.holds)]
    places = min(split(there, wanted, having)[lane.mine], max(0, there - held.total()))
    share = LaneShare(
        places=places,
        held=max(places, demand.kept),
        most=in_all,
        steered=said > 0,
        is_alone=not lane.others,
    )
    row = {"most": most, "said": said, "wanted": demand.wanted, "begins": int(demand.begins)}
    return share, {**row, "held": share.held}


def _most(demand: LaneDemand, lane: _Lane) -> tuple[int, int]:
    """Return how many there may be over all, and the number of the person's word that says so."""
    latest = max(lane.others, key=lambda row: int(row.said), default=None)
    said = latest.said if latest is not None else 0
    if demand.steered:
        return demand.most, 1 + max(said, lane.said)
    if latest is not None and said > lane.said:
        return int(latest.most), said
    return demand.most, lane.said


def _write(connection: Connection, row: Mapping[str, Any]) -> None:
    index = ["owner", "provider", "account"]
    written = upsert(lane_shares).values(owner=owner_of(connection).name, **row)
    changed = {name: value for name, value in row.items() if name not in index}
    connection.execute(written.on_conflict_do_update(index_elements=index, set_=changed))


def _count_abandoned(connection: Connection, campaign: str) -> Counter[tuple[str, str]]:
    """Count a campaign's tasks that the provider has and nobody has a share for, by account.

    Also what somebody was sending as his process ended; not what waits for a person's word.
    """
    cut_off = (jobs.c.state == State.IN_DOUBT.value) & (jobs.c.cause == "")
    # Nobody's, or of whoever has just begun: he takes up tasks before he has a share.
    without_share = jobs.c.owner.not_in(select(lane_shares.c.owner))
    return _count(
        connection,
        (jobs.c.state == State.WAITING.value) | cut_off,
        without_share,
        campaigns.c.name == campaign,
    )


def _count_own(connection: Connection) -> Counter[tuple[str, str]]:
    """Count what the provider has, or is about to have, of this connection's owner, by account."""
    is_sent = jobs.c.state == State.WAITING.value
    return _count(
        connection,
        is_sent | (jobs.c.state == State.SUBMITTING.value),
        jobs.c.owner == owner_of(connection).name,
    )


def _count(connection: Connection, *which: ColumnElement[bool]) -> Counter[tuple[str, str]]:
    query = (
        select(jobs.c.provider, purchases.c.account, func.count())
        .join(purchases, purchases.c.id == jobs.c.purchase_id)
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(still_unsettled, *which)
        .group_by(jobs.c.provider, purchases.c.account)
    )
    return Counter({(row[0], row[1]): row[2] for row in connection.execute(query)})
