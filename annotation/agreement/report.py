"""An agreement as JSON (docs/methods.md) and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.agreement import words
from annotation.agreement.project import AxisAgreement, ProjectAgreement
from annotation.terminal import padded, width
from stats.agreement import FEW_ITEMS, METRICS, Method, Panel
from stats.estimate import Estimate, Result, Undefined

_BY_ITSELF = (
    "exact",
    "within_one",
    "mean_abs_difference",
    "ac1",
    "ac2",
    "brennan_prediger",
    "icc_1_1",
    "icc_1_k",
)
_WITHOUT_ORDER = ("exact", "ac1", "brennan_prediger")


def as_json(agreement: ProjectAgreement) -> dict[str, Any]:
    return {
        "project": agreement.project.slug,
        "batch": agreement.batch.name if agreement.batch else None,
        "purpose": agreement.purpose,
        "computed_at": agreement.computed_at.isoformat(),
        "level": agreement.interval.level,
        "seed": agreement.seed,
        "axes": [_axis_as_json(axis) for axis in agreement.axes],
    }


def _axis_as_json(found: AxisAgreement) -> dict[str, Any]:
    panel = found.panel
    return {
        "axis": found.axis.key,
        "kind": found.axis.kind,
        "rubric_versions": list(found.versions),
        "n_items": panel.n_items,
        "n_pairable": panel.n_pairable,
        "n_prompts": panel.n_prompts,
        "n_raters": found.n_raters,
        **({"n_raters_reason": "anonymous_raters"} if found.n_raters is None else {}),
        "n_ratings": panel.n_ratings,
        "n_pairs": panel.n_pairs,
        "n_na": panel.n_na,
        "na_rate": panel.na_rate,
        "n_conflicts": panel.n_conflicts,
        "distribution": {
            f"{value:.15g}": int(n) for value, n in zip(panel.values, panel.distribution, strict=True)
        },
        "mean": panel.mean,
        "headline": panel.headline,
        "alpha": {metric: figure_as_json(panel.alpha[metric]) for metric in METRICS},
        **{name: figure_as_json(getattr(panel, name)) for name in _BY_ITSELF},
        "raters_per_item": panel.raters_per_item,
        "na": {"exact": figure_as_json(panel.na_exact), "alpha": figure_as_json(panel.na_alpha)},
        "little_variation": panel.little_variation,
        "few_items": panel.few_items,
        "few_prompts": panel.few_prompts,
        "variants": panel.variants,
    }


def figure_as_json(figure: Result) -> dict[str, Any]:
    """One figure: with its interval and how that was made, or null and the reason."""
    if isinstance(figure, Undefined):
        return {"value": None, "reason": str(figure.reason), "n": figure.n}
    found: dict[str, Any] = {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "method": str(figure.method),
        "level": figure.level,
        "n": figure.n,
        "units": figure.units,
    }
    if figure.replicates:
        found |= {"replicates": figure.replicates, "undefined_replicates": figure.undefined_replicates}
    if figure.no_interval:
        found["no_interval"] = str(figure.no_interval)
    return found


def figure_in_words(figure: Result) -> str:
    """“0.448 [0.421, 0.474]”, or why there is none."""
    if isinstance(figure, Undefined):
        return _("undefined: %(reason)s") % {"reason": words.REASONS[figure.reason]}
    if figure.low is None or figure.high is None:
        reason = words.NO_INTERVAL[figure.no_interval] if figure.no_interval else ""
        return f"{figure.value:z.3f} ({reason})"
    return f"{figure.value:z.3f} [{figure.low:z.3f}, {figure.high:z.3f}]"


def as_text(agreement: ProjectAgreement) -> str:
    return "\n".join(_lines(agreement)) + "\n"


def _lines(agreement: ProjectAgreement) -> Iterator[str]:
    project, batch = agreement.project.slug, agreement.batch
    if batch:
        yield _("Agreement in %(project)s, batch “%(batch)s”") % {"project": project, "batch": batch.name}
    else:
        yield _("Agreement in %(project)s, all batches") % {"project": project}
    if batch and agreement.does_not_count:
        yield _(
            "This batch is for “%(purpose)s”: its ratings are not independent ones of the design, and are not counted."
        ) % {"purpose": batch.get_purpose_display()}
    if not agreement.axes:
        yield _("The project has no axes yet.")
    for found in agreement.axes:
        yield ""
        yield from _axis_lines(found)
    methods = sorted({_method(figure) for axis in agreement.axes for figure in _shown(axis.panel)} - {""})
    if methods:
        yield ""
        yield _("%(level)s %% intervals: %(methods)s; seed %(seed)s.") % {
            "level": f"{100 * agreement.interval.level:g}",
            "methods": "; ".join(methods),
            "seed": agreement.seed,
        }
        yield _("They hold for these raters and for other prompts like these.")
    if agreement.axes:
        yield ""
        yield str(words.WHERE_EXPLAINED)


def _axis_lines(found: AxisAgreement) -> Iterator[str]:
    panel = found.panel
    versions = ", ".join(str(number) for number in found.versions)
    yield f"{found.axis.key} · {found.axis.label} · {found.axis.get_kind_display()} · " + _(
        "rubric version %(versions)s"
    ) % {"versions": versions}
    raters = str(words.ANONYMOUS_RATERS)
    if found.n_raters is not None:
        raters = ngettext("%(n)s rater", "%(n)s raters", found.n_raters) % {"n": f"{found.n_raters:,}"}
    counts = [
        ngettext(
            "%(n)s item, %(pairable)s with two scores or more",
            "%(n)s items, %(pairable)s with two scores or more",
            panel.n_items,
        )
        % {"n": f"{panel.n_items:,}", "pairable": f"{panel.n_pairable:,}"},
        ngettext("%(n)s score", "%(n)s scores", panel.n_ratings) % {"n": f"{panel.n_ratings:,}"},
        ngettext("%(n)s pair", "%(n)s pairs", panel.n_pairs) % {"n": f"{panel.n_pairs:,}"},
        _("raters: %(raters)s") % {"raters": raters} if found.n_raters is None else raters,
    ]
    yield "  " + " · ".join(counts)
    yield "  " + "  ".join(
        f"{value:g}: {n:,}" for value, n in zip(panel.values, panel.distribution, strict=True) if n
    )
    if panel.n_na:
        yield "  " + _(
            "cannot judge: %(n)s (%(percent)s %%); on %(conflicts)s items somebody else did score"
        ) % {
            "n": f"{panel.n_na:,}",
            "percent": f"{100 * (panel.na_rate or 0):.1f}",
            "conflicts": f"{panel.n_conflicts:,}",
        }
    headline = _("alpha, %(metric)s") % {"metric": words.METRICS[panel.headline]}
    rows = [(headline, panel.alpha[panel.headline])]
    if panel.n_pairable:
        for metric in METRICS:
            if metric != panel.headline and not _without_order(panel.alpha[metric]):
                rows.append((_("alpha, %(metric)s") % {"metric": words.METRICS[metric]}, panel.alpha[metric]))
        rows += [
            (str(words.FIGURES[name]), getattr(panel, name))
            for name in _BY_ITSELF
            if not _without_order(getattr(panel, name))
        ]
    if panel.n_na:
        rows += [(str(words.FIGURES[name]), getattr(panel, name)) for name in ("na_exact", "na_alpha")]
    widest = max(width(label) for label, _figure in rows)
    for label, figure in rows:
        yield f"  {padded(label, widest)}  {figure_in_words(figure)}"
    if panel.little_variation:
        yield f"  ! {words.LITTLE_VARIATION}"
    if panel.few_items:
        yield f"  ! {words.FEW_ITEMS}" % {"n": FEW_ITEMS}
    elif panel.few_prompts:
        yield f"  ! {words.FEW_PROMPTS}" % {"n": panel.n_prompts}


def _without_order(figure: Result) -> bool:
    """Whether the figure makes no sense on such an axis, and need not be spoken of."""
    return isinstance(figure, Undefined) and figure.reason in {"not_ordered", "two_points"}


def _shown(panel: Panel) -> list[Result]:
    return [*panel.alpha.values(), *(getattr(panel, name) for name in _BY_ITSELF)]


def _method(figure: Result) -> str:
    if not isinstance(figure, Estimate) or figure.no_interval:
        return ""
    said = str(words.METHODS[Method(figure.method)])
    if figure.replicates:
        return said + ", " + _("%(n)s resamples") % {"n": f"{figure.replicates:,}"}
    return said
