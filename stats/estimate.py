"""What a computation gives: an estimate with its interval, or the reason why there is none.

Undefined is a value. It is never NaN, never an exception, and never a 0 or a 1 standing in.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a figure, or only its interval, does not exist. Whoever shows it puts it into words."""

    # the figure itself
    NO_SCORES = "no_scores"
    NO_ITEM_WITH_TWO_SCORES = "no_item_with_two_scores"
    ONE_ITEM = "one_item"
    NO_VARIATION = "no_variation"
    NO_VARIATION_BETWEEN_ITEMS = "no_variation_between_items"
    NEGATIVE_VALUES = "negative_values"
    NOT_ORDERED = "not_ordered"
    TWO_POINTS = "two_points"
    NO_NA = "no_na"
    NOT_ENOUGH = "not_enough"
    """Fewer items, raters or prompts than the figure needs; its description says how many."""
    CONSTANT = "constant"
    """One side is the same everywhere: nothing to correlate."""
    ONE_MODEL = "one_model"
    ONE_PROMPT = "one_prompt"
    NOTHING_SHARED = "nothing_shared"
    """No item that both sides scored."""
    SINGLE_RATINGS = "single_ratings"
    """No item with scores of two people."""
    INCOMPLETE = "incomplete"
    """Some rater left some item out, and the figure needs all of them."""
    NOT_CONNECTED = "not_connected"
    """Groups of raters without any item in common: nothing compares one group with the other."""
    SEPARATED = "separated"
    """Some models beat all others, always: no finite strengths (Bradley-Terry)."""
    NOT_COMPARED = "not_compared"
    """Some models never met the others, neither directly nor through third ones."""
    ANONYMOUS = "anonymous"
    """Raters are positions in a list, and the figure needs persons."""
    NO_DATA = "no_data"
    """What the figure is made of was not collected: times, lengths, repeats, gold."""
    NO_SEPARATED_PAIR = "no_separated_pair"
    """People tell no two models apart with confidence."""
    NOT_CONVERGED = "not_converged"
    TOO_WIDE = "too_wide"
    """An interval as wide as was asked for says nothing."""
    # its interval only
    ONE_UNIT = "one_unit"
    UNDEFINED_RESAMPLES = "undefined_resamples"
    NO_SPREAD = "no_spread"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Undefined:
    """There is no such figure for these data."""

    reason: Reason
    n: int = 0
    """Items that it would have been computed from."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its interval and how both came about."""

    value: float
    low: float | None
    high: float | None
    level: float
    """Of the interval: 0.95 means that it is made to cover the truth 95 times in 100."""
    method: str
    """How the interval was made: a value of `stats.agreement.Method`."""
    n: int
    """Items that the figure was computed from."""
    units: int
    """Independent things that were resampled: items, or clusters of items (prompts)."""
    replicates: int = 0
    """Resamples drawn by a bootstrap; 0 for a jackknife, which draws nothing."""
    undefined_replicates: int = 0
    """Resamples in which the figure did not exist; they are left out of the interval."""
    no_interval: Reason | None = None
    """Set, with `low` and `high` None, when the figure exists and its interval does not."""


Result = Estimate | Undefined
