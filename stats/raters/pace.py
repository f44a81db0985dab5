"""Pace: how long somebody takes for a response of that length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from stats.arrays import Floats
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.raters.clusters import FEWEST_PROMPTS, LEVEL, ByRater, RaterMethod, Scale
from stats.raters.ratings import Sheet

READING_SPEED = 40.0
"""Characters a second that nobody reads: four times the 600 a minute of a quick reader of Japanese, and 480 words of English
a minute, where 238 are the mean of silent reading (Brysbaert 2019). For one language alone a lower one can be set."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


@dataclass(frozen=True)
class Pace:
    """(R,) each, over the ratings whose time and length are known."""

    seconds: list[Result]
    """Median."""
    z: list[Result]
    """Median of z: ln(seconds) less what the length lets expect, from all ratings, in robust SDs. Below 0 is faster."""
    below_floor: list[Result]
    """Share of ratings made in less than the time that it takes to read the response."""
    exponent: float | None
    """b of seconds ~ characters^b, least squares over all ratings."""


def pace(sheet: Sheet, *, reading_speed: float = READING_SPEED, level: float = LEVEL) -> Pace:
    """Time against length. `reading_speed` in characters a second. Undefined (`no_data`) without times or lengths."""
    if not reading_speed > 0:
        raise ValueError(f"a reading speed is above 0, not {reading_speed}")
    if sheet.seconds is None or sheet.characters is None:
        nothing: list[Result] = [Undefined(Reason.NO_DATA)] * sheet.n_raters
        return Pace(nothing, nothing, nothing, None)
    with np.errstate(invalid="ignore"):
        known = (sheet.seconds > 0) & (sheet.characters > 0)
    by = ByRater(sheet.rater[known], sheet.prompt[known], sheet.n_raters)
    seconds, characters = sheet.seconds[known], sheet.characters[known]
    if not seconds.size:
        nothing = [Undefined(Reason.NO_DATA)] * sheet.n_raters
        return Pace(nothing, nothing, nothing, None)
    y, x = np.log(seconds), np.log(characters)
    x -= x.mean()
    variance = float(x @ x)
    exponent = float(x @ y) / variance if variance > 1e-9 else None
    residual = y - (exponent or 0.0) * x
    residual -= np.median(residual)
    spread = NORMAL * float(np.median(np.abs(residual)))
    below = (seconds < characters / reading_speed).astype(np.float64)
    share = by.mean(below)
    return Pace(
        seconds=medians(by, seconds, level=level),
        z=medians(by, residual / spread, level=level)
        if spread > 1e-9
        else [Undefined(Reason.CONSTANT if n else Reason.NO_DATA, n) for n in by.n.tolist()],
        below_floor=by.results(
            share, below - share[by.rater], scale=Scale.SHARE, level=level, why=Reason.NO_DATA
        ),
        exponent=exponent,
    )


def medians(by: ByRater, x: Floats, *, level: float = LEVEL) -> list[Result]:
    """(R,) the median of each rater's x with Woodruff's interval: the share of x up to the median has an error, clustered by
    prompt, and the quantiles at both ends of its interval are the ends. Woodruff (1952)."""
    order = np.lexsort((x, by.rater))
    ranked = x[order]
    end = np.cumsum(by.n)
    start = end - by.n

    def quantile(p: Floats) -> Floats:
        """With steps at (j - 1/2) / n, straight lines between."""
        at = np.clip(p * by.n - 0.5, 0, np.maximum(by.n - 1, 0))
        low = np.floor(at).astype(np.int64)
        first = np.minimum(start + low, max(x.size - 1, 0))
        then = np.minimum(first + (at > low), max(x.size - 1, 0))
        return np.asarray(ranked[first] + (at - low) * (ranked[then] - ranked[first]))

    half = np.full(by.n_raters, 0.5)
    middle = quantile(half)
    below = (x < middle[by.rater]) + 0.5 * (x == middle[by.rater])
    share = by.mean(below)
    reach = special.stdtrit(np.maximum(by.units - 1, 1), 0.5 + level / 2) * by.error(below - share[by.rater])
    with np.errstate(invalid="ignore"):
        low, high = quantile(half - np.nan_to_num(reach)), quantile(half + np.nan_to_num(reach))
    found: list[Result] = []
    for r in range(by.n_raters):
        n, units = int(by.n[r]), int(by.units[r])
        if n == 0:
            found.append(Undefined(Reason.NO_DATA))
            continue
        missing: Reason | None = None
        if units < 2:
            missing = Reason.ONE_UNIT
        elif units < FEWEST_PROMPTS or not reach[r] < 0.5 - 0.5 / n:
            missing = Reason.NOT_ENOUGH  # the ends lie beyond all ratings
        elif high[r] - low[r] < 1e-12:
            missing = Reason.NO_SPREAD
        found.append(
            Estimate(
                value=float(middle[r]),
                low=None if missing else float(low[r]),
                high=None if missing else float(high[r]),
                level=level,
                method=RaterMethod.CLUSTER_WOODRUFF,
                n=n,
                units=units,
                no_interval=missing,
            )
        )
    return found
