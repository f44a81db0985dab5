"""The axes that a judge is asked for, as the project knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.utils.translation import gettext as _

from offline.judging.forms import Axis as JudgedAxis
from offline.judging.forms import PresetError
from offline.judging.presets import Preset
from projects.bundles import NotPrepared
from projects.models import Axis, Rubric


def of_the_project(preset: Preset, rubric: Rubric) -> Preset:
    """The preset, asking for the project's own axes in the project's own words. Raises NotPrepared."""
    try:
        return preset.with_axes([_judged(axis, preset.language) for axis in rubric.axes.with_points()])
    except PresetError as error:
        raise NotPrepared(str(error), field="project_axes") from error


def _judged(axis: Axis, language: str) -> JudgedAxis:
    ja = language == "ja"

    def words(japanese: str, english: str) -> str:
        return (japanese or english) if ja else (english or japanese)

    points = list(axis.points.all())
    if axis.kind == Axis.Kind.NOMINAL or any(point.value != int(point.value) for point in points):
        raise NotPrepared(
            _("The axis “%(axis)s” cannot be put to a judge: its points are no whole numbers in an order.")
            % {"axis": axis.key},
            field="project_axes",
        )
    levels = [words(point.label_ja, point.label_en) for point in points]
    return JudgedAxis(
        name=axis.key,
        label=words(axis.label_ja, axis.label_en),
        points=tuple(int(point.value) for point in points),
        description=words(axis.description_ja, axis.description_en),
        levels=tuple(levels) if any(levels) else (),
    )


def fitted(preset: Preset, rubric: Rubric, mapped: Mapping[str, str]) -> Preset:
    """The preset with its axes under the project's keys. `mapped` says which, where they are called otherwise.

    An axis fits where the project has one of that key whose range holds all that the judge may give. Raises NotPrepared,
    naming each axis that does not.
    """
    if unknown := sorted(mapped.keys() - {axis.name for axis in preset.axes}):
        raise NotPrepared(
            _("The preset “%(preset)s” has no axis %(axes)s; it has: %(known)s.")
            % {
                "preset": preset.name,
                "axes": ", ".join(unknown),
                "known": ", ".join(axis.name for axis in preset.axes),
            },
            field="axis",
        )
    ranges = {
        axis.key: (min(values), max(values))
        for axis in rubric.axes.with_points()
        if (values := [point.value for point in axis.points.all()])
    }
    wrong, axes = [], []
    for axis in preset.axes:
        key = mapped.get(axis.name, axis.name)
        axes.append(replace(axis, name=key))
        least, most = axis.points[0], axis.points[-1]
        if key not in ranges:
            wrong.append(_("%(axis)s (the project has no such axis)") % {"axis": key})
        elif least < ranges[key][0] or most > ranges[key][1]:
            low, high = ranges[key]
            wrong.append(
                _(
                    "%(axis)s (the judge gives %(least)s to %(most)s, the project’s axis has %(low)s to %(high)s)"
                )
                % {"axis": key, "least": least, "most": most, "low": f"{low:g}", "high": f"{high:g}"}
            )
    if wrong:
        raise NotPrepared(
            _(
                "Axes of the preset “%(preset)s” that do not fit the project: %(axes)s. The project’s axes: %(known)s."
            )
            % {"preset": preset.name, "axes": "; ".join(wrong), "known": ", ".join(ranges)},
            field="preset",
        )
    if len({axis.name for axis in axes}) < len(axes):
        raise NotPrepared(_("Two axes of the preset are mapped to one of the project."), field="axis")
    return replace(preset, form=replace(preset.form, axes=tuple(axes)))
