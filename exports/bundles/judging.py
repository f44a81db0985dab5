"""Preparing a judging: responses of a project, put to an automatic judge with a preset, as a bundle for a GPU node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from annotation.models import Assignment, Batch
from exports.bundles.axes import fitted, of_the_project
from offline.bundle import Item, Manifest, make_item, sha256
from offline.judging.forms import PresetError
from offline.judging.presets import Preset, load
from projects.bundles import Answering, NotPrepared, PromptFilter, Watch, Written
from projects.bundles.written import check_shards, unwatched, write
from projects.models import Item as RatedItem
from projects.models import LanguageModel, Project, Prompt, Response, Rubric

CHUNK = 1_000
MOST_REPEATS = 1_000
MOST_ATTEMPTS = 100
#: Sampling fields that a preset decides: the form that the answer has.
FORM = ("response_format", "structured_outputs")
ORDERS = {"both": ("ab", "ba"), "ab": ("ab",), "ba": ("ba",)}

Order = Literal["both", "ab", "ba"]


@dataclass(frozen=True)
class Judging:
    """What a judge is to be asked."""

    answering: Answering
    """The judge: its scores are loaded under this name."""
    preset: str
    """By name, or the path of a file."""
    repeats: int = 1
    attempts: int = 3
    """Answers to ask for until one can be read."""
    prompts: PromptFilter = field(default_factory=PromptFilter)
    models: tuple[str, ...] = ()
    """Whose responses; all if empty."""
    batch: Batch | None = None
    everything: bool = False
    """Responses that nobody has rated, too."""
    order: Order = "both"
    """Pairs: which response is shown first; “ab” is the model's before the baseline's."""
    baseline: str = ""
    """Pairs: the model that all others are compared with."""
    axes: Mapping[str, str] = field(default_factory=dict)
    """By axis of the preset: the project's axis that it stands for, where that has another key."""
    project_axes: bool = False
    """Ask for the project's own axes, in its own words, where the preset can."""
    skip_missing: bool = False
    """Leave out prompts without what the preset needs (reference, checklist) instead of refusing."""
    without_reference: bool = False
    """Only prompts that have no reference: those that a preset with one leaves out."""


def prepare_judging(
    *, project: Project, asked: Judging, folder: Path, shards: int = 0, watch: Watch = unwatched
) -> Written:
    """Write the bundle, with `shards` as batch files too; whole or not at all. Raises NotPrepared."""
    check_shards(shards)
    preset = _preset(project, asked)
    manifest = _manifest(project, asked, preset)
    making = _Making(project, asked, preset, manifest)
    whole, files = write(folder, manifest, making.items(watch), shards=shards)
    return Written(folder, whole, files, dict(making.counts), making.notes(whole))


def _preset(project: Project, asked: Judging) -> Preset:
    try:
        preset = load(asked.preset)
    except PresetError as error:
        raise NotPrepared(str(error), field="preset") from error
    pairs = preset.style == "pair"
    if pairs and not asked.baseline:
        raise NotPrepared(
            _("The preset “%(preset)s” compares two responses: name the model to compare with.")
            % {"preset": preset.name},
            field="baseline",
        )
    if not pairs and (asked.baseline or asked.order != "both"):
        raise NotPrepared(
            _(
                "The preset “%(preset)s” looks at one response at a time: a baseline and an order are for pairs."
            )
            % {"preset": preset.name},
            field="baseline",
        )
    if preset.style == "checklist" and asked.repeats != 1:
        raise NotPrepared(
            _(
                "The preset “%(preset)s” makes a prompt’s checklist, of which there is one: repeats are for scores."
            )
            % {"preset": preset.name},
            field="repeats",
        )
    if preset.style != "score":
        if asked.axes or asked.project_axes:
            raise NotPrepared(
                _("The preset “%(preset)s” gives no scores on axes.") % {"preset": preset.name}, field="axis"
            )
        return preset
    rubric: Rubric | None = asked.batch.rubric if asked.batch else project.current_rubric()
    if rubric is None:
        raise NotPrepared(_("The project has no axes yet."))
    if asked.project_axes:
        if asked.axes:
            raise NotPrepared(
                _("The project’s own axes need no mapping: leave one of the two out."), field="axis"
            )
        return of_the_project(preset, rubric)
    return fitted(preset, rubric, asked.axes)


