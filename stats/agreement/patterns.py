"""How many items were scored how: the one input of every coefficient of agreement.

With two raters and five points there are 15 ways to score an item, with two to five raters 246; a
million ratings are a few dozen *patterns* and how often each occurs. An item enters a coefficient
through its pattern alone, so nothing is lost, and resampling items is resampling patterns.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from stats.agreement.scale import places, points_of
from stats.arrays import Array, Bools, Floats, Ints

NA = -1
"""The rank of "cannot judge"."""
MISSING = 0
"""The rank of a score that was not given. Points have the ranks 1 to k."""

_FEW_CODES = 1 << 22
"""Up to so many codes are counted in a table; more are sorted."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which items belong together: rows (cluster, pattern, number of items), each pair once.

    `key` names a cluster (the id of a prompt), so that shards which share clusters can be merged.
    """

    key: Ints
    pattern: Ints
    items: Ints


@dataclass(frozen=True, slots=True)
class PatternHistogram:
    """Patterns of scores on one axis, and how many items show each.

    `values` (k,): the points of the axis, ascending, in its own units.
    `counts` (P, k): how many scores each point got in a pattern. Rows may repeat.
    `na` (P,): how many raters could not judge. A missing score leaves no trace at all.
    `frequency` (P,): how many items show the pattern.
    """

    values: Floats
    counts: Ints
    na: Ints
    frequency: Ints
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        patterns, points = self.counts.shape
        if points != points_of(self.values).size:
            raise ValueError(f"{self.values.size} values for {points} points")
        if self.na.shape != (patterns,) or self.frequency.shape != (patterns,):
            raise ValueError(f"na and frequency must have {patterns} entries, as counts has")
        if min(a.min(initial=0) for a in (self.counts, self.na, self.frequency)) < 0:
            raise ValueError("counts, na and frequency cannot be negative")

    # Ways in

    @classmethod
    def from_patterns(
        cls,
        *,
        values: npt.ArrayLike,
        counts: npt.ArrayLike,
        frequency: npt.ArrayLike,
        na: npt.ArrayLike | None = None,
    ) -> Self:
        """From patterns that were counted elsewhere."""
        points = points_of(values)
        table = np.asarray(counts, dtype=np.int64).reshape(-1, points.size)
        return cls(
            values=points,
            counts=table,
            na=np.zeros(len(table), np.int64) if na is None else np.asarray(na, dtype=np.int64),
            frequency=np.asarray(frequency, dtype=np.int64),
        )

    @classmethod
    def from_ratings(
        cls,
        *,
        values: npt.ArrayLike,
        item: npt.ArrayLike,
        rank: npt.ArrayLike,
        cluster: npt.ArrayLike | None = None,
    ) -> Self:
        """From one row per rating: `item` (n,) any integers, `rank` (n,) 1..k, `NA` or `MISSING`.

        `cluster` (n,) names the cluster of each rating's item. Raises ValueError for a rank off the
        scale, and for an item in two clusters.
        """
        return cls.of_axes(values=[values], item=item, ranks=[rank], cluster=cluster)[0]

    @classmethod
    def of_axes(
        cls,
        *,
        values: Sequence[npt.ArrayLike],
        item: npt.ArrayLike,
        ranks: Sequence[npt.ArrayLike],
        cluster: npt.ArrayLike | None = None,
    ) -> list[Self]:
        """The same for several axes on which the same items were rated: `values` and `ranks` of each.

        Which items there are is found out once, so this is quicker than one axis after the other.
        """
        names, items = _numbered(np.asarray(item, dtype=np.int64))
        n_items = len(names)
        of_item = None if cluster is None else _of_each(items, n_items, np.asarray(cluster))
        rows_per_item = np.bincount(items, minlength=n_items)
        found = []
        for points, rank in zip((points_of(of) for of in values), ranks, strict=True):
            given = np.asarray(rank)
            if given.shape != items.shape:
                raise ValueError(f"{items.size} items and {given.size} ranks")
            if given.size and (given.min() < NA or given.max() > points.size):
                raise ValueError(f"a rank is outside {NA}..{points.size}")
            given = given.astype(np.int64, copy=False)
            there = given != MISSING
            per_item = rows_per_item if there.all() else np.bincount(items[there], minlength=n_items)
            pattern, counts, na = _patterns_of(items, given, points.size, per_item)
            judged = per_item > 0
            if not judged.all():
                pattern = pattern[judged]
            histogram = cls(points, counts, na, frequency=np.bincount(pattern, minlength=len(counts)))
            if of_item is not None:
                histogram = histogram.clustered(of_item[judged], pattern)
            found.append(histogram)
        return found

    @classmethod
    def from_scores(
        cls, scores: npt.ArrayLike, *, values: npt.ArrayLike, cluster: npt.ArrayLike | None = None
    ) -> Self:
        """From a matrix (n_items, n_raters) of scores in the units of `values`, NaN where there is none.

        `cluster` (n_items,) names the cluster of each item.
        """
        points = points_of(values)
        matrix = np.asarray(scores, dtype=np.float64)
        given = ~np.isnan(matrix)
        rank = np.full(matrix.shape, MISSING)
        rank[given] = places(points, matrix[given]) + 1
        item = np.repeat(np.arange(len(matrix)), matrix.shape[1])
        return cls.from_ratings(
            values=points,
            item=item,
            rank=rank.ravel(),
            cluster=None if cluster is None else np.asarray(cluster)[item],
        )

    @classmethod
    def from_long(
        cls,
        *,
        values: npt.ArrayLike,
        prompt: npt.ArrayLike,
        model: npt.ArrayLike,
        score: npt.ArrayLike,
        turn: npt.ArrayLike | None = None,
        sample: npt.ArrayLike | None = None,
    ) -> Self:
        """From the columns (n,) of a long table of one axis, a row per rating, as in a release.

        `prompt` and `model` are names, text or numbers; `turn` and `sample` tell apart the responses of one model to
        one prompt. `score` is in the units of `values`; NaN says "cannot judge", as a score that is missing has no row.
        Prompts are the clusters, known by their names, so that tables of different files can be merged.
        """
        points = points_of(values)
        scores = np.asarray(score, dtype=np.float64)
        if scores.ndim != 1:
            raise ValueError(f"a column is a list, and scores are {scores.shape}")
        item = np.zeros(scores.size, np.int64)
        for column in (prompt, model, turn, sample):
            if column is None:
                continue
            names = np.asarray(column)
            if names.shape != scores.shape:
                raise ValueError(f"{scores.size} scores and a column of {names.shape}")
            index = np.unique(names, return_inverse=True)[1]
            item = np.unique(item * (int(index.max(initial=0)) + 1) + index, return_inverse=True)[1]
        rank = np.full(scores.size, NA)
        given = ~np.isnan(scores)
        rank[given] = places(points, scores[given]) + 1
        return cls.from_ratings(values=points, item=item, rank=rank, cluster=_keys(np.asarray(prompt)))

    @classmethod
    def empty(cls, values: npt.ArrayLike) -> Self:
        """Of an axis that nobody rated yet."""
        return cls.from_ratings(values=values, item=[], rank=[], cluster=[])

    def clustered(self, key: npt.ArrayLike, pattern: npt.ArrayLike) -> Self:
        """The same items, with the cluster and the pattern of each: two arrays (n_items,)."""
        keys = np.asarray(key, dtype=np.int64)
        return self._with_clusters(keys, np.asarray(pattern, np.int64), None)

    def _with_clusters(self, key: Ints, pattern: Ints, items: Ints | None) -> Self:
        """`items` (n,): how many there are of each (key, pattern), None for one of each."""
        names, index = _numbered(key)
        width = max(1, len(self.counts))
        pairs, place = _numbered(index * width + pattern)
        clusters = Clusters(
            key=names[pairs // width],
            pattern=pairs % width,
            items=np.bincount(place, weights=items, minlength=len(pairs)).astype(np.int64),
        )
        return type(self)(self.values, self.counts, self.na, self.frequency, clusters)

    # Together

    def __add__(self, other: "PatternHistogram") -> "PatternHistogram":
        return merge([self, other])

    # What it says by itself

    @property
    def scores(self) -> Ints:
        """(P,) how many scores an item of each pattern has."""
        scores: Ints = self.counts.sum(axis=1)
        return scores

    @property
    def pairable(self) -> Bools:
        """(P,) whether an item of the pattern has two scores that can be compared."""
        return self.scores >= 2

    @property
    def n_pairable_clusters(self) -> int | None:
        """Clusters with such an item; None where nothing says which items belong together."""
        if self.clusters is None:
            return None
        return int(np.unique(self.clusters.key[self.pairable[self.clusters.pattern]]).size)

    @property
    def n_items(self) -> int:
        """Items that somebody scored or could not judge."""
        return int(self.frequency[(self.scores + self.na) > 0].sum())

    @property
    def n_scored(self) -> int:
        """Items with a score."""
        return int(self.frequency[self.scores > 0].sum())

    @property
    def n_pairable(self) -> int:
        return int(self.frequency[self.pairable].sum())

    @property
    def n_ratings(self) -> int:
        """Scores given, without "cannot judge"."""
        return int(self.frequency @ self.scores)

    @property
    def n_na(self) -> int:
        return int(self.frequency @ self.na)

    @property
    def n_pairs(self) -> int:
        """Pairs of scores on the same item."""
        return int(self.frequency @ (self.scores * (self.scores - 1) // 2))

    @property
    def n_conflicts(self) -> int:
        """Items that one rater scored and another could not judge."""
        return int(self.frequency[(self.scores > 0) & (self.na > 0)].sum())

    @property
    def distribution(self) -> Ints:
        """(k,) how many scores each point got, on all items."""
        return self.frequency @ self.counts

    def judged_or_not(self) -> "PatternHistogram":
        """The same items on a nominal axis of two points: could not judge (0), scored (1)."""
        return PatternHistogram(
            values=np.array([0.0, 1.0]),
            counts=np.column_stack([self.na, self.scores]),
            na=np.zeros_like(self.na),
            frequency=self.frequency,
            clusters=self.clusters,
        )


def merge(histograms: Iterable[PatternHistogram]) -> PatternHistogram:
    """Histograms of disjoint sets of items of one axis, as one. Clusters are kept if all have them."""
    parts = list(histograms)
    if not parts:
        raise ValueError("nothing to merge")
    if any(not np.array_equal(part.values, parts[0].values) for part in parts):
        raise ValueError("histograms of axes with different points cannot be merged")
    rows = np.concatenate([np.column_stack([part.counts, part.na]) for part in parts])
    unique, pattern = np.unique(rows, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    frequency = np.zeros(len(unique), np.int64)
    np.add.at(frequency, pattern, np.concatenate([part.frequency for part in parts]))
    whole = PatternHistogram(parts[0].values, unique[:, :-1], unique[:, -1], frequency)
    clusters = [part.clusters for part in parts if part.clusters is not None]
    if len(clusters) < len(parts):
        return whole
    starts = np.cumsum([0, *(len(part.counts) for part in parts)])
    return whole._with_clusters(
        np.concatenate([c.key for c in clusters]),
        pattern[np.concatenate([c.pattern + start for c, start in zip(clusters, starts, strict=False)])],
        np.concatenate([c.items for c in clusters]),
    )


def _of_each(items: Ints, n_items: int, cluster: Array) -> Ints:
    """(n_items,) the cluster of each item."""
    if cluster.shape != items.shape:
        raise ValueError(f"{items.size} ratings and {cluster.size} clusters")
    of_item = np.zeros(n_items, np.int64)
    of_item[items] = cluster
    if not np.array_equal(of_item[items], cluster):
        raise ValueError("an item is in two clusters")
    return of_item


def _keys(names: Array) -> Ints:
    """A number for each name: the name itself where it is a whole number, else 63 bits of its digest."""
    if names.dtype.kind in "iu":
        return names.astype(np.int64)
    different, index = np.unique(names, return_inverse=True)
    digests = [hashlib.blake2b(str(name).encode(), digest_size=8).digest() for name in different]
    return np.array([int.from_bytes(digest) >> 1 for digest in digests], dtype=np.int64)[index]


def _numbered(names: Array) -> tuple[Ints, Ints]:
    """The different names, ascending, and each name's place among them; quick where they lie densely."""
    if names.size == 0:
        return names.astype(np.int64), names.astype(np.int64)
    lowest, span = int(names.min()), int(names.max()) - int(names.min()) + 1
    if span > 4 * names.size + 65_536:
        return np.unique(names.astype(np.int64), return_inverse=True)
    offset = names.astype(np.int64, copy=False)
    if lowest:
        offset = offset - lowest
    occurs = np.zeros(span, bool)
    occurs[offset] = True
    if occurs.all():  # numbered already
        return np.arange(lowest, lowest + span), offset
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[offset]


