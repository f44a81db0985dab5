"""What people say about a judging on its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from annotation.models import Batch
from exports.bundles.judging import MOST_ATTEMPTS, MOST_REPEATS, ORDERS, Judging
from offline.judging import presets
from projects.bundles import NotPrepared
from projects.bundles.forms import FEW_LINES, AnsweringForm, lines
from projects.bundles.sampling import pairs
from projects.models import LanguageModel, User


class PresetSelect(forms.Select):
    """Each preset says what belongs to it, so that the page shows no field that says nothing to the one that is chosen."""

    presets: Sequence[presets.Preset] = ()

    def create_option(self, name: str, value: Any, *args: Any, **more: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **more)
        for preset in self.presets:
            if preset.name == value:
                option["attrs"]["data-has"] = " ".join(belonging(preset))
        return option


def belonging(preset: presets.Preset) -> list[str]:
    """What fields a preset has use for: `for-pair` and so on in the page's markup."""
    said: list[str] = [preset.style]
    if preset.style != "checklist":
        said.append("responses")
    if preset.takes_axes:
        said.append("axes")
    if preset.needs:
        said.append("needs")
    return said


class JudgingForm(AnsweringForm):
    """Sampling fields that are left empty are the preset's."""

    heading = _("Prepare a judging")
    about = _(
        "Responses leave as a bundle: a folder whose items an automatic judge scores on a GPU node, without a database. What it "
        "says is loaded here again."
    )
    part_of = _("Download")
    about_sampling = _(
        "Every field is written into the bundle; an empty one as the preset has it, or with its default."
    )
    program = "offline.judge"

    preset = forms.ChoiceField(
        label=_("Preset"),
        widget=PresetSelect,
        initial="five-axes-json",
        help_text=_("What the judge is asked; all are described below."),
    )
    repeats = forms.IntegerField(
        label=_("Repeats"),
        min_value=1,
        max_value=MOST_REPEATS,
        initial=1,
        help_text=_("Times that each response is judged, each with a seed of its own."),
    )
    attempts = forms.IntegerField(
        label=_("Attempts"),
        min_value=1,
        max_value=MOST_ATTEMPTS,
        initial=3,
        help_text=_("Answers to ask for until one can be read."),
    )
    project_axes = forms.BooleanField(
        label=_("Ask for the project’s own axes, in its own words"),
        required=False,
        help_text=_("Where the preset can; else it asks for its own."),
    )
    axes = forms.CharField(
        label=_("Axes that the project calls otherwise"),
        required=False,
        widget=FEW_LINES,
        help_text=_("PRESET=PROJECT, one a line, such as safety=overall."),
    )
    baseline = forms.ChoiceField(
        label=_("Compare with"), required=False, help_text=_("For presets that compare two responses.")
    )
    order = forms.ChoiceField(
        label=_("Which response stands first"),
        required=False,
        choices=[
            ("both", _("each once: two requests")),
            ("ab", _("the model’s")),
            ("ba", _("that of the model compared with")),
        ],
        help_text=_("Judges favour one side; only both orders show it."),
    )
    everything = forms.BooleanField(
        label=_("Responses that nobody has rated, too"),
        required=False,
    )
    models = forms.MultipleChoiceField(label=_("Models"), required=False, widget=forms.CheckboxSelectMultiple)
    batch = forms.ModelChoiceField(
        label=_("Batch"), queryset=Batch.objects.none(), required=False, empty_label=_("all batches")
    )
    skip_missing = forms.BooleanField(
        label=_("Leave out prompts without the reference or checklist that the preset needs"),
        required=False,
    )
    without_reference = forms.BooleanField(
        label=_("Only prompts without a reference"),
        required=False,
    )

    def more_is_wrong(self) -> bool:
        return super().more_is_wrong() or bool(self["axes"].errors)

    def __init__(self, *args: Any, reader: User, **more: Any) -> None:
        super().__init__(*args, **more)
        names = list(
            LanguageModel.objects.filter(project=self.project).values_list("name", flat=True).order_by("name")
        )
        self.fields["name"].label = gettext_lazy("Judge")
        self.fields["name"].help_text = gettext_lazy("Its scores are loaded under this name.")
        self.fields["batch"].queryset = Batch.objects.visible_to(reader).filter(project=self.project)  # type: ignore[attr-defined]
        self.fields["preset"].choices = [(one.name, one.name) for one in self.presets]  # type: ignore[attr-defined]
        self.fields["preset"].widget.presets = self.presets
        models = [(name, name) for name in names]
        self.fields["baseline"].choices = [("", gettext("no model")), *models]  # type: ignore[attr-defined]
        if models:
            self.fields["models"].choices = models  # type: ignore[attr-defined]
        else:
            del self.fields["models"]

    @cached_property
    def presets(self) -> list[presets.Preset]:
        return [presets.load(name) for name in presets.names()]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            try:
                cleaned["axes"] = pairs(lines(cleaned["axes"]), "axes")
            except NotPrepared as why:
                self.refuse(why)
        return cleaned

    def refuse(self, why: NotPrepared) -> None:
        super().refuse(NotPrepared(str(why), field="axes" if why.field == "axis" else why.field))

    @property
    def asked(self) -> Judging:
        """What the chosen preset has no use for does not count: the page does not show it."""
        said = self.cleaned_data
        has = belonging(next(one for one in self.presets if one.name == said["preset"]))
        return Judging(
            answering=self.answering,
            preset=said["preset"],
            repeats=said["repeats"] if "responses" in has else 1,
            attempts=said["attempts"],
            prompts=self.prompts,
            models=tuple(said.get("models", ())),
            batch=said["batch"],
            everything=said["everything"],
            order=(said["order"] if "pair" in has else "") or "both",
            baseline=said["baseline"] if "pair" in has else "",
            axes=said["axes"] if "score" in has else {},
            project_axes=said["project_axes"] and "axes" in has,
            skip_missing=said["skip_missing"],
            without_reference=said["without_reference"],
        )

    def items_per_response(self) -> int:
        asked = self.asked
        return asked.repeats * (len(ORDERS[asked.order]) if asked.baseline else 1)
