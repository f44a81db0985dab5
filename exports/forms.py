"""What somebody wants to take away."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import Batch
from exports.files import FORMATS
from exports.human_eval import HUMAN_EVAL, CannotBeWritten, HumanEval
from exports.selection import Selection
from projects.models import Project, User

WORKBOOK = "workbook"


class DownloadForm(forms.Form):
    """`table` and `format` have defaults, so that an empty address shows the page."""

    table = forms.ChoiceField(
        label=_("What"),
        widget=forms.RadioSelect,
        help_text=_(
            "A single table comes in the format below. Excel opens XLSX best; pandas and R read Parquet fastest."
        ),
        initial="long",
        choices=[
            ("long", _("Ratings, a row per score")),
            ("wide", _("Ratings, a row per response and rater, a column per axis")),
            ("prompts", _("Prompts")),
            ("responses", _("Responses")),
            ("axes", _("Axes and their points")),
            ("judge_scores", _("Scores of automatic judges")),
            ("judge_verdicts", _("Verdicts of automatic judges on pairs")),
            ("agreement", _("Agreement on each axis, with intervals")),
            (WORKBOOK, _("All of these in one workbook (XLSX)")),
            (HUMAN_EVAL, _("LLM-jp’s published layout (llm-human-eval-jp, JSON lines)")),
        ],
    )
    format = forms.ChoiceField(
        label=_("Format"),
        initial="csv",
        choices=[
            ("csv", "CSV"),
            ("tsv", "TSV"),
            ("xlsx", "XLSX"),
            ("jsonl", _("JSON lines")),
            ("parquet", "Parquet"),
        ],
    )
    batch = forms.ModelChoiceField(
        label=_("Batch"),
        queryset=Batch.objects.none(),
        to_field_name="pk",
        required=False,
        empty_label=_("all batches"),
    )
    bom = forms.BooleanField(
        label=_("CSV or TSV to be opened in Excel"),
        help_text=_("Begins with a byte order mark, without which Excel garbles Japanese."),
        required=False,
    )

    def __init__(self, data: Any, *, project: Project, reader: User) -> None:
        given = {name: data[name] for name in self.base_fields if name in data}
        defaults = {name: self.base_fields[name].initial for name in ("table", "format")}
        super().__init__(defaults | given)
        self.project = project
        self.reader = reader
        self.fields["batch"].queryset = Batch.objects.visible_to(reader).filter(project=project)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("table") == HUMAN_EVAL and "batch" in cleaned:
            try:
                HumanEval(self.selection).check()
            except CannotBeWritten as reason:
                self.add_error("table", str(reason))
        return cleaned

    @property
    def selection(self) -> Selection:
        return Selection(self.project, self.cleaned_data["batch"], seen_by=self.reader)

    @property
    def format_name(self) -> str:
        """The format that the file is going to have."""
        table: str = self.cleaned_data["table"]
        one_table: str = self.cleaned_data["format"]
        return {WORKBOOK: "xlsx", HUMAN_EVAL: HUMAN_EVAL}.get(table, one_table)

    @property
    def with_bom(self) -> bool:
        return (
            self.cleaned_data["bom"] and self.format_name in FORMATS and FORMATS[self.format_name].takes_bom
        )


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("What it is for: the program or the machine that uses it."),
    )
