"""Figures of a comparison in the reader's words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stats.judges.levels import Level

LEVELS: dict[Level, Promise] = {
    "none": _("all responses pooled"),
    "item": _("across models, per prompt"),
    "sys": _("across prompts, per model"),
    "system": _("of the models’ means"),
}

COEFFICIENTS: dict[str, Promise] = {
    "pearson": _("Pearson"),
    "spearman": _("Spearman"),
    "kendall": _("Kendall’s tau-b"),
}

#: Of figures that judges are compared by.
BETWEEN: dict[str, Promise] = {
    "pooled.pearson": _("Pearson, all responses pooled"),
    "pooled.acc23": _("acc23, all responses pooled"),
    "item.pearson": _("Pearson, per prompt"),
    "item.acc23": _("acc23, per prompt"),
    "system.pearson": _("Pearson of the models’ means"),
    "system.acc23": _("pairs of models in the same order"),
    "pairwise_difference": _("Pearson of differences of two models"),
    "spa": _("soft pairwise accuracy (SPA) of models"),
    "mae": _("mean absolute error"),
    "rmse": _("root of the mean squared error"),
    "qwk.judge": _("QWK with each rater, mean"),
    "alt_test.rho": _("advantage probability"),
    "agreement_with_confidence.b": _("agreement with confidence, version B"),
    "pair_rank_brier": _("Brier score of pairs (0: sure and right)"),
}

MARKS: dict[str, Promise] = {
    "headers": _("a header more"),
    "list_items": _("a list item more"),
    "bold": _("a bold passage more"),
}
