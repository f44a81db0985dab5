"""What is said of raters, in the reader's words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stats.raters import Flag, RaterPanel
from stats.raters.flags import ENOUGH

FLAGS: dict[Flag, Promise] = {
    Flag.LENIENT: _("scores higher than the others"),
    Flag.SEVERE: _("scores lower than the others"),
    Flag.INCONSISTENT: _("scores do not rise and fall with the others’"),
    Flag.FEW_POINTS: _("hardly uses more than one point"),
    Flag.LONG_RUN: _("the same score many times in a row"),
    Flag.DRIFT: _("scores change in the course of the work"),
    Flag.OFF_GOLD: _("disagrees with gold values"),
    Flag.UNSTABLE: _("disagrees with own earlier scores"),
    Flag.EQUAL_AXES: _("nearly always the same score on all axes"),
    Flag.HALO: _("hardly tells the axes apart"),
    Flag.FAST: _("much faster than the others"),
    Flag.BELOW_FLOOR: _("often faster than reading takes"),
}

SHORT: dict[Flag, Promise] = {
    Flag.LENIENT: _("lenient"),
    Flag.SEVERE: _("severe"),
    Flag.INCONSISTENT: _("inconsistent"),
    Flag.FEW_POINTS: _("one point only"),
    Flag.LONG_RUN: _("long run"),
    Flag.DRIFT: _("drifts"),
    Flag.OFF_GOLD: _("off gold"),
    Flag.UNSTABLE: _("unstable"),
    Flag.EQUAL_AXES: _("equal axes"),
    Flag.HALO: _("halo"),
    Flag.FAST: _("fast"),
    Flag.BELOW_FLOOR: _("too fast to read"),
}

FIGURES: dict[str, Promise] = {
    "severity": _("severity"),
    "deviation": _("against the others’ mean"),
    "pearson": _("r with the others"),
    "spearman": _("rank correlation with the others"),
    "residual_sd": _("spread"),
    "entropy": _("entropy (bits)"),
    "modal_share": _("most frequent score"),
    "longest_run": _("longest run"),
    "drift": _("drift"),
    "drift_slope": _("drift, straight line"),
    "gold": _("kappa with gold"),
    "retest": _("kappa with oneself"),
    "equal_axes": _("all axes equal"),
    "halo": _("halo"),
    "seconds": _("median seconds"),
    "pace": _("pace (z)"),
    "below_floor": _("too fast to read"),
}

MEANS: dict[str, Promise] = {
    "plain": _("as it is"),
    "adjusted": _("severity taken out"),
    "plain_without": _("without raters in doubt"),
    "adjusted_without": _("without them, severity taken out"),
}

SHARES = frozenset({"modal_share", "equal_axes", "below_floor"})
"""Figures that are shown in percent."""
SIGNED = frozenset({"severity", "deviation", "drift", "drift_slope", "pace"})
"""Figures that have a direction."""


def nobody_stands_out(panel: RaterPanel) -> Promise | str:
    """What is said where nobody is flagged: an all-clear only for those with enough ratings to be flagged at all."""
    few = sum(one.n < ENOUGH for one in panel.raters)
    if not few:
        return _("No rater stands out.")
    return str(
        _(
            "Nobody is flagged, but %(few)s of %(all)s raters have fewer than %(enough)s ratings, too few to tell."
        )
    ) % {"few": few, "all": len(panel.raters), "enough": ENOUGH}
