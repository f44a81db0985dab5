"""What a coordinator says about a batch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from annotation.models import Batch
from annotation.models.batch import Purpose
from annotation.services import (
    Preview,
    Raters,
    change_terms,
    make_batch,
    new_seed,
    preview,
    takes_more_raters,
)
from annotation.services.errors import BatchCannotBeMade, HandingOutError
from projects.forms import categories_of, groups_of, sources_of, tags_of
from projects.models import Member, Project, User

PURPOSES: list[tuple[str, str | Promise]] = [
    (Purpose.MAIN, _("main: the study itself; agreement counts these alone")),
    (Purpose.TRAINING, _("training: to learn the rubric, handed out before the rest")),
    (Purpose.CALIBRATION, _("calibration: all raters on the same items, handed out before the rest")),
    (Purpose.EXTRA, _("extra: one more rating where two disagreed")),
    (Purpose.REPEAT, _("repeat: the same raters once more, to see how steady they are")),
    (Purpose.GOLD, _("gold: items whose scores are known")),
]
OPEN_TO: list[tuple[str, str | Promise]] = [
    (Batch.OpenTo.ALL, _("All raters, those who join later too")),
    (Batch.OpenTo.GROUP, _("One group")),
    (Batch.OpenTo.NAMED, _("By name")),
]
LEASES: list[tuple[float, str | Promise]] = [
    (0.5, _("30 minutes")),
    (1, _("1 hour")),
    (2, _("2 hours")),
    (4, _("4 hours")),
    (8, _("8 hours")),
    (24, _("1 day")),
    (72, _("3 days")),
    (168, _("1 week")),
]


class BatchForm(forms.Form):
    """Which items, how many raters each, in which way, by whom and until when."""

    name = forms.CharField(label=_("Name"), max_length=120, help_text=_("Raters see it."))
    purpose = forms.ChoiceField(label=_("Purpose"), choices=PURPOSES, initial=Purpose.MAIN)

    models = forms.MultipleChoiceField(label=_("Models"), required=False, widget=forms.CheckboxSelectMultiple)
    sources = forms.MultipleChoiceField(
        label=_("Sources"), required=False, widget=forms.CheckboxSelectMultiple
    )
    categories = forms.MultipleChoiceField(
        label=_("Categories"), required=False, widget=forms.CheckboxSelectMultiple
    )
    tags = forms.MultipleChoiceField(
        label=_("Tags"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Prompts with any of those ticked."),
    )
    turns = forms.TypedMultipleChoiceField(
        label=_("Turns"), required=False, coerce=int, widget=forms.CheckboxSelectMultiple
    )
    sample_prompts = forms.IntegerField(
        label=_("Sample of prompts"),
        required=False,
        min_value=1,
        help_text=_("So many prompts by chance, out of those that fit. Empty: all of them."),
    )

    raters_per_item = forms.IntegerField(
        label=_("Raters per item"),
        min_value=1,
        max_value=1000,
        initial=2,
        help_text=_("So many different people rate each response. It cannot be changed afterwards."),
    )
    confirm_single = forms.BooleanField(
        label=_("One rater per item is what I want"),
        required=False,
        help_text=_("With one rater per item, agreement cannot be measured."),
    )
    filling = forms.ChoiceField(
        label=_("How seats are filled"),
        choices=[
            (Batch.Filling.POOL, _("Open pool: whoever comes takes the next seat")),
            (Batch.Filling.PLANNED, _("Planned: everybody has their own seats from the start, equally many")),
        ],
        initial=Batch.Filling.POOL,
        widget=forms.RadioSelect,
    )
    side_by_side = forms.BooleanField(
        label=_("The same raters for all responses to a prompt"),
        required=False,
        help_text=_(
            "Saves reading long prompts, but responses are seen in the light of each other, and raters are linked more weakly."
        ),
    )
    order = forms.ChoiceField(
        label=_("Order"),
        choices=[
            (Batch.Order.MIXED, _("Fully mixed, differently for each rater")),
            (Batch.Order.BY_PROMPT, _("By prompt: all responses to one prompt, then the next")),
        ],
        initial=Batch.Order.MIXED,
        widget=forms.RadioSelect,
    )

    open_to = forms.ChoiceField(
        label=_("Raters"),
        choices=OPEN_TO,
        initial=Batch.OpenTo.ALL,
        widget=forms.RadioSelect,
    )
    group = forms.ChoiceField(label=_("Group"), required=False)
    raters = forms.ModelMultipleChoiceField(
        label=_("Named raters"),
        queryset=Member.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    lease = forms.TypedChoiceField(
        label=_("Lease"),
        choices=LEASES,
        coerce=float,
        initial=2,
        help_text=_("An item that somebody opened and left returns to the others after this time."),
    )
    due_on = forms.DateField(
        label=_("Due"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("Samples and orders are drawn from this number: the same number, the same draw."),
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        names = list(project.language_models.order_by("name").values_list("name", flat=True))
        turns = list(project.items.order_by("turn").values_list("turn", flat=True).distinct())
        self._offer("models", names)
        self._offer("sources", sources_of(project))
        self._offer("categories", categories_of(project))
        self._offer("tags", tags_of(project))
        self._offer("turns", turns)
        self._offer("group", groups := groups_of(project), at_least=1)
        raters = self.fields["raters"]
        assert isinstance(raters, forms.ModelMultipleChoiceField)
        raters.queryset = project.members.raters().persons().select_related("user").order_by("pseudonym")
        raters.label_from_instance = _called  # type: ignore[method-assign,assignment]
        if not groups:
            open_to = self.fields["open_to"]
            assert isinstance(open_to, forms.ChoiceField)
            open_to.choices = [choice for choice in OPEN_TO if choice[0] != Batch.OpenTo.GROUP]
        self.fields["seed"].initial = new_seed()
        self.fields["name"].initial = _free_name(project)

    def _offer(self, name: str, values: list[Any], *, at_least: int = 2) -> None:
        """Fill the choices; a field that leaves no choice is left out."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField | forms.TypedMultipleChoiceField)
        field.choices = [(value, value) for value in values]
        if len(values) < at_least:
            del self.fields[name]

    def clean_due_on(self) -> Any:
        due = self.cleaned_data["due_on"]
        if due and due < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        return due

    def clean(self) -> None:
        said = self.cleaned_data
        if said.get("open_to") == Batch.OpenTo.GROUP and not said.get("group"):
            self.add_error("group", _("Choose a group."))
        if said.get("open_to") == Batch.OpenTo.NAMED and not said.get("raters"):
            self.add_error("raters", _("Tick the raters."))

    def as_if_sent(self) -> Self:
        """The same form, as if somebody had sent it untouched."""
        initial = {name: self.get_initial_for_field(field, name) for name, field in self.fields.items()}
        return type(self)({name: value for name, value in initial.items() if value}, project=self.project)

    def preview(self) -> Preview | None:
        """What this would make; None while something that it hangs on is not filled in properly."""
        wrong = set(self.errors) - {"name", "due_on", "lease"}
        if wrong:
            return None
        return preview(name=self.cleaned_data.get("name", ""), **self._terms())

    def make(self, *, by: User) -> Batch | None:
        """The batch; None, with the errors in the form, if it cannot be made."""
        said = self.cleaned_data
        try:
            return make_batch(
                name=said["name"],
                by=by,
                order=said["order"],
                lease=timedelta(hours=said["lease"]),
                due_on=said["due_on"],
                side_by_side=said["filling"] == Batch.Filling.PLANNED and said["side_by_side"],
                **self._terms(),
            )
        except BatchCannotBeMade as problem:
            field = FIELD_OF.get(type(problem).__name__, "")
            self.add_error(field if field in self.fields else None, str(problem))
            return None

    def _terms(self) -> dict[str, Any]:
        said = self.cleaned_data
        raters = Raters.everybody()
        if said["open_to"] == Batch.OpenTo.GROUP:
            raters = Raters.of_group(said["group"])
        elif said["open_to"] == Batch.OpenTo.NAMED:
            raters = Raters.by_name(list(said["raters"]))
        return {
            "project": self.project,
            "raters": raters,
            **{name: said.get(name, []) for name in ["models", "sources", "categories", "tags", "turns"]},
            **{
                name: said[name]
                for name in [
                    "raters_per_item",
                    "purpose",
                    "filling",
                    "seed",
                    "sample_prompts",
                    "confirm_single",
                ]
            },
        }


