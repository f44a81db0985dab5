"""Agreement between raters.

histogram = PatternHistogram.from_ratings(values=[1, 2, 3, 4, 5], item=item, rank=rank, cluster=prompt)
estimate(histogram, alpha("ordinal"), interval=Interval(), rng=np.random.default_rng(1))
panel(histogram)
"""

from stats.agreement.alarm import ALARM_ITEMS, alarm, batches_of_new_items, enough_items
from stats.agreement.coefficients import (
    EXACT,
    ICC_1_1,
    ICC_1_K,
    MEAN_ABSOLUTE_DIFFERENCE,
    WITHIN_ONE,
    Coefficient,
    Metric,
    Weights,
    alpha,
    bp,
    gwet,
    spearman_brown,
)
from stats.agreement.intervals import ITEM_JACKKNIFE, Interval, Method, estimate, estimate_all
from stats.agreement.pairs import Pair, cohen_kappa, pair, pair_table, pair_tables, quadratic_kappa, tau_b
from stats.agreement.panel import FEW_ITEMS, FEW_PROMPTS, METRICS, Kind, Panel, little_variation, panel
from stats.agreement.patterns import MISSING, NA, Clusters, PatternHistogram, merge
from stats.agreement.systems import SystemReliability, system_reliability
from stats.agreement.two_way import TwoWay, icc_two_way

__all__ = [
    "ALARM_ITEMS",
    "EXACT",
    "FEW_ITEMS",
    "FEW_PROMPTS",
    "ICC_1_1",
    "ICC_1_K",
    "ITEM_JACKKNIFE",
    "MEAN_ABSOLUTE_DIFFERENCE",
    "METRICS",
    "MISSING",
    "NA",
    "WITHIN_ONE",
    "Clusters",
    "Coefficient",
    "Interval",
    "Kind",
    "Method",
    "Metric",
    "Pair",
    "Panel",
    "PatternHistogram",
    "SystemReliability",
    "TwoWay",
    "Weights",
    "alarm",
    "alpha",
    "batches_of_new_items",
    "bp",
    "cohen_kappa",
    "enough_items",
    "estimate",
    "estimate_all",
    "gwet",
    "icc_two_way",
    "little_variation",
    "merge",
    "pair",
    "pair_table",
    "pair_tables",
    "panel",
    "quadratic_kappa",
    "spearman_brown",
    "system_reliability",
    "tau_b",
]
