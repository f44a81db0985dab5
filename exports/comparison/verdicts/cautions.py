"""What to know before reading the figures of verdicts on pairs."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from annotation.agreement.words import FEW_PROMPTS as FEW_PROMPTS_WORDS
from exports.comparison.cautions import FAILURES_WORDS, MANY_FAILURES, SEPARATED_WORDS, Caution
from exports.comparison.verdicts.figures import PairComparison
from stats.agreement import FEW_PROMPTS
from stats.estimate import Estimate, Reason

INCONSISTENT = 0.8

ONE_ORDER_WORDS = _(
    "%(n)s of %(all)s pairs were shown in one order only: what order does cannot be taken out there, and they count in no win "
    "rate but that of single verdicts."
)
ORDER_WORDS = _(
    "Order plays a part: %(percent)s %% of the verdicts are for the response that was shown first. Both orders together take that "
    "out, one order does not."
)
INCONSISTENT_WORDS = _(
    "In %(percent)s %% of the pairs the two orders give different verdicts; such pairs count as ties."
)
NOT_COMPARED_WORDS = _(
    "Some models never met the others, directly or through third ones: their strengths do not compare."
)
MISSED_WORDS = _("“%(model)s” is in none of these pairs: nothing is set against it.")
ANONYMOUS_WORDS = _(
    "The raters are positions in a list, not persons: whether one of them prefers what the judge prefers is undefined."
)


def pair_cautions(of: PairComparison) -> Iterator[Caution]:
    pairs = of.pairs
    shown = len(pairs.one_order)
    if of.missed:
        yield Caution("baseline_missed", MISSED_WORDS, {"model": of.missed})
    if len(pairs.prompts) < FEW_PROMPTS:
        yield Caution("few_prompts", FEW_PROMPTS_WORDS, {"n": len(pairs.prompts)})
    if isinstance(of.failure_rate, Estimate) and of.failure_rate.value > MANY_FAILURES:
        yield Caution("many_failures", FAILURES_WORDS, {"percent": f"{100 * of.failure_rate.value:.1f}"})
    if alone := int(pairs.one_order.sum()):
        yield Caution("one_order", ONE_ORDER_WORDS, {"n": f"{alone:,}", "all": f"{shown:,}"})
    first = of.order.shown_first
    if isinstance(first, Estimate) and first.low is not None and first.high is not None:  # noqa: SIM102
        if first.low > 0.5 or first.high < 0.5:
            yield Caution("order_matters", ORDER_WORDS, {"percent": f"{100 * first.value:.0f}"})
    same = of.order.consistency
    if isinstance(same, Estimate) and same.value < INCONSISTENT:
        yield Caution("inconsistent", INCONSISTENT_WORDS, {"percent": f"{100 * (1 - same.value):.0f}"})
    reasons = {getattr(one, "reason", None) for one in of.strengths.strengths}
    if Reason.SEPARATED in reasons:
        yield Caution("separated", SEPARATED_WORDS)
    if Reason.NOT_COMPARED in reasons:
        yield Caution("not_compared", NOT_COMPARED_WORDS)
    if any(getattr(one.found.raters.judge, "reason", None) == Reason.ANONYMOUS for one in of.people):
        yield Caution("anonymous_raters", ANONYMOUS_WORDS)
