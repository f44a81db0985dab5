"""What people say about files that they upload."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from projects.loading.inputs import check_model_names
from projects.loading.options import Options
from projects.loading.recognising import format_names
from projects.tables import Place, Refused

MOST_FILES = 100
ENCODINGS = [
    ("", _("as detected")),
    ("utf-8-sig", "UTF-8"),
    ("cp932", "CP932 (Shift_JIS)"),
    ("utf-16", "UTF-16"),
    ("euc_jp", "EUC-JP"),
    ("iso2022_jp", "ISO-2022-JP"),
    ("cp1252", "Windows-1252"),
]
DELIMITERS = [
    ("", _("as detected")),
    (",", _("comma")),
    ("\t", _("tab")),
    (";", _("semicolon")),
    ("|", _("vertical bar")),
]


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> Any:
        given = data if isinstance(data, list | tuple) else [data]
        single = super().clean
        files: list[UploadedFile[bytes]] = (
            [single(one, initial) for one in given] if given else [single(None, initial)]
        )
        if len(files) > MOST_FILES:
            raise forms.ValidationError(_("At most %(n)s files at once."), params={"n": MOST_FILES})
        size = sum(file.size or 0 for file in files)
        if size > settings.MAX_UPLOAD_BYTES:
            raise forms.ValidationError(
                _(
                    "These files have %(size)s; at most %(most)s can be uploaded. `manage.py load` takes more."
                ),
                params={"size": filesizeformat(size), "most": filesizeformat(settings.MAX_UPLOAD_BYTES)},
            )
        return files


class UploadForm(forms.Form):
    uploads = FilesField(label=_("Files"), allow_empty_file=True, max_length=255)


class OptionsForm(forms.Form):
    """What files do not say themselves."""

    format = forms.ChoiceField(label=_("Format"), required=False)
    na_values = forms.CharField(
        label=_("Values that mean “cannot judge”"),
        required=False,
        max_length=200,
        help_text=_("Parted by spaces, such as: NA 0. An empty score always means it."),
    )
    repeats = forms.BooleanField(
        label=_("Later scores of the same rater are repeats"),
        required=False,
        help_text=_("Otherwise a rater who scores one item twice is an error."),
    )
    batch = forms.CharField(
        label=_("Batch that holds the ratings"),
        required=False,
        max_length=120,
        help_text=_("By default it is called like the file."),
    )
    model_names = forms.CharField(
        label=_("Names of the models by letter"),
        required=False,
        help_text=_("One a line: llm_a, GPT-4"),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    skip_failed = forms.BooleanField(
        label=_("Leave out answers that only say that generating them failed"), required=False
    )
    model = forms.CharField(
        label=_("Model"),
        required=False,
        max_length=300,
        help_text=_("Where the files do not say whose answers they are."),
    )
    judge = forms.CharField(
        label=_("Judge"),
        required=False,
        max_length=200,
        help_text=_("Where the files do not say who judged."),
    )
    axis = forms.CharField(
        label=_("Axis"),
        required=False,
        max_length=200,
        help_text=_("Of judgments that name none; by default “overall”, or the only one."),
    )
    partial = forms.BooleanField(
        label=_("Load conversations that are not whole as far as they go"), required=False
    )
    new_version = forms.BooleanField(
        label=_("Another text under a known id becomes the next sample"),
        required=False,
        help_text=_("Otherwise it is a conflict. What is there stays as it is in either case."),
    )
    encoding = forms.ChoiceField(label=_("Encoding"), required=False, choices=ENCODINGS)
    delimiter = forms.ChoiceField(label=_("Separator"), required=False, choices=DELIMITERS, initial="")
    sheet = forms.CharField(label=_("Sheet"), required=False, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["format"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("told from what the files hold")), *((name, name) for name in format_names())]

    @classmethod
    def of(cls, options: Options) -> OptionsForm:
        """The form as it was filled in."""
        names = "\n".join(f"{letter}, {name}" for letter, name in options.model_names.items())
        return cls(
            initial={
                "format": options.format,
                "na_values": " ".join(options.na_values),
                "repeats": options.repeats,
                "batch": options.batch,
                "model_names": names,
                "skip_failed": options.skip_failed,
                "model": options.model,
                "judge": options.judge,
                "axis": options.axis,
                "partial": options.partial,
                "new_version": options.new_version,
                "encoding": options.encoding,
                "delimiter": options.delimiter,
                "sheet": options.sheet,
            }
        )

    def clean_model_names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for line in self.cleaned_data["model_names"].replace("\t", ",").splitlines():
            if not line.strip():
                continue
            letter, comma, name = line.partition(",")
            if not comma or not name.strip():
                raise forms.ValidationError(
                    _("Each line has a letter and a name, parted by a comma: llm_a, GPT-4.")
                )
            names[letter.strip()] = name.strip()
        try:
            check_model_names(names, Place(""))
        except Refused as refused:
            raise forms.ValidationError(refused.problem.reason.said(gettext)) from None
        return names

    def options(self, columns: dict[str, str] | None) -> Options:
        """All of it; `columns` is None where nobody was asked for them."""
        said = self.cleaned_data
        return Options(
            format=said["format"],
            columns=columns or {},
            only_columns=columns is not None,
            na_values=tuple(said["na_values"].split()),
            repeats=said["repeats"],
            batch=said["batch"],
            model_names=said["model_names"],
            skip_failed=said["skip_failed"],
            model=said["model"].strip(),
            judge=said["judge"].strip(),
            axis=said["axis"].strip(),
            partial=said["partial"],
            new_version=said["new_version"],
            encoding=said["encoding"],
            delimiter=said["delimiter"],
            sheet=said["sheet"],
        )


class TwiceChosen(Exception):
    """Two columns are said to hold the same."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def chosen_columns(names: list[str], fields: list[str]) -> dict[str, str]:
    """Columns by field, as chosen on the page: the n-th column holds the n-th field, "" none."""
    columns: dict[str, str] = {}
    for name, field in zip(names, fields, strict=False):
        if field and "\x00" not in name + field:  # which no column has, and no database holds
            if field in columns:
                raise TwiceChosen(field)
            columns[field] = name
    return columns
