"""How likely a take is to be approved: a Bayesian model of the decisions made so far.

A take's chance is that of its place: `(κ·m + approvals) / (κ + decisions)`, a Pólya urn, whose
places are beta-distributed around `m` (Johnson and Kotz, Urn Models, 1977). The smaller κ is, the
more places differ, and the less is to be expected of one that was rejected several times: that
places which are still open are the harder ones needs no rule of its own.
`logit m` is a level plus an effect of the shot, one of the group of rows, and one of time, a random
walk. κ, the spreads of effects and the walk's are integrated over a grid, all else by Laplace's
approximation (Tierney and Kadane, JASA 81, 1986).

NumPy is slow to load: this module is imported where a forecast is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# What is assumed before any decision was made. The calibration of docs/forecast.md is that of
# these numbers; they were set on other simulated campaigns than those of its tables.
LEVEL_MEAN = -0.6
"""Logit of 0.35: public accounts put the usable share of clips between 16 and 50 %."""
LEVEL_SD = 0.5
CONCENTRATIONS = {1.0: 1, 2.5: 5, 6.0: 6, 15.0: 4, 60.0: 2}
"""κ, and how likely it is beside the others."""
SPREADS = (0.05, 0.15, 0.3)
"""Standard deviations of the effects of shots, and of those of groups, in logits."""
DRIFTS = (0.03, 0.1, 0.25)
"""How far the level walks, in logits, while every place gets one take."""

_BLOCKS = 6
_DECISIONS_PER_BLOCK = 20
_NEWTON_STEPS = 30
_LONGEST_STEP = 1.5
_CLOSE = 1e-6
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Decisions in the order in which they were made: one element each."""

    place: Ints
    shot: Ints
    group: Ints
    approvals_before: Ints
    """Of the same place, like `decisions_before`."""
    decisions_before: Ints
    approved: Flags
    time: Floats
    """How many decisions there were by then, divided by the number of places."""

    def choose(self, which: Flags) -> Trials:
        """Return those of the decisions for which it holds."""
        return Trials(**{each.name: getattr(self, each.name)[which] for each in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldDraws:
    """What the yield may be: one draw a row."""

    level: Floats
    """In logits, now."""
    shots: Floats
    """Draws × shots: what is added for the shot."""
    groups: Floats
    """Draws × groups: what is added for the group of rows."""
    concentration: Floats
    """κ."""
    drift: Floats
    """Standard deviation of the walk from now on, per unit of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldPosterior:
    """What decisions tell of the yield: a mixture of normal distributions, one a row."""

    hyperparameters: Floats
    """κ, spread of shots, spread of groups, drift."""
    weights: Floats
    modes: Floats
    factors: Floats
    """Lower Cholesky factors of the precisions at the modes."""
    shots: Ints
    """The shots with decisions; of the others only the spread is known. The same for `groups`."""
    groups: Ints

    def draw(self, rng: np.random.Generator, size: int, *, shots: int, groups: int) -> YieldDraws:
        """Return draws for so many shots and groups, those without decisions included."""
        chosen = rng.choice(len(self.weights), size=size, p=self.weights)
        noise = rng.standard_normal((size, self.modes.shape[1], 1))
        upper = np.swapaxes(self.factors[chosen], 1, 2)
        values = self.modes[chosen] + np.linalg.solve(upper, noise)[..., 0]
        kappa, shot_spread, group_spread, drift = self.hyperparameters[chosen].T
        of_shots = rng.standard_normal((size, shots)) * shot_spread[:, None]
        of_groups = rng.standard_normal((size, groups)) * group_spread[:, None]
        first_group = 1 + len(self.shots)
        of_shots[:, self.shots] = values[:, 1:first_group]
        of_groups[:, self.groups] = values[:, first_group : first_group + len(self.groups)]
        return YieldDraws(
            level=values[:, 0],
            shots=of_shots,
            groups=of_groups,
            concentration=kappa,
            drift=drift,
        )


def fit_yield(trials: Trials) -> YieldPosterior:
    """Return what decisions tell of the yield; there must be at least one."""
    shots, shot = np.unique(trials.shot, return_inverse=True)
    groups, group = np.unique(trials.group, return_inverse=True)
    # Time in blocks, and how long ago the middle of each of them was.
    decisions = len(trials.time)
    blocks = max(1, min(_BLOCKS, decisions // _DECISIONS_PER_BLOCK))
    block = np.arange(decisions) * blocks // decisions
    ages = trials.time[-1] - np.bincount(block, weights=trials.time) / np.bincount(block)
    # Decisions that were made under the same circumstances are counted together.
    columns = np.stack([shot, group, block, trials.approvals_before, trials.decisions_before])
    rows, of_trial = np.unique(columns, axis=1, return_inverse=True)
    of_trial = of_trial.ravel()
    indicators = [
        np.eye(size)[row]
        for size, row in zip((len(shots), len(groups), len(ages)), rows[:3], strict=True)
    ]
    grid = np.array(list(product(CONCENTRATIONS, SPREADS, SPREADS, DRIFTS)))
    counts = _Counts(
        design=np.hstack([np.ones((rows.shape[1], 1)), *indicators]),
        totals=np.bincount(of_trial).astype(np.float64),
        successes=np.bincount(of_trial, weights=trials.approved).astype(np.float64),
        approvals_before=rows[3],
        decisions_before=rows[4],
        kappa=grid[:, :1],
    )
    precisions = _prior_precisions(grid, len(shots), len(groups), ages)
    modes, factors, evidence = _laplace(counts, precisions)
    prior = np.array([CONCENTRATIONS[kappa] for kappa in grid[:, 0]])
    weights = prior * np.exp(evidence - evidence.max())
    return YieldPosterior(
        hyperparameters=grid,
        weights=weights / weights.sum(),
        modes=modes,
        factors=factors,
        shots=shots,
        groups=groups,
    )


def _prior_precisions(grid: Floats, shots: int, groups: int, ages: Floats) -> Floats:
    """Return the precision of all effects before any decision, for each point of the grid.

    The walk is taken backwards from now, so that the level is that of the next decision.
    """
    walk = np.minimum(ages[:, None], ages[None, :]) + _FLOOR * np.eye(len(ages))
    first_block = 1 + shots + groups
    precisions = np.zeros((len(grid), first_block + len(ages), first_block + len(ages)))
    precisions[:, 0, 0] = LEVEL_SD**-2
    for first, last, column in ((1, 1 + shots, 1), (1 + shots, first_block, 2)):
        at = np.arange(first, last)
        precisions[:, at, at] = grid[:, [column]] ** -2
    of_walk = np.linalg.inv(walk) * (grid[:, 3] ** -2)[:, None, None]
    precisions[:, first_block:, first_block:] = of_walk
    return precisions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Decisions under like circumstances, and how probable values of the effects make them."""

    design: Floats
    totals: Floats
    successes: Floats
    approvals_before: Ints
    decisions_before: Ints
    kappa: Floats
    """One for each point of the grid, as a column."""

    def chances(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the chance of an approval, and its slope over the logit: grid × rows."""
        base = 1 / (1 + np.exp(-(values @ self.design.T)))
        seen = self.kappa + self.decisions_before
        chance = (self.kappa * base + self.approvals_before) / seen
        # A logit beyond all reason must not divide by nought.
        chance = np.clip(chance, _FLOOR, 1 - _FLOOR)
        return chance, self.kappa * base * (1 - base) / seen

    def information(self, chance: Floats, slope: Floats) -> Floats:
        """Return the expected information on the effects: grid × effects × effects."""
        weights = self.totals * slope**2 / (chance * (1 - chance))
        return (self.design.T * weights[:, None, :]) @ self.design


def _laplace(counts: _Counts, precisions: Floats) -> tuple[Floats, Floats, Floats]:
    """Return modes, Cholesky factors of the precisions there, and the logs of the evidence.

    Fisher's scoring, for all points of the grid at once.
    """
    prior_mean = np.zeros(counts.design.shape[1])
    prior_mean[0] = LEVEL_MEAN
    values = np.tile(prior_mean, (len(precisions), 1))
    for _ in range(_NEWTON_STEPS):
        chance, slope = counts.chances(values)
        precision = precisions + counts.information(chance, slope)
        surprise = (counts.successes - counts.totals * chance) / (chance * (1 - chance))
        pull = (precisions @ (prior_mean - values)[..., None])[..., 0]
        score = (surprise * slope) @ counts.design + pull
        move = np.linalg.solve(precision, score[..., None])[..., 0]
        longest = np.abs(move).max(axis=1, keepdims=True)
        values = values + move * np.minimum(1, _LONGEST_STEP / np.maximum(longest, _CLOSE))
        if longest.max() < _CLOSE:
            break
    chance, slope = counts.chances(values)
    factors = np.linalg.cholesky(precisions + counts.information(chance, slope)).astype(np.float64)
    failures = counts.totals - counts.successes
    likelihood = counts.successes * np.log(chance) + failures * np.log1p(-chance)
    off = (values - prior_mean)[..., None]
    evidence = (
        likelihood.sum(axis=1)
        - 0.5 * (np.swapaxes(off, 1, 2) @ precisions @ off)[:, 0, 0]
        + 0.5 * np.linalg.slogdet(precisions)[1]
        - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    )
    return values, factors, evidence
