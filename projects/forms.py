"""What people type about a project, and the sentences that explain what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import CharField, F, Func, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from projects.models import Member, Project, Prompt
from projects.rubric_files import (
    DEFAULT_PRESET,
    LARGEST_FILE,
    BadRubric,
    RubricSpec,
    parse_rubric,
    presets,
    read_rubric,
)

MOST_PROBLEMS = 20

ROLES = ["is_rater", "is_coordinator", "is_researcher"]


def choices_of(values: Any, everything: Any) -> list[tuple[str, Any]]:
    """The values as choices of a select, below one that stands for all of them."""
    return [("", everything), *((value, value) for value in values)]


def sources_of(project: Project) -> list[str]:
    return list(
        project.prompts.exclude(source="").order_by("source").values_list("source", flat=True).distinct()
    )


def categories_of(project: Project) -> list[str]:
    return list(
        project.prompts.exclude(category="")
        .order_by("category")
        .values_list("category", flat=True)
        .distinct()
    )


def tags_of(project: Project) -> list[str]:
    tag = Func(F("tags"), function="unnest", output_field=CharField())
    return list(project.prompts.annotate(tag=tag).order_by("tag").values_list("tag", flat=True).distinct())


class PromptFilter(forms.Form):
    """Which prompts to show. An unknown value shows none, and says so."""

    q = forms.CharField(label=_("Search"), required=False, widget=forms.SearchInput)
    source = forms.ChoiceField(label=_("Source"), required=False)
    category = forms.ChoiceField(label=_("Category"), required=False)
    tag = forms.ChoiceField(label=_("Tag"), required=False)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in [
            ("source", sources_of(project)),
            ("category", categories_of(project)),
            ("tag", tags_of(project)),
        ]:
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices_of(values, _("all"))
            if not values:
                del self.fields[name]

    @property
    def is_active(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    def apply(self, prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
        if not self.is_valid():
            return prompts.none()
        wanted = self.cleaned_data
        for field in ["source", "category"]:
            if wanted.get(field):
                prompts = prompts.filter(**{field: wanted[field]})
        if wanted.get("tag"):
            prompts = prompts.filter(tags__contains=[wanted["tag"]])
        if words := wanted["q"].split():
            prompts = prompts.annotate(text=Cast("turns", TextField()))
            for word in words:
                prompts = prompts.filter(Q(key__icontains=word) | Q(text__icontains=word))
        return prompts


def groups_of(project: Project) -> list[str]:
    members = project.members.exclude(group="").order_by("group")
    return list(members.values_list("group", flat=True).distinct())


class _RolesForm(forms.Form):
    """One or more roles, and a group."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[
            ("is_rater", _("Rater: rates responses, and sees neither models nor others’ scores")),
            ("is_coordinator", _("Coordinator: runs the study, sees and changes everything in it")),
            ("is_researcher", _("Researcher: sees models and all scores, loads files, takes data away")),
        ],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Give at least one role.")},
    )
    group = forms.CharField(
        label=_("Group"),
        required=False,
        max_length=60,
        help_text=_("Such as “students” or a company’s name. A batch can be given to one group."),
        widget=forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project

    def groups(self) -> list[str]:
        """What the project’s people are grouped by so far, for the page’s <datalist id="groups">."""
        return groups_of(self.project)

    def chosen(self) -> dict[str, Any]:
        """As `change_member` and `invite` take it."""
        roles = self.cleaned_data["roles"]
        return {role: role in roles for role in ROLES} | {"group": self.cleaned_data["group"]}


class MemberForm(_RolesForm):
    """What a member may do."""

    def __init__(self, *args: Any, member: Member, **kwargs: Any) -> None:
        initial = {"roles": [role for role in ROLES if getattr(member, role)], "group": member.group}
        super().__init__(*args, project=member.project, initial=initial, **kwargs)


class InvitationForm(_RolesForm):
    """Whom to invite, as what, and how long the link is good."""

    label = forms.CharField(
        label=_("For whom"),
        max_length=200,
        help_text=_(
            "A name or a mail address, so that you know later which link was whose. Nobody else sees it."
        ),
    )
    days = forms.TypedChoiceField(
        label=_("The link works for"),
        choices=[(1, _("1 day")), (7, _("7 days")), (14, _("14 days")), (30, _("30 days"))],
        coerce=int,
        initial=14,
    )
    field_order = ["label", "roles", "group", "days"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].initial = ["is_rater"]

    def valid_for(self) -> timedelta:
        return timedelta(days=self.cleaned_data["days"])


OWN_FILE = "file"


class _RubricForm(forms.Form):
    """A preset, or a file of one's own; `spec` is what it says."""

    preset = forms.ChoiceField(label=_("Rubric"), widget=forms.RadioSelect, initial=DEFAULT_PRESET)
    file = forms.FileField(
        label=_("Own rubric file"),
        required=False,
        help_text=_("JSON or YAML: axes, their points, words in Japanese and English."),
        widget=forms.FileInput(attrs={"accept": ".json,.yaml,.yml,application/json,application/yaml"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        preset = self.fields["preset"]
        assert isinstance(preset, forms.ChoiceField)
        preset.choices = [
            *((name, _preset_in_words(name)) for name in presets()),
            (OWN_FILE, _("A file of our own")),
        ]
        self.spec: RubricSpec | None = None

    def clean(self) -> None:
        chosen, file = self.cleaned_data.get("preset"), self.cleaned_data.get("file")
        if not chosen:
            return
        if chosen == OWN_FILE and not file:
            if "file" not in self.errors:
                self.add_error("file", _("Choose the file."))
            return
        try:
            if chosen == OWN_FILE and file:
                if file.size > LARGEST_FILE:
                    raise forms.ValidationError({"file": _("This file is too large to be a rubric.")})
                self.spec = parse_rubric(file.read(), name=file.name)
            else:
                self.spec = read_rubric(chosen)
        except BadRubric as bad:
            said = [problem.said(gettext) for problem in bad.problems[:MOST_PROBLEMS]]
            if (more := len(bad.problems) - MOST_PROBLEMS) > 0:
                said.append(ngettext("… and {n} more.", "… and {n} more.", more).format(n=more))
            self.add_error("file", said)


class RubricVersionForm(_RubricForm):
    """The next version of a project's rubric."""


class ProjectForm(_RubricForm):
    """A new project with its first rubric."""

    name = forms.CharField(label=_("Name"), max_length=200)
    name_ja = forms.CharField(
        label=_("Name in Japanese"),
        max_length=200,
        required=False,
        help_text=_("Shown instead on Japanese pages."),
    )
    slug = forms.SlugField(
        label=_("Short name"),
        max_length=60,
        help_text=_(
            "For addresses, commands and file names: letters, digits and hyphens. It stays as it is."
        ),
    )
    field_order = ["name", "name_ja", "slug", "preset", "file"]

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if Project.objects.filter(slug=slug).exists():
            raise forms.ValidationError(_("A project of this short name exists."))
        return slug


def _preset_in_words(name: str) -> str:
    axes = read_rubric(name).axes
    language = get_language()
    labels = [(axis.label.ja if language == "ja" else axis.label.en) or axis.label.en for axis in axes]
    return f"{name}: {listed_in_words(labels)}"


def listed_in_words(words: list[str]) -> str:
    return ("、" if get_language() == "ja" else ", ").join(words)
