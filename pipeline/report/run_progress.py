"""The events of a run become how it stands at a moment: what a panel shows and a log says.

Counted as the events come and never looked through again: a run of a million items is drawn four
times a second. The clock is the caller's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from pipeline.domain import EMPTY, Event
from pipeline.domain.item import place_of
from pipeline.domain.states import AT_REST, AT_WORK, ENDED, FINISHED, LEFT_OPEN, State

PROGRESS = "progress"
"""The event that hands on how far a provider says that a task is."""
RATE_WINDOW_S = 300
"""A rate is that of the last five minutes: providers get faster and slower."""
_FEWEST = 3
"""Clips without which a rate would be a guess."""
_NOTHING = Decimal(0)
_RELEASED = frozenset(State) - LEFT_OPEN - {State.STAGING, State.SUBMITTING, State.WAITING}
"""States in which nothing is set aside for an item any more."""
_TROUBLES = frozenset(
    {
        *(State.FAILED, State.OFF_SPEC, State.IN_DOUBT, State.OVERDUE, State.HELD),
        *("throttled", "lane_stopped", "overcharged", "unanswered", "unknown_word"),
        *("unread_charge", "not_shown", "left_alone", "damaged_clip", "account_missing"),
    }
)
"""Events of what went wrong, for the line that tells the last of it."""
_WENT_BADLY = (ENDED | LEFT_OPEN) - {State.DONE}
_STATES = frozenset(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """What a run began with: progress is measured against it."""

    campaign: str
    at: datetime
    profile: str = ""
    rehearsal: bool = False
    items: int = 0
    """All works that are selected; items that share a purchase are one work."""
    done: int = 0
    """Those whose clip was there before."""
    left: int = 0
    """Those that the run is to make or to collect."""
    to_make: int = 0
    """Those of `left` that it is to buy."""
    expected_usd: Decimal = _NOTHING
    """What buying them is expected to cost; those of unknown price are not in it."""
    unpriced: int = 0
    committed_usd: Decimal = _NOTHING
    """Charged, reserved and possible over the manifest's life, before the run."""
    limit_usd: Decimal | None = None
    """What the manifest may commit over its life."""
    cap_usd: Decimal | None = None
    """What this run may commit."""
    reserved: Mapping[str, Decimal] = field(default_factory=lambda: EMPTY)
    """By address, what is set aside for what earlier runs sent."""
    places: int = 0
    """Those of shots that have a loop of takes, with anything selected."""
    approved: int = 0
    """Those of `places` that are approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneProgress:
    """How one provider's part of a run stands."""

    name: str
    in_flight: int
    done: int
    failed: int
    charged_usd: Decimal
    told: tuple[float, ...]
    """How far the provider says that its tasks are, from 0 to 1, the furthest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """How a run stands at a moment."""

    start: RunStart
    at: datetime
    done: int
    """Works whose clip is there and in spec, those from before the run too."""
    off_spec: int
    failed: int
    in_doubt: int
    """In doubt or overdue: paid for, or perhaps paid for, with no known end."""
    held: int
    in_flight: int
    waiting: int
    """Works that are not begun yet, or stand in line again."""
    charged_usd: Decimal
    """In this run, as all sums but `projected_usd`."""
    possible_usd: Decimal
    reserved_usd: Decimal
    """Set aside now, for what earlier runs sent too."""
    projected_usd: Decimal
    """What the manifest will have committed over its life when all that waits is made as planned.

    What is in flight counts as it is reserved: at its highest price.
    """
    per_minute: float | None
    """Clips that came in, over the last minutes; None where there are too few to say."""
    ends_at: datetime | None
    """When it ends at that rate; None where there is none, or nothing is left."""
    places: int
    """Places to which the run has brought a clip to decide on."""
    trouble: Event | None
    """What went wrong last."""
    lanes: Sequence[LaneProgress]

    @property
    def share(self) -> float:
        """How much of all works has its clip, from 0 to 1."""
        return self.done / self.start.items if self.start.items else 1.0


@dataclass(slots=True)
class _LaneTally:
    """What one lane has done since the run began."""

    states: Counter[State] = field(default_factory=Counter)
    charged_usd: Decimal = _NOTHING
    told: dict[str, float] = field(default_factory=dict)


class RunTally:
    """Takes the events of a run one by one, and says at any time how it stands.

    tally = RunTally(RunStart(campaign="mugs", at=clock.now(), items=6, left=6))
    tally.take(event)
    tally.snapshot(clock.now()).in_flight
    """

    def __init__(self, start: RunStart) -> None:
        self.start = start
        self._lanes: dict[str, _LaneTally] = {}
        self._stands: dict[str, tuple[str, State]] = {}
        """By address: its lane, and the state that it was last told to be in."""
        self._reserved = dict(start.reserved)
        self._reserved_usd = sum(start.reserved.values(), _NOTHING)
        self._reserved_before_usd = self._reserved_usd
        self._possible_usd = _NOTHING
        self._landed: deque[datetime] = deque()
        self._places: set[str] = set()
        self._trouble: Event | None = None

    def take(self, event: Event) -> None:
        """Count one event."""
        if event.name in _TROUBLES:
            self._trouble = event
        if not event.provider:
            return
        lane = self._lanes.setdefault(event.provider, _LaneTally())
        # An overcharge repeats the sum of the event before it, to name it.
        if event.name in _STATES:
            lane.charged_usd += event.detail.get("charged_usd", _NOTHING)
            self._possible_usd += event.detail.get("possible_usd", _NOTHING)
            self._move(event, State(event.name))
        elif event.name == PROGRESS:
            lane.told[event.address] = event.detail[PROGRESS]

    def _move(self, event: Event, state: State) -> None:
        lane, address = self._lanes[event.provider], event.address
        before = self._stands.get(address)
        if before is not None:
            self._lanes[before[0]].states[before[1]] -= 1
        self._stands[address] = (event.provider, state)
        lane.states[state] += 1
        if state is not State.WAITING:
            lane.told.pop(address, None)
        if state in FINISHED:
            self._landed.append(event.at)
        if state is State.DONE and self.start.places:
            self._places.add(place_of(address))
        reserved_usd = event.detail.get("reserved_usd")
        if state in _RELEASED or reserved_usd is not None:
            self._reserved_usd -= self._reserved.pop(address, _NOTHING)
        if reserved_usd is not None:
            self._reserved[address] = reserved_usd
            self._reserved_usd += reserved_usd

    def snapshot(self, now: datetime) -> RunProgress:
        """Return how the run stands."""
        start, counts = self.start, Counter[State]()
        for lane in self._lanes.values():
            counts.update(lane.states)
        in_flight = sum(counts[state] for state in AT_WORK)
        at_rest = sum(counts[state] for state in AT_REST - {State.PLANNED})
        waiting = max(0, start.left - in_flight - at_rest)
        charged_usd = sum((lane.charged_usd for lane in self._lanes.values()), _NOTHING)
        bound_usd = charged_usd + self._possible_usd + self._reserved_usd
        # Each work that waits is expected at the plan's average.
        share = Decimal(min(waiting, start.to_make)) / max(1, start.to_make)
        expected_usd = round(start.expected_usd * share, 4)
        per_minute = self._rate(now)
        to_come, ends_at = waiting + in_flight, None
        if per_minute and to_come:
            ends_at = now + timedelta(minutes=to_come / per_minute)
        return RunProgress(
            start=start,
            at=now,
            done=start.done + counts[State.DONE],
            off_spec=counts[State.OFF_SPEC],
            failed=counts[State.FAILED] + counts[State.ABANDONED],
            in_doubt=sum(counts[state] for state in LEFT_OPEN),
            held=counts[State.HELD],
            in_flight=in_flight,
            waiting=waiting,
            charged_usd=charged_usd,
            possible_usd=self._possible_usd,
            reserved_usd=self._reserved_usd,
            projected_usd=start.committed_usd
            - self._reserved_before_usd
            + bound_usd
            + expected_usd,
            per_minute=per_minute,
            ends_at=ends_at,
            places=len(self._places),
            trouble=self._trouble,
            lanes=[
                LaneProgress(
                    name=name,
                    in_flight=sum(lane.states[state] for state in AT_WORK),
                    done=lane.states[State.DONE],
                    failed=sum(lane.states[state] for state in _WENT_BADLY),
                    charged_usd=lane.charged_usd,
                    told=tuple(sorted(lane.told.values(), reverse=True)),
                )
                for name, lane in sorted(self._lanes.items())
            ],
        )

    def _rate(self, now: datetime) -> float | None:
        since = now - timedelta(seconds=RATE_WINDOW_S)
        while self._landed and self._landed[0] < since:
            self._landed.popleft()
        elapsed_s = (now - max(since, self.start.at)).total_seconds()
        if len(self._landed) < _FEWEST or elapsed_s <= 0:
            return None
        return len(self._landed) * 60 / elapsed_s
