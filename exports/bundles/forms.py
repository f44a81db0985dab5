"""What people say about a judging on its page."""

from __future__ import annotations

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


class JudgingForm(AnsweringForm):
    """Sampling fields that are left empty are the preset's."""

    preset = forms.ChoiceField(
        label=_("Preset"),
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

    MORE = ("axes", *AnsweringForm.MORE)

    def __init__(self, *args: Any, reader: User, **more: Any) -> None:
        super().__init__(*args, **more)
        names = list(
            LanguageModel.objects.filter(project=self.project).values_list("name", flat=True).order_by("name")
        )
        self.fields["name"].label = gettext_lazy("Judge")
        self.fields["name"].help_text = gettext_lazy("Its scores are loaded under this name.")
        self.fields["batch"].queryset = Batch.objects.visible_to(reader).filter(project=self.project)  # type: ignore[attr-defined]
        self.fields["preset"].choices = [(one.name, one.name) for one in self.presets]  # type: ignore[attr-defined]
        models = [(name, name) for name in names]
        self.fields["baseline"].choices = [("", gettext("nothing")), *models]  # type: ignore[attr-defined]
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
        said = self.cleaned_data
        return Judging(
            answering=self.answering,
            preset=said["preset"],
            repeats=said["repeats"],
            attempts=said["attempts"],
            prompts=self.prompts,
            models=tuple(said.get("models", ())),
            batch=said["batch"],
            everything=said["everything"],
            order=said["order"] or "both",
            baseline=said["baseline"],
            axes=said["axes"],
            project_axes=said["project_axes"],
            skip_missing=said["skip_missing"],
            without_reference=said["without_reference"],
        )

    def items_per_response(self) -> int:
        asked = self.asked
        return asked.repeats * (len(ORDERS[asked.order]) if asked.baseline else 1)
