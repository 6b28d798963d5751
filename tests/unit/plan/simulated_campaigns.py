"""Campaigns whose yield is known, drawn from what the model of the forecast does not assume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from pipeline.plan.campaign_forecast import PlaceProgress, TakeVerdict

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a campaign consists of, and what may be tried."""

    shots: NDArray[np.int64]
    groups: NDArray[np.int64]
    rows: NDArray[np.int64]
    takes: int
    rounds: tuple[int, ...]
    prices: Sequence[Decimal]
    """By shot."""
    off_share: float
    in_written_order: bool
    """Whether clips are looked at in the order of the places, or in any."""
    cells: int = 1
    """Places that lie side by side and are tried in turn until one of them is approved."""

    @property
    def cell(self) -> NDArray[np.int64]:
        """Return which of its row's cells a place is."""
        return np.arange(len(self.shots)) % self.cells

    def in_turn(self, cells: int) -> Layout:
        """Return the same with each place divided into cells, of which one is to be approved."""
        divided = {name: getattr(self, name).repeat(cells) for name in ("shots", "groups", "rows")}
        return replace(self, cells=cells, **divided)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The chance of every place's next take, which nobody knows."""

    chances: Floats
    shift: Callable[[float], float] = field(default=lambda _: 0.0)
    """What is added to the logit when this share of the campaign is over."""

    def chance(self, place: int, progress: float) -> float:
        """Return how likely a take of the place is approved."""
        chance = float(np.clip(self.chances[place], 1e-6, 1 - 1e-6))
        odds = chance / (1 - chance) * float(np.exp(self.shift(progress)))
        return odds / (1 + odds)


Generator = Callable[[np.random.Generator, Layout], Truth]


def draw_layout(rng: np.random.Generator, most_places: int) -> Layout:
    """Return a campaign of 50 to so many places, in one to eight shots."""
    shots = int(rng.integers(1, 9))
    rows = max(4, round(float(np.exp(rng.uniform(np.log(50), np.log(most_places)))) / shots))
    groups = int(rng.integers(1, 13))
    if rows * shots < 50:
        rows = -(-50 // shots)
    of_rows = np.sort(rng.integers(groups, size=rows))
    schedules = ((1, 1, 2, 2, 3, 3), (1, 1, 2, 2), (1,), (2, 2, 2), (1, 2, 3))
    return Layout(
        shots=np.repeat(np.arange(shots), rows),
        groups=np.tile(of_rows, shots),
        rows=np.tile(np.arange(rows), shots),
        takes=int(rng.choice([4, 6, 8, 12])),
        rounds=schedules[int(rng.integers(len(schedules)))],
        prices=[Decimal(int(rng.integers(20, 150))) / 100 for _ in range(shots)],
        off_share=float(rng.choice([0.0, 0.0, 0.05, 0.15])),
        in_written_order=bool(rng.integers(2)),
    )


def _mean(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.16, 0.5))


def two_clusters(rng: np.random.Generator, layout: Layout) -> Truth:
    """Places that mostly come out, and others that seldom do."""
    hard = rng.random(len(layout.shots)) < rng.uniform(0.1, 0.4)
    easy = rng.uniform(0.3, 0.6)
    return Truth(chances=np.where(hard, rng.uniform(0.02, 0.12), easy))


def three_clusters(rng: np.random.Generator, layout: Layout) -> Truth:
    """Three kinds of places, in other shares in each shot."""
    shares = rng.dirichlet([4, 6, 2], size=layout.shots.max() + 1)
    kinds = np.array([rng.choice(3, p=shares[shot]) for shot in layout.shots])
    return Truth(chances=np.array([rng.uniform(0.5, 0.7), rng.uniform(0.2, 0.35), 0.04])[kinds])


def alike(rng: np.random.Generator, layout: Layout) -> Truth:
    """Beta with a high concentration: places hardly differ."""
    mean = _mean(rng)
    return Truth(chances=rng.beta(40 * mean, 40 * (1 - mean), size=len(layout.shots)))


def spread_wide(rng: np.random.Generator, layout: Layout) -> Truth:
    """Beta with a low concentration: many places nearly never come out."""
    mean, size = _mean(rng), rng.uniform(1.0, 3.0)
    return Truth(chances=rng.beta(size * mean, size * (1 - mean), size=len(layout.shots)))


