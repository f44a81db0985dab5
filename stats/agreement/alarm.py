"""When a live figure is a reason to act, and when it is chance.

Whoever looks at alpha after every rating sees it below any target sooner or later, also where all is well. So an alarm
needs all of this: new items, enough of them, an interval that lies below the target as a whole, and that twice.
"""

from collections.abc import Iterable, Sequence

from stats.agreement.panel import FEW_ITEMS
from stats.agreement.patterns import PatternHistogram, merge
from stats.estimate import Estimate, Reason, Result, Undefined

ALARM_ITEMS = 50
"""New pairable items that a batch needs before it can give an alarm."""

ALARM_BATCHES = 2
"""Batches in a row that must lie below the target."""


def batches_of_new_items(
    histograms: Iterable[PatternHistogram], *, fewest: int = ALARM_ITEMS
) -> list[PatternHistogram]:
    """Histograms of new items, oldest first, put together until each has `fewest` pairable items.

    What is left over at the end, and may still grow, is not among them.
    """
    batches: list[PatternHistogram] = []
    waiting: list[PatternHistogram] = []
    for histogram in histograms:
        waiting.append(histogram)
        if sum(part.n_pairable for part in waiting) >= fewest:
            batches.append(merge(waiting))
            waiting = []
    return batches


def enough_items(alpha: Result, *, fewest: int = FEW_ITEMS) -> Result:
    """An alpha of fewer than `fewest` pairable items is undefined for a display that people act upon."""
    if isinstance(alpha, Estimate) and alpha.n < fewest:
        return Undefined(Reason.NOT_ENOUGH, alpha.n)
    return alpha


def alarm(
    batches: Sequence[Result],
    target: float,
    *,
    fewest: int = ALARM_ITEMS,
    in_a_row: int = ALARM_BATCHES,
) -> bool:
    """Whether the newest `in_a_row` batches, oldest first, each of its own items, lie below `target` as intervals.

    Batches of fewer than `fewest` pairable items are passed over. One without a figure or an interval is no sign of
    anything, and so ends a row.
    """
    newest = [batch for batch in batches if batch.n >= fewest][-in_a_row:]
    return len(newest) == in_a_row and all(
        isinstance(batch, Estimate) and batch.high is not None and batch.high < target for batch in newest
    )
