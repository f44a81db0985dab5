"""What people say about a bundle on its page."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from offline.bundle import MORE_SAMPLING, SAMPLING
from projects.bundles.answering import LONGEST_NAME, Answering
from projects.bundles.errors import NotPrepared
from projects.bundles.generation import MOST_SAMPLES, Generation
from projects.bundles.sampling import by_category, pairs, read_sampling, value_of
from projects.bundles.selection import PromptFilter
from projects.bundles.written import MOST_SHARDS
from projects.forms import sources_of, tags_of
from projects.load_forms import FilesField
from projects.models import Project

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

LARGEST_TEMPLATE = 200_000
FEW_LINES = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
MORE_LINES = forms.Textarea(attrs={"rows": 5, "spellcheck": "false"})

#: The form's field for an option of the command.
FIELD_OF = {
    "--engine": "engine",
    "source": "sources",
    "tag": "tags",
    "prompts": "keys",
    "variant": "variants",
    "model": "name",
}


class AnsweringForm(forms.Form):
    """The model, its settings, and which prompts: what both kinds of bundles have, and what their page says of itself."""

    heading: str | StrPromise
    about: str | StrPromise
    part_of: str | StrPromise
    """The page that leads here."""
    about_sampling: str | StrPromise
    program: str
    """What works through the bundle."""

    name = forms.CharField(label=_("Model"), max_length=LONGEST_NAME)
    path = forms.CharField(
        label=_("Path"),
        required=False,
        max_length=500,
        help_text=_("What the server loads, such as org/model. Empty: the name."),
    )
    revision = forms.CharField(
        label=_("Revision"), required=False, max_length=200, help_text=_("A commit says it best.")
    )
    temperature = forms.FloatField(label="temperature", required=False, min_value=0)
    top_p = forms.FloatField(label="top_p", required=False, min_value=0, max_value=1)
    top_k = forms.IntegerField(label="top_k", required=False, min_value=-1)
    min_p = forms.FloatField(label="min_p", required=False, min_value=0, max_value=1)
    max_tokens = forms.IntegerField(label="max_tokens", required=False, min_value=1)
    presence_penalty = forms.FloatField(label="presence_penalty", required=False, min_value=-2, max_value=2)
    frequency_penalty = forms.FloatField(label="frequency_penalty", required=False, min_value=-2, max_value=2)
    repetition_penalty = forms.FloatField(label="repetition_penalty", required=False, min_value=0)
    stop = forms.CharField(label="stop", required=False, widget=FEW_LINES, help_text=_("One text a line."))
    seed = forms.IntegerField(
        label=_("Seed"),
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        initial=0,
        help_text=_("The seed of every request is derived from it."),
    )

    more_sampling = forms.CharField(
        label=_("Further sampling fields"),
        required=False,
        widget=FEW_LINES,
        help_text=_("NAME=VALUE, one a line, such as min_tokens=16."),
    )
    leave_out = forms.CharField(
        label=_("Sampling fields not to send"),
        required=False,
        max_length=500,
        help_text=_("For servers that refuse what they do not know, such as: top_k min_p repetition_penalty"),
    )
    engine = forms.CharField(
        label=_("Options of the engine"),
        required=False,
        widget=FEW_LINES,
        help_text=_("KEY=VALUE, one a line, such as max_model_len=8192."),
    )
    tokenizer_revision = forms.CharField(label=_("Revision of the tokenizer"), required=False, max_length=200)
    quantization = forms.CharField(label=_("Quantization"), required=False, max_length=200)
    lora = forms.CharField(label="LoRA", required=False, max_length=500)
    served_name = forms.CharField(
        label=_("Name on the server"),
        required=False,
        max_length=500,
        help_text=_("Where it is neither the name nor the path."),
    )
    chat_template = forms.CharField(
        label=_("Chat template"),
        required=False,
        strip=False,
        widget=MORE_LINES,
        help_text=_("In place of the model’s own."),
    )
    chat_template_kwargs = forms.CharField(
        label=_("Arguments of the chat template"),
        required=False,
        widget=FEW_LINES,
        help_text=_('An object in JSON, such as {"enable_thinking": false}.'),
    )
    reasoning_parser = forms.CharField(
        label=_("Reasoning parser"),
        required=False,
        max_length=100,
        help_text=_("Of the server, for models that think aloud."),
    )

    shards = forms.IntegerField(
        label=_("Batch files"),
        required=False,
        min_value=1,
        max_value=MOST_SHARDS,
        help_text=_(
            "So many files with the first turns, for vllm run-batch or a hosted batch service. Empty: none."
        ),
    )

    sources = forms.MultipleChoiceField(
        label=_("Sources"), required=False, widget=forms.CheckboxSelectMultiple
    )
    tags = forms.MultipleChoiceField(
        label=_("Tags"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Prompts with any of those ticked."),
    )
    keys = forms.CharField(
        label=_("Ids of prompts"),
        required=False,
        widget=FEW_LINES,
        help_text=_("One a line. Empty: all that fit."),
    )

    SAMPLED: tuple[str, ...] = tuple(name for name in SAMPLING if name != "stop")
    MORE: tuple[str, ...] = (
        "shards", "more_sampling", "leave_out", "engine", "tokenizer_revision", "quantization", "lora", "served_name", "chat_template",
        "chat_template_kwargs", "reasoning_parser",
    )  # fmt: skip

    def __init__(self, *args: Any, project: Project, **more: Any) -> None:
        super().__init__(*args, **more)
        self.project = project
        for name, values in (("sources", sources_of(project)), ("tags", tags_of(project))):
            if values:
                self.fields[name].choices = [(value, value) for value in values]  # type: ignore[attr-defined]
            else:
                del self.fields[name]

    def clean_chat_template_kwargs(self) -> dict[str, Any]:
        said = self.cleaned_data["chat_template_kwargs"]
        found = value_of(said) if said else {}
        if not isinstance(found, dict):
            raise forms.ValidationError(_("Here should be an object, such as {}."))
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                cleaned["sampling"] = self._sampling(cleaned)
                cleaned["engine"] = {
                    key: value_of(value) for key, value in pairs(lines(cleaned["engine"]), "engine").items()
                }
            except NotPrepared as why:
                self.refuse(why)
        return cleaned

    def _sampling(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = {name: cleaned[name] for name in self.SAMPLED if cleaned[name] is not None}
        if stop := lines(cleaned["stop"]):
            said["stop"] = stop
        more = pairs(lines(cleaned["more_sampling"]), "more_sampling")
        if twice := sorted(more.keys() & SAMPLING.keys()):
            raise NotPrepared(
                gettext("%(name)s has a field of its own above.") % {"name": ", ".join(twice)},
                field="more_sampling",
            )
        return read_sampling({**said, **more})

    def refuse(self, why: NotPrepared) -> None:
        """Say at the field whose fault it is what is wrong; above the form if it is none's."""
        field = FIELD_OF.get(why.field, why.field)
        if field in MORE_SAMPLING or field in lines_before_equals(self.cleaned_data.get("more_sampling", "")):
            field = "more_sampling"
        self.add_error(field if field in self.fields else None, str(why))

    @property
    def answering(self) -> Answering:
        said = self.cleaned_data
        return Answering(
            name=said["name"],
            path=said["path"],
            revision=said["revision"],
            tokenizer_revision=said["tokenizer_revision"],
            quantization=said["quantization"],
            lora=said["lora"],
            served_name=said["served_name"],
            unsupported=tuple(said["leave_out"].replace(",", " ").split()),
            sampling=said["sampling"],
            engine=said["engine"],
            chat_template=said["chat_template"],
            chat_template_kwargs=said["chat_template_kwargs"],
            reasoning_parser=said["reasoning_parser"],
            seed=said["seed"] or 0,
        )

    @property
    def batch_files(self) -> int:
        return int(self.cleaned_data["shards"] or 0)

    @property
    def prompts(self) -> PromptFilter:
        said = self.cleaned_data
        return PromptFilter(
            tuple(said.get("sources", ())), tuple(said.get("tags", ())), tuple(lines(said["keys"]))
        )

    def sampling_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.SAMPLED]

    def more_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MORE]

    def more_is_wrong(self) -> bool:
        return any(self[name].errors for name in self.MORE)