def logit_normal(rng: np.random.Generator, layout: Layout) -> Truth:
    """Every pair of shot and group has a level of its own, and every place differs from it."""
    pairs = layout.shots * 100 + layout.groups
    of_pairs = dict(zip(np.unique(pairs), rng.normal(0, 0.5, size=len(pairs)), strict=False))
    of_shots = rng.normal(0, 0.4, size=layout.shots.max() + 1)
    mean = _mean(rng)
    logits = np.log(mean / (1 - mean)) + of_shots[layout.shots]
    logits += np.array([of_pairs[pair] for pair in pairs])
    logits += rng.normal(0, rng.uniform(0.3, 1.2), size=len(pairs))
    return Truth(chances=1 / (1 + np.exp(-logits)))


def hard_rows(rng: np.random.Generator, layout: Layout) -> Truth:
    """A product that is hard in one shot is hard in all: its places are not independent."""
    mean, size = _mean(rng), rng.uniform(2.0, 6.0)
    of_rows = rng.beta(size * mean, size * (1 - mean), size=layout.rows.max() + 1)
    return Truth(chances=of_rows[layout.rows])


def unlike_cells(rng: np.random.Generator, layout: Layout) -> Truth:
    """Every cell has a level of its own, in all rows of a shot, and so has every row."""
    mean = _mean(rng)
    of_cells = rng.normal(0, 0.6, size=(layout.shots.max() + 1, layout.cells))
    of_rows = rng.normal(0, rng.uniform(0, 0.8), size=layout.rows.max() + 1)
    logits = np.log(mean / (1 - mean)) + of_cells[layout.shots, layout.cell]
    return Truth(chances=1 / (1 + np.exp(-logits - of_rows[layout.rows])))


def drift(rng: np.random.Generator, layout: Layout) -> Truth:
    """The yield rises or falls all the way, or swings."""
    of_places = spread_wide(rng, layout) if rng.integers(2) else alike(rng, layout)
    size = float(rng.uniform(0.2, 1.0) * rng.choice([-1, 1]))
    if rng.integers(2):
        return replace(of_places, shift=lambda progress: size * progress)
    return replace(of_places, shift=lambda progress: size * float(np.sin(6 * progress)))


def worse_half_way(rng: np.random.Generator, layout: Layout) -> Truth:
    """A provider whose odds fall to 30 to 70 % when half of the campaign is over."""
    of_places = two_clusters(rng, layout) if rng.integers(2) else alike(rng, layout)
    fall = float(np.log(rng.uniform(0.3, 0.7)))
    return replace(of_places, shift=lambda progress: fall if progress > 0.5 else 0.0)


def collapse(rng: np.random.Generator, layout: Layout) -> Truth:
    """A provider whose odds fall to a tenth when two fifths of the campaign are over."""
    fall = float(np.log(0.1))
    return replace(
        alike(rng, layout), shift=lambda progress: fall if progress > COLLAPSES_AT else 0.0
    )


COLLAPSES_AT = 0.4
GENERATORS = (
    *(two_clusters, three_clusters, alike, spread_wide),
    *(logit_normal, hard_rows, drift, worse_half_way),
)
OF_CELLS = tuple(unlike_cells if each is three_clusters else each for each in GENERATORS)
"""Those for campaigns whose cells are tried in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A campaign after so many decisions, and how it ended."""

    decisions: int
    places: tuple[PlaceProgress, ...]
    money_usd: Decimal
    """What was spent from there to the end."""
    stuck: int
    progress: float
    """Which share of it was over."""


@dataclass(slots=True)
class _Place:
    verdicts: list[TakeVerdict] = field(default_factory=list)
    off_spec: int = 0
    waiting: int = 0
    bought: int = 0
    counted: int = 0
    round: int = 0


