"""What to know before reading the figures of an axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.agreement.words import FEW_PROMPTS as FEW_PROMPTS_WORDS
from exports.comparison.axis import AxisComparison
from stats.agreement import FEW_PROMPTS
from stats.estimate import Estimate, Reason

FEW_MODELS = 10
MANY_FAILURES = 0.05


@dataclass(frozen=True)
class Caution:
    key: str
    words: Promise
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.words) % self.values if self.values else str(self.words)


NOTHING_SHARED = _("People and the judge scored no response in common, so there is nothing to compare.")
FEW_MODELS_WORDS = _(
    "Few models (%(n)s): figures of level “system” and of pairs of models have wide intervals and come near 1 when one "
    "model is far worse than the rest."
)
ANONYMOUS_WORDS = _(
    "The raters are positions in a list, not persons: what compares the judge with each rater is undefined."
)
TWO_RATERS_WORDS = _(
    "Most responses have two raters: the verdict of the alternative annotator test is mostly the choice of epsilon. Read "
    "the curve; its authors advise three raters or more."
)
FAILURES_WORDS = _(
    "The judge failed %(percent)s %% of the time: the figures are of what it did score, which may be the easier part."
)
SEPARATED_WORDS = _(
    "Some models win or lose against all others, so that Bradley–Terry has no finite strengths."
)
LITTLE_SPREAD_WORDS = _(
    "The judge uses little of the scale (slope %(slope)s): errors and bias hang on the score."
)
NO_ORDER_WORDS = _(
    "The points of this axis have no order: read the confusion table, and neither correlations nor errors."
)


NOT_ADJUSTED_WORDS = _(
    "Severity was not taken out: the raters are not known as persons, or share too little with each other."
)
ADJUSTED_WORDS = _(
    "The severity of the raters is taken out of people’s means; single ratings are as they were given."
)


def cautions(of: AxisComparison) -> Iterator[Caution]:
    panel = of.panel
    if panel.n_items == 0:
        yield Caution("nothing_shared", NOTHING_SHARED)
        return
    if of.judged.adjusted is not None:
        yield (
            Caution("adjusted", ADJUSTED_WORDS)
            if of.judged.adjusted
            else Caution("not_adjusted", NOT_ADJUSTED_WORDS)
        )
    if of.judged.axis.kind == "nominal":
        yield Caution("no_order", NO_ORDER_WORDS)
    if panel.n_models <= FEW_MODELS:
        yield Caution("few_models", FEW_MODELS_WORDS, {"n": panel.n_models})
    if panel.n_prompts < FEW_PROMPTS:
        yield Caution("few_prompts", FEW_PROMPTS_WORDS, {"n": panel.n_prompts})
    if isinstance(of.failure_rate, Estimate) and of.failure_rate.value > MANY_FAILURES:
        yield Caution("many_failures", FAILURES_WORDS, {"percent": f"{100 * of.failure_rate.value:.1f}"})
    if of.grid.ratings is not None and of.grid.ratings.anonymous:
        yield Caution("anonymous_raters", ANONYMOUS_WORDS)
    elif of.alt_test.thin:
        yield Caution("two_raters", TWO_RATERS_WORDS)
    strengths = (*of.human_strengths.strengths, *of.judge_strengths.strengths)
    if any(getattr(one, "reason", None) == Reason.SEPARATED for one in strengths):
        yield Caution("separated", SEPARATED_WORDS)
    slope = panel.error.slope
    if isinstance(slope, Estimate) and slope.high is not None and slope.high < 0.5:
        yield Caution("little_spread", LITTLE_SPREAD_WORDS, {"slope": f"{slope.value:.2f}"})