class TemplatesField(FilesField):
    """Files, or none."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        given = [one for one in (data if isinstance(data, list | tuple) else [data]) if one]
        return super().clean(given, initial) if given else []


class GenerationForm(AnsweringForm):
    heading = _("Prepare a generation")
    about = _(
        "The prompts leave as a bundle: a folder that a GPU node answers without a database, and that is loaded here again."
    )
    part_of = _("Prompts")
    about_sampling = _("Every field is written into the bundle; an empty one with its default.")
    program = "offline.generate"

    samples = forms.IntegerField(
        label=_("Samples"),
        min_value=1,
        max_value=MOST_SAMPLES,
        initial=1,
        help_text=_("Responses to each prompt, each with a seed of its own."),
    )
    system = forms.CharField(
        label=_("System prompt"),
        required=False,
        strip=False,
        widget=MORE_LINES,
        help_text=_("For prompts that have no system turn of their own."),
    )
    variants = TemplatesField(
        label=_("Variants of the wording"),
        required=False,
        max_length=255,
        help_text=_(
            "Text files, each named after its variant: a template with {prompt}, and perhaps {options} and {instruction}. Every "
            "prompt is asked in each."
        ),
    )
    chain_of_thought = forms.BooleanField(
        label=_("Ask to think step by step before answering"), required=False
    )
    language = forms.ChoiceField(
        label=_("Language of instructions"),
        choices=[("en", "English"), ("ja", "日本語")],
        initial="en",
        help_text=_("Of what is added to questions with options, and to think step by step."),
    )
    in_category = forms.CharField(
        label=_("Sampling of single categories"),
        required=False,
        widget=FEW_LINES,
        help_text=_("CATEGORY:FIELD=VALUE, one a line, such as math:temperature=0."),
    )
    missing_only = forms.BooleanField(
        label=_("Only what this model has not answered yet"),
        required=False,
        help_text=_("The project’s responses of a model of this name count."),
    )

    MORE = ("in_category", *AnsweringForm.MORE)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["name"].help_text = gettext_lazy("Its responses are loaded under this name.")
        for name, value in SAMPLING.items():
            if name != "stop":
                self.fields[name].initial = value

    def clean_in_category(self) -> dict[str, dict[str, str]]:
        try:
            found = by_category(lines(self.cleaned_data["in_category"]), "in_category")
            for said in found.values():
                read_sampling(said)
        except NotPrepared as why:
            raise forms.ValidationError(str(why)) from None
        return found

    def clean_variants(self) -> dict[str, str]:
        found: dict[str, str] = {}
        given: list[UploadedFile[bytes]] = self.cleaned_data["variants"]
        for file in given:
            name = PurePath(file.name or "").stem
            if (file.size or 0) > LARGEST_TEMPLATE:
                raise forms.ValidationError(
                    _("“%(name)s” is too large for a template."), params={"name": name}
                )
            if name in found:
                raise forms.ValidationError(_("Two variants are called “%(name)s”."), params={"name": name})
            try:
                found[name] = file.read().decode("utf-8-sig").rstrip("\r\n")
            except UnicodeDecodeError:
                raise forms.ValidationError(_("“%(name)s” is not UTF-8."), params={"name": name}) from None
        return found

    @property
    def asked(self) -> Generation:
        said = self.cleaned_data
        return Generation(
            answering=self.answering,
            prompts=self.prompts,
            samples=said["samples"],
            system=said["system"],
            variants=said["variants"],
            chain_of_thought=said["chain_of_thought"],
            language=said["language"],
            missing_only=said["missing_only"],
            in_category=said["in_category"],
        )


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def lines_before_equals(text: str) -> list[str]:
    return [line.partition("=")[0].strip() for line in lines(text)]
