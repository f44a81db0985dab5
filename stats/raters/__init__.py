"""Raters: how severe, how consistent, how careful, and what that does to means of items and models.

sheet = Sheet.of(item=item, rater=rater, score=scores, prompt=prompt, model=model, order=time, seconds=seconds,
                 characters=characters)
rater_panel(sheet)
severity(sheet.axis(0))
"""

from stats.raters.across_axes import equal_axes, halo
from stats.raters.adjusted import ItemMeans, ModelMeans, item_means, means_with_and_without, model_means
from stats.raters.clusters import RaterMethod
from stats.raters.dawid_skene import DawidSkene, dawid_skene
from stats.raters.drift import Drift, drift
from stats.raters.flags import Flag, Raised
from stats.raters.noise import residual_sd
from stats.raters.pace import READING_SPEED, Pace, pace
from stats.raters.pairs import PairSums, pair_sums
from stats.raters.panel import AxisOfAll, OnAxis, OneRater, RaterPanel, rater_panel
from stats.raters.ratings import Scored, Sheet
from stats.raters.repeats import Twice, TwiceAgreement, agreement_twice
from stats.raters.rest import Rest, against_the_rest
from stats.raters.scale_use import ScaleUse, longest_run, scale_use
from stats.raters.severity import ALONE, Severity, fit, residuals, severity

__all__ = [
    "ALONE",
    "READING_SPEED",
    "AxisOfAll",
    "DawidSkene",
    "Drift",
    "Flag",
    "ItemMeans",
    "ModelMeans",
    "OnAxis",
    "OneRater",
    "Pace",
    "PairSums",
    "Raised",
    "RaterMethod",
    "RaterPanel",
    "Rest",
    "ScaleUse",
    "Scored",
    "Severity",
    "Sheet",
    "Twice",
    "TwiceAgreement",
    "against_the_rest",
    "agreement_twice",
    "dawid_skene",
    "drift",
    "equal_axes",
    "fit",
    "halo",
    "item_means",
    "longest_run",
    "means_with_and_without",
    "model_means",
    "pace",
    "pair_sums",
    "rater_panel",
    "residual_sd",
    "residuals",
    "scale_use",
    "severity",
]