def _manifest(project: Project, asked: Judging, preset: Preset) -> Manifest:
    for what, value, most in [
        ("repeats", asked.repeats, MOST_REPEATS),
        ("attempts", asked.attempts, MOST_ATTEMPTS),
    ]:
        if not 1 <= value <= most:
            raise NotPrepared(
                _("%(what)s: from 1 to %(most)s.") % {"what": what, "most": f"{most:,}"}, field=what
            )
    decided = [
        name for name in FORM if name in asked.answering.sampling or name in asked.answering.unsupported
    ]
    if decided:
        raise NotPrepared(
            _("%(name)s: the preset says what form the answer has; choose another preset.")
            % {"name": ", ".join(decided)},
            field=decided[0],
        )
    return asked.answering.manifest(
        "judge",
        project,
        sampling=preset.request_fields(),
        judge=preset.judge(asked.answering.name.strip(), attempts=asked.attempts, repeats=asked.repeats),
    )


class _Making:
    """Items out of responses, counted as they go by."""

    def __init__(self, project: Project, asked: Judging, preset: Preset, manifest: Manifest) -> None:
        self.project = project
        self.asked = asked
        self.preset = preset
        self.manifest = manifest
        self.counts: Counter[str] = Counter()

    def items(self, watch: Watch) -> Iterator[Item]:
        if self.preset.style == "checklist":
            prompts = self._prompts().order_by("pk")
            rows = watch("prompts", prompts.count(), prompts.iterator(chunk_size=CHUNK))
            yield from self._checklists(rows)
        else:
            chosen = self._rated()
            rows = watch("responses", chosen.count(), chosen.iterator(chunk_size=CHUNK))
            yield from self._judgments(rows)
        if not self.counts["prompts" if self.preset.style == "checklist" else "responses"]:
            raise NotPrepared(self._why_none())

    def _prompts(self) -> QuerySet[Prompt]:
        prompts = self.asked.prompts.prompts(self.project)
        if self.asked.without_reference:
            prompts = prompts.filter(reference="")
        return prompts

    def _rated(self) -> QuerySet[RatedItem]:
        """A row for each response at each of its turns."""
        asked = self.asked
        items = RatedItem.objects.filter(
            project=self.project, second_response=None, prompt__in=self._prompts()
        )
        names = (*asked.models, *([asked.baseline] if asked.baseline else []))
        known = dict(LanguageModel.objects.filter(project=self.project).values_list("name", "pk"))
        if unknown := [name for name in names if name not in known]:
            raise NotPrepared(
                _("There is no model %(missing)s; there are: %(known)s.")
                % {"missing": ", ".join(f"“{name}”" for name in unknown), "known": ", ".join(known) or "–"},
                field="baseline" if unknown == [asked.baseline] else "models",
            )
        if asked.models:
            items = items.filter(response__model__in=[known[name] for name in asked.models])
        seats = Assignment.objects.filter(item=OuterRef("pk"))
        if asked.batch:
            seats = seats.filter(batch=asked.batch)
        if not asked.everything:
            seats = seats.filter(state=Assignment.State.SUBMITTED)
        if asked.batch or not asked.everything:
            items = items.filter(Exists(seats))
        if asked.baseline:
            other = Response.objects.filter(
                prompt=OuterRef("prompt"), model=known[asked.baseline], sample=OuterRef("response__sample")
            )
            items = items.exclude(response__model=known[asked.baseline])
            items = items.annotate(other=Subquery(other.values("turns")[:1]))
        return (
            items.select_related("prompt", "response__model")
            .defer("response__generation", "response__metadata")
            .order_by("prompt_id", "response_id", "turn")
        )

    def _judgments(self, rows: Iterable[Any]) -> Iterator[Item]:
        pairs = self.preset.style == "pair"
        for row in rows:
            answers: list[str] = row.response.turns
            other: list[str] = (row.other or []) if pairs else []
            if pairs and len(other) < row.turn:
                self.counts["without_baseline"] += 1
                continue
            extra = self._extra(row.prompt, row.turn)
            if extra is None:
                continue
            self.counts["responses"] += 1
            for order in ORDERS[self.asked.order] if pairs else ("",):
                said = self._filled(row, answers, other, order, extra)
                for repeat in range(self.asked.repeats):
                    yield make_item(
                        self.manifest,
                        prompt_id=row.prompt.key,
                        turns=[{"role": "user", "content": said.user}],
                        system=said.system,
                        model=row.response.model.name,
                        sample=row.response.sample,
                        turn=row.turn,
                        repeat=repeat,
                        order=order,
                        other=self.asked.baseline if pairs else None,
                        response_sha256=sha256(answers[row.turn - 1]),
                        other_sha256=sha256(other[row.turn - 1]) if pairs else None,
                    )

    def _filled(
        self, row: Any, answers: list[str], other: list[str], order: str, extra: dict[str, Any]
    ) -> Any:
        try:
            return self.preset.fill(
                row.prompt.turns,
                answers,
                turn=_user_turn(row.prompt, row.turn),
                other=other,
                order=order or "ab",
                **extra,
            )
        except PresetError as error:
            raise NotPrepared(
                _("Prompt “%(prompt)s”, model “%(model)s”, turn %(turn)s: %(why)s.")
                % {
                    "prompt": row.prompt.key,
                    "model": row.response.model.name,
                    "turn": row.turn,
                    "why": error,
                }
            ) from error

    def _checklists(self, prompts: Iterable[Prompt]) -> Iterator[Item]:
        for prompt in prompts:
            if prompt.checklist:
                self.counts["with_checklist"] += 1
                continue
            extra = self._extra(prompt, 1)
            if extra is None:
                continue
            self.counts["prompts"] += 1
            said = self.preset.fill(prompt.turns, (), **extra)
            yield make_item(
                self.manifest,
                prompt_id=prompt.key,
                turns=[{"role": "user", "content": said.user}],
                system=said.system,
            )

    def _extra(self, prompt: Prompt, turn: int) -> dict[str, Any] | None:
        """What the preset needs beyond the conversation; None to leave the prompt out. Raises NotPrepared."""
        found: dict[str, Any] = {}
        if "reference" in self.preset.needs:
            found["reference"] = reference(prompt, turn)
        if "checklist" in self.preset.needs:
            found["checklist"] = [str(point) for point in prompt.checklist]
        missing = [name for name, value in found.items() if not value]
        if not missing:
            return found
        if self.asked.skip_missing:
            self.counts[f"without_{missing[0]}"] += 1
            return None
        what = {"reference": _("no reference answer"), "checklist": _("no checklist")}[missing[0]]
        raise NotPrepared(
            _(
                "Prompt “%(key)s” has %(what)s for turn %(turn)s, which the preset “%(preset)s” needs. Choose other prompts, "
                "or leave out those without (%(option)s)."
            )
            % {
                "key": prompt.key,
                "what": what,
                "turn": turn,
                "preset": self.preset.name,
                "option": "--skip-missing",
            },
            field="skip_missing",
        )

    def _why_none(self) -> str:
        if self.counts["without_baseline"]:
            return _("The model “%(model)s” has no response to any of these prompts.") % {
                "model": self.asked.baseline
            }
        if self.counts["with_checklist"]:
            return _("Every one of these prompts has a checklist already.")
        if self.counts:
            return _("None of these prompts has what the preset needs.")
        if not self.asked.everything and self.preset.style != "checklist":
            return _("None of these responses has been rated yet; say that all are meant (%(option)s).") % {
                "option": "--all"
            }
        return _("There is nothing to be judged.")

    def notes(self, manifest: Manifest) -> list[str]:
        notes = []
        if self.asked.repeats > 1 and manifest.sampling["temperature"] == 0:
            notes.append(_("At temperature 0 repeats will differ little, if at all."))
        for name, text in [
            ("without_baseline", _("Responses left out because the baseline has none: %(n)s.")),
            ("without_reference", _("Left out because there is no reference answer: %(n)s.")),
            ("without_checklist", _("Left out because there is no checklist: %(n)s.")),
            ("with_checklist", _("Prompts left out because they have a checklist already: %(n)s.")),
        ]:
            if n := self.counts[name]:
                notes.append(text % {"n": f"{n:,}"})
        return notes


def reference(prompt: Prompt, turn: int) -> str:
    """The reference answer to a turn. MT-Bench has one for each; else there is one for the whole prompt."""
    by_turn = prompt.metadata.get("reference")
    if isinstance(by_turn, list):
        found = by_turn[turn - 1] if turn <= len(by_turn) else ""
        return found if isinstance(found, str) else ""
    return prompt.reference


def _user_turn(prompt: Prompt, turn: int) -> int:
    """The number among the user's turns of the one that the response's `turn` answers."""
    roles = [one["role"] for one in prompt.turns]
    users = [at for at, role in enumerate(roles) if role == "user"]
    open_ones = [n for n, at in enumerate(users, 1) if roles[at + 1 : at + 2] != ["assistant"]]
    return open_ones[turn - 1] if turn <= len(open_ones) else len(users) + 1