class _Course:
    """One campaign from its first take to its last, written as a person would do it."""

    def __init__(self, rng: np.random.Generator, layout: Layout, truth: Truth, length: int) -> None:
        self.rng, self.layout, self.truth, self.length = rng, layout, truth, length
        self.places = [_Place() for _ in layout.shots]
        self.wants = np.arange(len(layout.shots)).reshape(-1, layout.cells).tolist()
        """The places of which one is to be approved: each alone, or those of a row."""
        self.spent_usd = Decimal(0)
        self.decisions = 0

    def size(self, number: int) -> int:
        """Return how many takes a round has, from 0."""
        return self.layout.rounds[min(number, len(self.layout.rounds) - 1)]

    def is_approved(self, want: Sequence[int]) -> bool:
        """Tell whether one of the takes of its places was approved."""
        return any(verdict.approved for at in want for verdict in self.places[at].verdicts)

    def buy(self, at: int) -> None:
        """Buy the next round of a place; what is off spec is replaced."""
        place = self.places[at]
        for _ in range(self.size(place.round)):
            while place.bought < self.layout.takes:
                place.bought += 1
                self.spent_usd += self.layout.prices[self.layout.shots[at]]
                if self.rng.random() >= self.layout.off_share:
                    place.waiting += 1
                    break
                place.off_spec += 1
        place.round += 1

    def play(self) -> Iterator[int]:
        """Go on to the end; yield after each decision how many there are."""
        while True:
            bought = []
            for want in self.wants:
                open_places = (at for at in want if self.places[at].bought < self.layout.takes)
                at = next(open_places, None)
                if at is not None and not self.is_approved(want):
                    self.buy(at)
                    bought.append(at)
            if not bought:
                return
            if not self.layout.in_written_order:
                self.rng.shuffle(bought)
            for at in bought:
                place = self.places[at]
                while place.waiting:
                    place.waiting -= 1
                    chance = self.truth.chance(at, self.decisions / self.length)
                    approved = bool(self.rng.random() < chance)
                    place.verdicts.append(TakeVerdict(self.decisions, approved))
                    self.decisions += 1
                    yield self.decisions

    def progress(self, want: Sequence[int]) -> PlaceProgress:
        """Return what can be known of a place, or of a row's places."""
        layout, places = self.layout, [self.places[at] for at in want]
        waiting = sum(place.waiting for place in places)
        rounds = [waiting] if waiting else []
        for place in places:
            left, number = layout.takes - place.bought, place.round
            while left > 0 and not (self.is_approved(want) and not waiting):
                rounds.append(min(left, self.size(number)))
                left, number = left - rounds[-1], number + 1
        return PlaceProgress(
            shot=f"s{layout.shots[want[0]]}",
            row_group=f"g{layout.groups[want[0]]}",
            verdicts=tuple(verdict for place in places for verdict in place.verdicts),
            off_spec=sum(place.off_spec for place in places),
            waiting=waiting,
            rounds=tuple(rounds),
            price_usd=layout.prices[layout.shots[want[0]]],
        )


def expected_length(layout: Layout, truth: Truth) -> int:
    """Return about how many decisions the campaign takes while nothing changes."""
    chances, total = truth.chances.reshape(-1, layout.cells), 0.0
    alive = np.ones(len(chances))
    for cell in range(layout.cells):
        bought, number = 0, 0
        while bought < layout.takes:
            size = layout.rounds[min(number, len(layout.rounds) - 1)]
            size = min(size, layout.takes - bought)
            total += float(alive.sum()) * size
            alive = alive * (1 - chances[:, cell]) ** size
            bought, number = bought + size, number + 1
    return max(1, round(total))


def run_campaign(
    rng: np.random.Generator,
    generator: Generator,
    counts: Sequence[int],
    *,
    most_places: int = 2000,
    in_turn: bool = False,
) -> list[Snapshot]:
    """Return how a campaign stood after each number of decisions, where it went on from there.

    `in_turn`: each of its places has two to four cells, of which one is to be approved.
    """
    layout = draw_layout(rng, most_places)
    if in_turn:
        layout = layout.in_turn(int(rng.integers(2, 5)))
    truth = generator(rng, layout)
    course = _Course(rng, layout, truth, expected_length(layout, truth))
    seen: list[tuple[int, tuple[PlaceProgress, ...], Decimal]] = []
    for decisions in course.play():
        if decisions in counts:
            places = tuple(course.progress(want) for want in course.wants)
            seen.append((decisions, places, course.spent_usd))
    stuck = sum(not course.is_approved(want) for want in course.wants)
    return [
        Snapshot(
            decisions=decisions,
            places=places,
            money_usd=course.spent_usd - spent_usd,
            stuck=stuck,
            progress=decisions / course.length,
        )
        for decisions, places, spent_usd in seen
    ]
