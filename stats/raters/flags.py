"""Whom a coordinator should look at: figures beyond a size that matters, from enough items.

By size and never by p: with 183 ratings a leniency of a tenth of a point is significant and means nothing (a z above 3 flags
18 to 23 good raters of 48 in our simulation). A flag is a reason to look, and changes no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from stats.estimate import Estimate, Result

# Sources: "simulated" is a project of 484 prompts x 10 models, 53 raters, two an item, severity SD .35, three raters who
# click at random and two who press one score; `tests/stats/test_raters_recovery.py` has it.

ENOUGH = 30
"""Items below which nothing is flagged: a rater's mean over 30 items has an error of about .15 point."""
ENOUGH_FOR_CORRELATION = 50
"""Items below which no correlation is flagged: over 50 items it has an error of about .14."""
ENOUGH_REPEATS = 15
"""Repeats or gold items below which their agreement is not flagged."""
SEVERITY = 0.125
"""Of the axis' range: half a point on five points. Simulated: good raters mostly lie within it."""
CORRELATION = 0.2
"""Leave-one-out correlation. Simulated: bad raters -.12 to .11, the worst good one .25 to .34."""
ENTROPY = 0.35
"""Of the entropy of all raters' scores. Simulated: straight-liners .12 to .20 of it, good raters .75 or more."""
MUCH_ENTROPY = 0.5
"""Bits of all scores below which nobody is flagged for little entropy: there is no variety to use."""
EQUAL_AXES, EQUAL_AXES_ABOVE = 0.8, 0.3
"""Share of items with all axes equal, and by how much it is above everybody's. Our convention."""
HALO_ABOVE = 0.3
"""Mean correlation between axes above that of all raters together. Our convention."""
ALMOST_ALL = 0.95
"""Where a threshold that is counted from everybody's would lie higher, it lies here."""
LONG_RUN, LONG_RUN_TIMES = 15, 3
"""Equal scores one after the other, and how many times what chance would give. Our convention."""
DRIFT = 0.125
"""Of the axis' range, from the first to the last third."""
ENOUGH_FOR_DRIFT = 300
"""Items below which no drift is flagged: a difference of thirds of 100 has an error of about .2 point."""
FAST = -1.5
"""Robust SDs: the median rating is as quick as the quickest 7 % of all."""
BELOW_FLOOR = 0.2
"""Share of ratings made in less time than reading takes."""
KAPPA = 0.4
"""Quadratic weighted kappa with gold or oneself; below it is "fair" at most (Landis & Koch 1977)."""


class Flag(StrEnum):
    LENIENT = "lenient"
    SEVERE = "severe"
    INCONSISTENT = "inconsistent"
    """Scores do not rise and fall with the others'."""
    FEW_POINTS = "few_points"
    """Hardly any variety."""
    LONG_RUN = "long_run"
    DRIFT = "drift"
    OFF_GOLD = "off_gold"
    UNSTABLE = "unstable"
    """Disagrees with his or her own earlier scores."""
    EQUAL_AXES = "equal_axes"
    HALO = "halo"
    FAST = "fast"
    BELOW_FLOOR = "below_floor"


MENDABLE = frozenset({Flag.LENIENT, Flag.SEVERE, Flag.DRIFT, Flag.HALO})
"""Flags that are no sign of carelessness: such ratings still tell good responses from bad ones, and severity can be taken
out. Whoever has any other flag is *in doubt*, and left out of the means "without"."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A figure beyond its threshold."""

    flag: Flag
    axis: int | None
    """None for what spans all axes."""
    value: float
    threshold: float
    n: int


def above(
    flag: Flag, figure: Result, threshold: float, *, axis: int | None = None, enough: int = ENOUGH
) -> list[Raised]:
    """[Raised] if the figure exceeds the threshold and stands on enough items."""
    if not isinstance(figure, Estimate) or figure.n < enough or not figure.value > threshold:
        return []
    return [Raised(flag, axis, figure.value, threshold, figure.n)]


def below(
    flag: Flag, figure: Result, threshold: float, *, axis: int | None = None, enough: int = ENOUGH
) -> list[Raised]:
    """[Raised] if the figure falls short of the threshold and stands on enough items."""
    if not isinstance(figure, Estimate) or figure.n < enough or not figure.value < threshold:
        return []
    return [Raised(flag, axis, figure.value, threshold, figure.n)]


def beyond_everybody(everybody: float | None, by: float, *, least: float = -np.inf) -> float:
    """A threshold that lies `by` above what all raters have, at least at `least`, and never out of reach."""
    return ALMOST_ALL if everybody is None else float(min(max(least, everybody + by), ALMOST_ALL))
