"""Variance components: how much of the scatter of scores comes from prompts, models, raters and chance.

The model: score = mean + prompt + model + (prompt x model) + rater + residual, all independent, each with its variance. The
residual is what remains between two scores of one item by equally severe raters.

Components are estimated from pairs of scores. Half the squared difference of two scores has as its expected value the sum of
the components in which the two differ, so with g(x) the mean of that over all pairs of a sort,

    total          = g(different prompt, model and rater)
    prompt         = total - g(same prompt, different model and rater)
    model          = total - g(same model, different prompt and rater)
    rater          = total - g(same rater, different prompt and model)
    residual       = g(same item, different rater) - rater
    prompt x model = total - prompt - model - rater - residual

That is unbiased for any design, sparse and unbalanced as it may be, as long as who rated what has nothing to do with the
scores. Source: Koch (1967), A general approach to the estimation of variance components. In complete designs it is the
analysis of variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy import special

from stats.agreement.intervals import Method
from stats.arrays import Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined

RATER_JACKKNIFE = "rater_jackknife"
"""Leaves out one rater at a time: how the interval of the raters' component is made."""

ANONYMOUS = -1


@dataclass(frozen=True, slots=True)
class Components:
    """Variances, in squared points of the axis."""

    prompt: float
    prompt_model: float
    rater: float
    residual: float
    model: float = 0.0

    def __post_init__(self) -> None:
        if any(not getattr(self, field.name) >= 0 for field in fields(self)):
            raise ValueError("a variance is 0 or more")

    @property
    def total(self) -> float:
        return self.prompt + self.prompt_model + self.rater + self.residual + self.model

    @property
    def of_one_rating(self) -> float:
        """The share of the variance of single scores that is the items': ICC(1,1), and near interval alpha."""
        items = self.prompt + self.prompt_model + self.model
        return items / self.total if self.total else 0.0