def _patterns_of(item: Ints, rank: Array, points: int, per_item: Ints) -> tuple[Ints, Ints, Ints]:
    """The pattern of each item (n_items,), and the patterns: counts (P, points), na (P,).

    Items without any rating have pattern -1.
    """
    base = int(per_item.max(initial=0)) + 1
    if float(base) ** (points + 1) < 2**53:
        pattern, digits = _by_number(item, rank, points, per_item, base)
    else:
        pattern, digits = _by_sorting(item, rank, points, per_item)
    if len(digits) and not digits[0].any():  # in either way, "nothing" comes first
        pattern, digits = pattern - 1, digits[1:]
    return pattern, digits[:, :points], digits[:, points]


def _by_number(item: Ints, rank: Array, points: int, per_item: Ints, base: int) -> tuple[Ints, Ints]:
    """Write an item's counts as the digits of one number: a sum over its ratings, in any order."""
    worth = np.zeros(points + 2)  # of a rank: 0 missing, 1..k points, and the last, for -1, NA
    worth[1:] = float(base) ** np.arange(points + 1)
    # Doubles hold these whole numbers exactly, as they stay below 2**53.
    numbers = np.bincount(item, weights=worth[rank], minlength=len(per_item)).astype(np.int64)
    if base ** (points + 1) <= _FEW_CODES:
        occurs = np.zeros(base ** (points + 1), bool)
        occurs[numbers] = True
        codes = np.flatnonzero(occurs)
        pattern = (np.cumsum(occurs) - 1)[numbers]
    else:
        codes, pattern = np.unique(numbers, return_inverse=True)
    return pattern, codes[:, None] // base ** np.arange(points + 1, dtype=np.int64) % base


def _by_sorting(item: Ints, rank: Array, points: int, per_item: Ints) -> tuple[Ints, Ints]:
    """For long scales and many raters: sort each item's ranks, and tell items apart place by place."""
    given = rank != MISSING
    slot = np.where(rank[given] == NA, points, rank[given] - 1).astype(np.int64)
    keys = np.sort(item[given] * (points + 1) + slot)
    slot = keys % (points + 1)
    start = np.cumsum(per_item) - per_item
    name = np.zeros(len(per_item), np.int64)
    left = np.arange(len(per_item))
    for place in range(int(per_item.max(initial=0))):
        left = left[per_item[left] > place]
        longer = name[left] * (points + 1) + slot[start[left] + place]
        # Renumbered at each place, so that no number of raters overflows a name.
        name[left] = np.unique(longer, return_inverse=True)[1]
    # Names tell apart the items with the same number of ratings.
    _, example, pattern = np.unique(
        per_item * (name.max(initial=0) + 1) + name, return_index=True, return_inverse=True
    )
    digits = np.zeros((len(example), points + 1), np.int64)
    for row, i in enumerate(example):
        digits[row] = np.bincount(slot[start[i] : start[i] + per_item[i]], minlength=points + 1)
    return pattern, digits
