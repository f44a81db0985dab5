"""Figures of agreement, and why one is missing, in the reader's words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stats.agreement import Method, Metric
from stats.estimate import Reason

REASONS: dict[Reason, Promise] = {
    Reason.NO_SCORES: _("no scores yet"),
    Reason.NO_ITEM_WITH_TWO_SCORES: _("no item has two scores yet"),
    Reason.ONE_ITEM: _("only one item has two scores"),
    Reason.NO_VARIATION: _("all scores are the same, so there is nothing to agree or disagree on"),
    Reason.NO_VARIATION_BETWEEN_ITEMS: _("all items have the same mean"),
    Reason.NEGATIVE_VALUES: _("the scale has negative values"),
    Reason.NOT_ORDERED: _("the points of this axis have no order"),
    Reason.TWO_POINTS: _("on two points any two scores are neighbours"),
    Reason.NO_NA: _("nobody said “cannot judge”"),
    Reason.NOT_ENOUGH: _("too little data for this figure"),
    Reason.CONSTANT: _("one side is the same everywhere"),
    Reason.ONE_MODEL: _("there is only one model"),
    Reason.ONE_PROMPT: _("there is only one prompt"),
    Reason.NOTHING_SHARED: _("nothing was scored by both sides"),
    Reason.SINGLE_RATINGS: _("no item has scores of two people"),
    Reason.INCOMPLETE: _("some rater left some item out"),
    Reason.NOT_CONNECTED: _("some raters share no item with the others"),
    Reason.SEPARATED: _("a model wins or loses always, so its strength has no limit"),
    Reason.NOT_COMPARED: _("some models were never compared with the others"),
    Reason.ANONYMOUS: _("the raters are positions in a list, not persons"),
    Reason.NO_DATA: _("what it is made of was not collected"),
    Reason.NO_SEPARATED_PAIR: _("people tell no two models apart with confidence"),
    Reason.NOT_CONVERGED: _("the computation found no solution"),
    Reason.TOO_WIDE: _("an interval that wide says nothing about it"),
    Reason.ONE_UNIT: _("no interval from a single prompt or item"),
    Reason.UNDEFINED_RESAMPLES: _("no interval: it hangs on very few items"),
    Reason.NO_SPREAD: _("no interval: the data hold no sign of how this would vary"),
    Reason.NOT_ASKED: _("no interval was asked for"),
}

NO_INTERVAL: dict[Reason, Promise] = REASONS | {
    Reason.NOT_ENOUGH: _("no interval: too few prompts or items for one"),
}
"""Why a figure that there is has no interval."""

ANONYMOUS_RATERS = _("unknown: the raters are positions in a list, not persons")

METRICS: dict[Metric, Promise] = {
    "nominal": _("nominal"),
    "ordinal": _("ordinal"),
    "interval": _("interval scale"),
    "ratio": _("ratio"),
}

METHODS: dict[Method, Promise] = {
    Method.CLUSTER_BOOTSTRAP: _("bootstrap over prompts"),
    Method.CLUSTER_JACKKNIFE: _("jackknife over prompts"),
    Method.ITEM_BOOTSTRAP: _("bootstrap over items"),
    Method.ITEM_JACKKNIFE: _("jackknife over items"),
    Method.NONE: _("no interval"),
}

FIGURES: dict[str, Promise] = {
    "exact": _("same score"),
    "within_one": _("at most one point apart"),
    "mean_abs_difference": _("mean difference of two scores"),
    "ac1": _("Gwet’s AC1"),
    "ac2": _("Gwet’s AC2, quadratic weights"),
    "brennan_prediger": _("Brennan–Prediger"),
    "icc_1_1": _("ICC(1,1), of one score"),
    "icc_1_k": _("ICC(1,k), of an item’s mean"),
    "na_exact": _("agree on whether it can be judged"),
    "na_alpha": _("the same, corrected for chance (alpha)"),
}

LITTLE_VARIATION = _(
    "Nearly all scores are the same: raters agree, and alpha is low for want of variation. Read the share of "
    "equal scores and AC2 instead."
)
FEW_ITEMS = _("Fewer than %(n)s items have two scores: take this for a first sign only.")

FEW_PROMPTS = _("Few prompts (%(n)s): take all intervals for rough.")

WHERE_EXPLAINED = _(
    "What these numbers mean, and when not to trust them: docs/methods.md, and in the browser the page "
    "“What this number means” (/help/numbers/)."
)
"""Ends the text of a command that prints figures."""
