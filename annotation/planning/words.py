"""The planner's figures in the reader's words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stats.design.planner import Assignment, Figure
from stats.estimate import Reason

COMPONENTS: dict[str, Promise] = {
    "prompt": _("prompts (some are harder for all models)"),
    "prompt_model": _("prompt × model (some prompts suit some models)"),
    "model": _("models"),
    "rater": _("raters (severity)"),
    "residual": _("the rest (one person, another day)"),
}

FIGURES: dict[Figure, Promise] = {
    "alpha": _("alpha"),
    "mean": _("mean of a model, for these raters"),
    "mean_other_raters": _("mean of a model, for other raters too"),
    "difference": _("difference of two models"),
}

ASSIGNMENTS: dict[Assignment, Promise] = {
    "scattered": _("balanced over raters and models"),
    "side_by_side": _("all responses to a prompt by the same raters"),
    "random": _("left to chance"),
}

ASSUMPTIONS = (
    _("All models answer the same prompts; the intervals are for other prompts like these."),
    _(
        "alpha: ± z σ / √items; σ from simulated studies on five points, where items are independent, or from the pilot’s "
        "jackknife over prompts, carried over to other numbers of raters."
    ),
    _(
        "mean: the variance is (prompt + prompt × model + rest / k) / P for k raters per item and P prompts; for other raters "
        "like these, that of raters divided by their number comes on top."
    ),
    _(
        "difference: the variance is 2 (prompt × model + rest / k) / P. What is hard for all models leaves it, and so does "
        "severity, as long as everybody rates every model equally often."
    ),
)

REASONS: dict[Reason, Promise] = {
    Reason.SINGLE_RATINGS: _("with one rater per item there is nobody to agree with"),
    Reason.ONE_MODEL: _("one model differs from no other"),
}
"""Why a plan does not give a figure, where that is said otherwise than of ratings."""