DEFAULTS = Components(prompt=0.25, prompt_model=0.30, rater=0.12, residual=0.45)
"""For a 5-point scale before there is a pilot: simulations of LLM-jp's study, whose severities have an SD of .35."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """Components of a pilot. Estimates can be below 0, where the truth is near it; `components` has 0 there."""

    prompt: Result
    prompt_model: Result
    rater: Result
    residual: Result
    model: Result
    total: Result
    n_ratings: int
    n_prompts: int
    """Clusters: the turns of a conversation are one."""
    n_models: int
    n_raters: int | None
    """None where raters are positions in a list: then their severities are part of the residual."""

    def components(self, defaults: Components = DEFAULTS) -> Components:
        """What to plan with: 0 for estimates below 0, and defaults for what could not be estimated.

        Without raters' own component, the residual has it in it: the raters' is 0 then, and not the default.
        """

        def chosen(name: str) -> float:
            found = getattr(self, name)
            if isinstance(found, Estimate):
                return max(0.0, found.value)
            if name == "rater" and isinstance(self.residual, Estimate):
                return 0.0
            return float(getattr(defaults, name))

        return Components(**{field.name: chosen(field.name) for field in fields(Components)})


_NAMES = ("prompt", "prompt_model", "rater", "residual", "model", "total")
_TOTAL, _PROMPT, _MODEL, _RATER, _ITEM = range(5)


def variance_components(
    *,
    prompt: npt.ArrayLike,
    model: npt.ArrayLike,
    rater: npt.ArrayLike,
    value: npt.ArrayLike,
    cluster: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Estimated:
    """Components from scores of a pilot, one row each: `prompt`, `model`, `rater` (n,) indices, `value` (n,) in points.

    `cluster` (n,): what the jackknife leaves out together, the prompt by default. Turns of a conversation are prompts of
    their own, in one cluster.

    `rater` is ANONYMOUS where it is a position in a list. Two scores of one item by one rater (repeats) must not both be there.

    Intervals: delete-one jackknife over prompts; for the raters' component over raters. Those over prompts hold
    for these models and raters. A component that no pair of scores tells of is `Undefined`: SINGLE_RATINGS (residual and what
    needs it), ONE_PROMPT, ONE_MODEL, NOT_ENOUGH (two raters at least), ANONYMOUS.
    """
    scores = np.asarray(value, dtype=np.float64)
    of = [_places(index) for index in (prompt, model, rater)]
    if (
        any(index.shape != scores.shape for index in of)
        or np.shape(value if cluster is None else cluster) != scores.shape
    ):
        raise ValueError("each score has a prompt, a model and a rater")
    anonymous = bool((np.asarray(rater) == ANONYMOUS).any()) and scores.size > 0
    if anonymous:
        of[2] = np.arange(scores.size)  # nobody is known to have rated twice
    clusters = of[0] if cluster is None else _places(cluster)
    sizes = [int(index.max(initial=-1)) + 1 for index in of]
    if scores.size == 0:
        none = Undefined(Reason.NO_SCORES)
        return Estimated(none, none, none, none, none, none, 0, 0, 0, 0)
    groupings = _groupings(of)
    if groupings[-1][1].max() + 1 < scores.size:
        raise ValueError("a rater scored an item twice: leave repeats out")

    scores = scores - scores.mean()
    point = _components(_pairs(groupings, scores))[0]
    over_prompts = _components(_pairs_without(groupings, scores, clusters, int(clusters.max()) + 1))
    over_raters = None if anonymous else _components(_pairs_without(groupings, scores, of[2], sizes[2]))
    why = _why(sizes, point, anonymous)
    found: dict[str, Result] = {}
    for i, name in enumerate(_NAMES):
        if name in why:
            found[name] = Undefined(why[name], scores.size)
        elif name == "rater" and over_raters is not None:
            found[name] = _jackknife(point[i], over_raters[:, i], level, scores.size, RATER_JACKKNIFE)
        else:
            found[name] = _jackknife(
                point[i], over_prompts[:, i], level, scores.size, Method.CLUSTER_JACKKNIFE
            )
    return Estimated(
        **found,
        n_ratings=scores.size,
        n_prompts=int(clusters.max()) + 1,
        n_models=sizes[1],
        n_raters=None if anonymous else sizes[2],
    )


def _places(index: npt.ArrayLike) -> Ints:
    return np.unique(np.asarray(index), return_inverse=True)[1].astype(np.int64)


def _groupings(of: list[Ints]) -> list[tuple[int, Ints]]:
    """(factor bits, group of each score): by every set of factors; no factor puts all in one group."""
    found: list[tuple[int, Ints]] = []
    for bits in range(8):
        chosen = [of[f] for f in range(3) if bits >> f & 1]
        group = np.zeros(of[0].size, np.int64)
        for index in chosen:
            group = _places(group * (int(index.max()) + 1) + index)
        found.append((bits, group))
    return found


def _pairs(groupings: list[tuple[int, Ints]], y: Floats) -> Floats:
    """(1, 2, 8) pairs of scores within a group, and half their squared differences, summed over groups of each grouping."""
    found = np.zeros((1, 2, 8))
    for bits, group in groupings:
        found[0, :, bits] = _within(*_sums(group, y)).sum(axis=1)
    return found


def _sums(group: Ints, y: Floats) -> tuple[Floats, Floats, Floats]:
    """How many scores a group has, their sum and their sum of squares."""
    n = np.bincount(group).astype(np.float64)
    return n, np.bincount(group, weights=y).astype(float), np.bincount(group, weights=y * y).astype(float)


def _within(n: Floats, s: Floats, q: Floats) -> Floats:
    """(2, groups) pairs n (n - 1) / 2 and their sum of (a - b)^2 / 2, which is (n q - s^2) / 2."""
    return np.stack([n * (n - 1) / 2, (n * q - s * s) / 2])


def _pairs_without(groupings: list[tuple[int, Ints]], y: Floats, left_out: Ints, n_left_out: int) -> Floats:
    """(L, 2, 8) the same with one prompt (or rater) after the other left out, from the cells that it has in each group."""
    found = np.zeros((n_left_out, 2, 8))
    for bits, group in groupings:
        n, s, q = _sums(group, y)
        whole = _within(n, s, q)
        cell = _places(group * n_left_out + left_out)
        first = np.unique(cell, return_index=True)[1]
        of_group, of_level = group[first], left_out[first]
        less = _sums(cell, y)
        rest = _within(n[of_group] - less[0], s[of_group] - less[1], q[of_group] - less[2])
        for what in range(2):
            change = np.bincount(of_level, weights=rest[what] - whole[what, of_group], minlength=n_left_out)
            found[:, what, bits] = whole[what].sum() + change
    return found


def _components(pairs: Floats) -> Floats:
    """(b, 6) in the order of `_NAMES`; NaN where no pair tells.

    Pairs that are the same in exactly these factors, by inclusion and exclusion of pairs that are the same in at least these.
    """
    p, m, r = 1, 2, 4
    exactly = np.stack(
        [
            pairs[..., 0]
            - pairs[..., p]
            - pairs[..., m]
            - pairs[..., r]
            + pairs[..., p | m]
            + pairs[..., p | r]
            + pairs[..., m | r]
            - pairs[..., p | m | r],
            pairs[..., p] - pairs[..., p | m] - pairs[..., p | r] + pairs[..., p | m | r],
            pairs[..., m] - pairs[..., p | m] - pairs[..., m | r] + pairs[..., p | m | r],
            pairs[..., r] - pairs[..., p | r] - pairs[..., m | r] + pairs[..., p | m | r],
            pairs[..., p | m] - pairs[..., p | m | r],
        ],
        axis=-1,
    )  # (b, 2, 5)
    with np.errstate(invalid="ignore", divide="ignore"):
        g = np.where(exactly[:, 0] > 0.5, exactly[:, 1] / exactly[:, 0], np.nan)
    total = g[:, _TOTAL]
    prompt, model, rater = (total - g[:, which] for which in (_PROMPT, _MODEL, _RATER))
    # One model has no component of its own, nor raters who are all different
    model_or_0, rater_or_0 = np.nan_to_num(model), np.nan_to_num(rater)
    residual = g[:, _ITEM] - rater_or_0
    prompt_model = total - prompt - model_or_0 - rater_or_0 - residual
    return np.column_stack([prompt, prompt_model, rater, residual, model, total])


def _why(sizes: list[int], point: Floats, anonymous: bool) -> dict[str, Reason]:
    """Why a component cannot be told."""
    prompts, models, raters = sizes
    why: dict[str, Reason] = {}
    if prompts < 2:
        return dict.fromkeys(_NAMES, Reason.ONE_PROMPT)
    if models < 2:
        return dict.fromkeys(_NAMES, Reason.ONE_MODEL)
    if anonymous:
        why["rater"] = Reason.ANONYMOUS
    elif raters < 2:
        why["rater"] = Reason.NOT_ENOUGH
    for name, value in zip(_NAMES, point, strict=True):
        if np.isnan(value):
            single = name in ("residual", "prompt_model")
            why.setdefault(name, Reason.SINGLE_RATINGS if single else Reason.NOT_ENOUGH)
    return why


def _jackknife(value: float, without: Floats, level: float, n: int, method: str) -> Result:
    """SE^2 = (L - 1) / L sum (value without one - their mean)^2, and Student's t with L - 1 degrees of freedom.

    Raters are few, and an estimated variance of few things is skewed: with t alone, nominal 95 % intervals over 12 to 25 raters
    covered 87 to 89 %. There each end is the further of t's and of chi-square's, and 94 to 96 % are covered; 90 % with 8.
    """
    units = without.size
    undefined = int(np.isnan(without).sum())
    low = high = None
    reason: Reason | None = None
    if undefined:
        reason = Reason.UNDEFINED_RESAMPLES
    elif np.ptp(without) < 1e-12:
        reason = Reason.NO_SPREAD
    else:
        error = np.sqrt((units - 1) / units * np.square(without - without.mean()).sum())
        half = float(special.stdtrit(units - 1, 0.5 + level / 2) * error)
        low, high = float(value) - half, float(value) + half
        if method == RATER_JACKKNIFE and value > error:
            skewed = _chi_square(float(value), float(error), level)
            low, high = min(low, skewed[0]), max(high, skewed[1])
    return Estimate(
        value=float(value),
        low=low,
        high=high,
        level=level,
        method=method,
        n=n,
        units=units,
        undefined_replicates=undefined,
        no_interval=reason,
    )


def _chi_square(value: float, error: float, level: float) -> tuple[float, float]:
    """Interval of a variance whose estimate is about chi-square, with as many degrees of freedom as its error implies.

    Source: Satterthwaite (1946), An approximate distribution of estimates of variance components.
    """
    df = 2 * (value / error) ** 2
    low, high = (df * value / special.chdtri(df, p) for p in ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def named(estimated: Estimated) -> Iterator[tuple[str, Result]]:
    """Each component and its name."""
    for name in _NAMES:
        yield name, getattr(estimated, name)
