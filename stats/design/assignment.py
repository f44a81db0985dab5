"""Who rates what: assignments that are balanced and connected.

Raters differ in severity, so each should rate every model equally often, and overlap with many
others rather than with one fixed partner: severities can only be compared along shared items. A
greedy rule comes as near to that as exact block designs would, and always exists.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from stats.arrays import Bools, Floats, Ints

NOBODY = -1


def balanced_assignment(
    *,
    item_models: npt.ArrayLike,
    raters_per_item: int,
    n_raters: int,
    rng: np.random.Generator,
    forbidden: npt.ArrayLike | None = None,
    already: npt.ArrayLike | None = None,
) -> Ints:
    """Give each item `raters_per_item` different raters: (n_items, raters_per_item) indices of raters.

    `item_models` (n_items,): the model that wrote each item, as an index.
    `forbidden` (n, 2): (item, rater) that must not meet: conflicts of interest, or seen before.
    `already` (n, 2): (item, rater) seats that are taken; they stay, count, and come first in the row.

    Loads differ by one at most where nothing is forbidden and nothing was uneven already, and by as
    little as can be otherwise. Each rater gets the models equally often within a few, and each pair
    of raters shares items when there are enough of them. Ties are broken by `rng`. Raises ValueError,
    saying why, if an item has too few raters left.
    """
    models = indices(item_models, "item_models")
    return _assign(
        [*models[:, None]],
        raters_per_item,
        n_raters,
        rng,
        forbidden=_pairs(forbidden, "forbidden", len(models), n_raters),
        already=_pairs(already, "already", len(models), n_raters),
    )


def side_by_side_assignment(
    *,
    item_prompts: npt.ArrayLike,
    item_models: npt.ArrayLike,
    raters_per_item: int,
    n_raters: int,
    rng: np.random.Generator,
    forbidden: npt.ArrayLike | None = None,
) -> Ints:
    """The same raters for all responses to a prompt, so that each prompt is read once.

    Takes severity out of comparisons of models and saves reading, but raters see responses in the
    light of each other, and are linked more weakly. Loads are equal within one prompt's items.
    `item_prompts` (n_items,) indices of prompts; otherwise as `balanced_assignment`.
    """
    prompts, models = indices(item_prompts, "item_prompts"), indices(item_models, "item_models")
    if prompts.shape != models.shape:
        raise ValueError(f"{prompts.size} prompts and {models.size} models for the items")
    names, prompts = np.unique(prompts, return_inverse=True)
    order = np.argsort(prompts, kind="stable")
    units = np.split(models[order], np.cumsum(np.bincount(prompts))[:-1]) if len(names) else []
    no_go = _pairs(forbidden, "forbidden", len(prompts), n_raters)
    per_prompt = _assign(
        units,
        raters_per_item,
        n_raters,
        rng,
        forbidden=np.column_stack([prompts[no_go[:, 0]], no_go[:, 1]]),
        already=np.empty((0, 2), np.int64),
    )
    return per_prompt[prompts]


def _assign(
    units: list[Ints],
    raters_per_unit: int,
    n_raters: int,
    rng: np.random.Generator,
    forbidden: Ints,
    already: Ints,
) -> Ints:
    """(n_units, raters_per_unit). A unit is the items, told by their models, that go to the same raters."""
    if raters_per_unit < 1:
        raise ValueError("an item needs at least one rater")
    barred = _Sets(np.concatenate([forbidden, already]), len(units))
    table = _Table(units, raters_per_unit, n_raters, barred)
    for unit, rater in np.unique(already, axis=0):
        if table.filled[unit] == raters_per_unit:
            raise ValueError(f"item {unit} has more than {raters_per_unit} raters already")
        table.take(unit, rater)
    needed = raters_per_unit - table.filled
    short = np.flatnonzero(n_raters - barred.sizes < needed)
    if short.size:
        unit = short[0]
        raise ValueError(
            f"item {unit} needs {needed[unit]} raters and {n_raters - barred.sizes[unit]} of {n_raters} "
            f"may rate it; {short.size} of {len(units)} items are short of raters"
        )
    fixed = table.filled.copy()
    order = rng.permutation(len(units))
    noise = rng.random((1009, n_raters)) / 2  # decides between raters who are equally good
    turn = 0
    for unit in order[
        np.argsort(-table.sizes[order], kind="stable")
    ]:  # small ones last, to even out the loads
        for _ in range(needed[unit]):
            table.take(unit, table.best(unit, noise[turn % len(noise)]))
            turn += 1
    table.level(fixed)
    return table.seats


class _Sets:
    """A set of raters for each unit, kept as two arrays."""

    def __init__(self, pairs: Ints, n_units: int) -> None:
        pairs = np.unique(pairs, axis=0)
        self.members = pairs[:, 1]
        self.sizes = np.bincount(pairs[:, 0], minlength=n_units)
        self._start = np.concatenate([[0], np.cumsum(self.sizes)])

    def __getitem__(self, unit: int) -> Ints:
        return self.members[self._start[unit] : self._start[unit + 1]]


class _Table:
    """The seats filled so far, and what they add up to."""

    def __init__(self, units: list[Ints], raters_per_unit: int, n_raters: int, barred: _Sets) -> None:
        n_models = 1 + max((int(models.max()) for models in units), default=0)
        self.units = units
        self.barred = barred
        self.seats: Ints = np.full((len(units), raters_per_unit), NOBODY)
        self.sizes = np.array([len(models) for models in units], dtype=np.int64)
        self.filled = np.zeros(len(units), np.int64)
        self.load = np.zeros(n_raters)
        self.per_model = np.zeros((n_models, n_raters))
        self.shared = np.zeros((n_raters, n_raters))

    def cost(self, unit: int, others: Ints) -> Floats:
        """(n_raters,) what speaks against each rater for a unit that `others` rate.

        Their load, how often they had its models, and how often they met the others, all in items.
        """
        models = self.units[unit]
        if len(models) == 1:
            against: Floats = self.load + self.per_model[models[0]]
        else:
            against = self.load + self.per_model[models].sum(axis=0)
        for other in others:
            against += self.shared[other]
        return against

    def best(self, unit: int, noise: Floats) -> int:
        """The rater for the next seat of a unit."""
        others = self.seats[unit, : self.filled[unit]]
        against = self.cost(unit, others) + noise
        against[others] = np.inf
        if self.barred.sizes[unit]:
            against[self.barred[unit]] = np.inf
        return int(against.argmin())

    def take(self, unit: int, rater: int) -> None:
        others = self.seats[unit, : self.filled[unit]]
        self._count(unit, rater, others, +1)
        self.seats[unit, self.filled[unit]] = rater
        self.filled[unit] += 1

    def hand_over(self, unit: int, seat: int, rater: int) -> None:
        others = np.delete(self.seats[unit], seat)
        self._count(unit, int(self.seats[unit, seat]), others, -1)
        self._count(unit, rater, others, +1)
        self.seats[unit, seat] = rater

    def _count(self, unit: int, rater: int, others: Ints, sign: int) -> None:
        models = self.units[unit]
        self.load[rater] += sign * len(models)
        np.add.at(self.per_model[:, rater], models, sign)
        for other in others:
            self.shared[rater, other] += sign * len(models)
            self.shared[other, rater] += sign * len(models)

    def level(self, fixed: Ints) -> None:
        """Even out the loads: pass seats on from the busiest to the less busy until no pass helps.

        A seat may go by way of others, each giving one away for the one received, so no prohibition
        can hide a better balance. The first `fixed` seats of a unit stay where they are.
        """
        if not self.load.size:
            return
        stuck: set[int] = set()
        fresh = True  # nothing was passed on since `stuck` was last empty
        while self.load.max() - self.load.min() > 1:
            for rater in np.argsort(-self.load, kind="stable").tolist():
                if rater in stuck:
                    continue
                way, reached = self._way_down(rater, fixed)
                if way:
                    for unit, seat, to in way:
                        self.hand_over(unit, seat, to)
                    fresh = False
                    break
                stuck |= reached  # where these lead, this one would have gone
            else:
                if fresh:
                    return
                stuck, fresh = set(), True

    def _way_down(self, start: int, fixed: Ints) -> tuple[list[tuple[int, int, int]], set[int]]:
        """Seats to hand over, (unit, seat, to), that take one from `start` and make nobody as busy.

        Breadth first over raters; with the raters reached, if there is no way. Units on a way of
        several steps are of one size, so that the loads between stay what they were.
        """
        ways: dict[int, list[tuple[int, int, int]]] = {start: []}
        line = deque([start])
        while line:
            rater = line.popleft()
            way = ways[rater]
            held, seat = np.nonzero(self.seats == rater)
            keep = seat >= fixed[held]
            if way:
                keep &= self.sizes[held] == self.sizes[way[0][0]]
            held, seat = held[keep], seat[keep]
            may = np.ones((len(held), len(self.load)), bool)
            may[np.arange(len(held))[:, None], self.seats[held]] = False
            for i in np.flatnonzero(self.barred.sizes[held]).tolist():
                may[i, self.barred[held[i]]] = False
            good = may & (self.load + self.sizes[held][:, None] < self.load[start])
            if good.any():
                row, to = self._cheapest(good, held, seat)
                return [*way, (int(held[row]), int(seat[row]), to)], set()
            for to in np.flatnonzero(may.any(axis=0)).tolist():
                if to not in ways:
                    row = int(may[:, to].argmax())
                    ways[to] = [*way, (int(held[row]), int(seat[row]), to)]
                    line.append(to)
        return [], set(ways)

    def _cheapest(self, good: Bools, held: Ints, seat: Ints) -> tuple[int, int]:
        """Which seat to hand to whom, (row, rater), so that models and pairs stay balanced."""
        best = (np.inf, 0, 0)
        for row in np.flatnonzero(good.any(axis=1)).tolist():
            against = self.cost(held[row], np.delete(self.seats[held[row]], seat[row]))
            gain = against - against[self.seats[held[row], seat[row]]]
            gain[~good[row]] = np.inf
            to = int(gain.argmin())
            best = min(best, (float(gain[to]), row, to))
        return best[1], best[2]


def indices(numbers: npt.ArrayLike, name: str) -> Ints:
    found = np.asarray(numbers, dtype=np.int64).reshape(-1)
    if found.size and found.min() < 0:
        raise ValueError(f"{name} must be indices, 0 or more")
    return found


def _pairs(pairs: npt.ArrayLike | None, name: str, n_items: int, n_raters: int) -> Ints:
    """(n, 2) of (item, rater)."""
    table = np.asarray([] if pairs is None else pairs, dtype=np.int64).reshape(-1, 2)
    if table.size and (table.min() < 0 or (table.max(axis=0) >= [n_items, n_raters]).any()):
        raise ValueError(f"{name} names an item or a rater that there is not")
    return table