FIELD_OF = {
    "NameTaken": "name",
    "NameMissing": "name",
    "UnknownModels": "models",
    "UnknownRaters": "raters",
    "UnknownGroup": "group",
    "TooFewRaters": "raters_per_item",
    "TooFewPrompts": "sample_prompts",
    "SingleRaterNotConfirmed": "confirm_single",
}


def _called(member: Member) -> str:
    """Pseudonym and name: only coordinators see this form."""
    name = (
        (member.user.get_full_name() or member.user.get_username()) if member.user else member.external_name
    )
    said = f"{member.pseudonym} {name}".strip()
    return f"{said} ({member.group})" if member.group else said


def _free_name(project: Project) -> str:
    taken = set(project.batches.values_list("name", flat=True))
    number = len(taken) + 1
    while f"batch-{number}" in taken:
        number += 1
    return f"batch-{number}"


class TermsForm(forms.Form):
    """What of a batch can be changed while it is worked on."""

    due_on = forms.DateField(
        label=_("Due"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    lease = forms.TypedChoiceField(
        label=_("Lease"),
        choices=LEASES,
        coerce=float,
        help_text=_("An item that somebody opened and left returns to the others after this time."),
    )
    raters = forms.ModelMultipleChoiceField(
        label=_("More raters"),
        queryset=Member.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("They may take seats from now on. Whoever is in the batch stays in it."),
    )

    def __init__(self, data: Any = None, *, batch: Batch) -> None:
        hours: float = batch.lease.total_seconds() / 3600
        hours = int(hours) if hours.is_integer() else hours
        super().__init__(data, initial={"due_on": batch.due_on, "lease": hours})
        self.batch = batch
        lease, raters = self.fields["lease"], self.fields["raters"]
        assert isinstance(lease, forms.TypedChoiceField)
        assert isinstance(raters, forms.ModelMultipleChoiceField)
        if hours not in [offered for offered, _words in LEASES]:  # a command can say any
            lease.choices = sorted([*LEASES, (hours, in_words(batch.lease))], key=lambda choice: choice[0])
        others = batch.project.members.raters().persons().exclude(pk__in=batch.raters.all())
        if takes_more_raters(batch) and others.exists():
            raters.queryset = others.select_related("user").order_by("pseudonym")
            raters.label_from_instance = _called  # type: ignore[method-assign,assignment]
        else:
            del self.fields["raters"]

    @property
    def who_may_rate(self) -> str:
        """Why nobody can be added here; nothing where raters can be."""
        if "raters" in self.fields:
            return ""
        if self.batch.state == Batch.State.CLOSED:
            return gettext("The batch is closed, so nobody can be added.")
        if self.batch.filling == Batch.Filling.PLANNED:
            return gettext("Its seats are shared out already, so nobody can be added.")
        if self.batch.open_to == Batch.OpenTo.GROUP:
            return gettext(
                "Every rater of the group “{group}” may take seats, whoever joins it later too."
            ).format(group=self.batch.group)
        if self.batch.open_to == Batch.OpenTo.ALL:
            return gettext("Every rater of the project may take seats, whoever joins later too.")
        return gettext("Every rater of the project is in the batch already.")

    def clean_due_on(self) -> Any:
        due = self.cleaned_data["due_on"]
        if due and due < timezone.localdate() and due != self.batch.due_on:
            raise forms.ValidationError(_("This day is over."))
        return due

    def save(self) -> int | None:
        """How many raters are new; None, with the errors in the form, if it cannot be changed."""
        said = self.cleaned_data
        try:
            return change_terms(
                batch=self.batch,
                lease=timedelta(hours=said["lease"]),
                due_on=said["due_on"],
                more_raters=said.get("raters", ()),
            )
        except HandingOutError as problem:
            self.add_error(None, str(problem))
            return None


def in_words(time: timedelta) -> str:
    """A lease as people say it: 2 hours."""
    minutes = round(time.total_seconds() / 60)
    if minutes % 1440 == 0:
        return ngettext("{n} day", "{n} days", minutes // 1440).format(n=minutes // 1440)
    if minutes % 60 == 0:
        return ngettext("{n} hour", "{n} hours", minutes // 60).format(n=minutes // 60)
    return ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)


class WithdrawForm(forms.Form):
    """Why a rater's work is taken out."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Kept with each rating that is taken out."),
    )


class ExtendForm(forms.Form):
    """How much longer somebody may keep what they have open."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    hours = forms.TypedChoiceField(choices=[(1, "1"), (4, "4"), (24, "24")], coerce=int)
