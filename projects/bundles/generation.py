"""Preparing a generation: the prompts of a project as a bundle that a GPU node answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject
from django.utils.translation import gettext as _

from offline.bundle import Item, Manifest, make_item
from offline.multiple_choice import Language
from projects.bundles.answering import Answering
from projects.bundles.errors import NotPrepared
from projects.bundles.sampling import read_sampling
from projects.bundles.selection import PromptFilter
from projects.bundles.wording import conversation, wordings
from projects.bundles.written import Watch, Written, check_shards, unwatched, write
from projects.models import Project, Prompt, Response

CHUNK = 1_000
MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class Generation:
    """What a model is to be asked."""

    answering: Answering
    prompts: PromptFilter = field(default_factory=PromptFilter)
    samples: int = 1
    """Answers to each prompt, each with a seed of its own."""
    system: str = ""
    """For prompts that have no system turn of their own."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """Templates by name; each prompt is asked once in each."""
    chain_of_thought: bool = False
    language: Language = "en"
    """Of the instructions that are added to questions with options, and for chain of thought."""
    missing_only: bool = False
    """Only what the model has no response to yet, sample by sample."""
    in_category: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Sampling fields for prompts of a category, where they differ."""


def prepare_generation(
    *,
    project: Project,
    asked: Generation,
    folder: Path,
    shards: int = 0,
    watch: Watch = unwatched,
) -> Written:
    """Write the bundle, with `shards` as batch files too; whole or not at all. Raises NotPrepared."""
    if not 1 <= asked.samples <= MOST_SAMPLES:
        raise NotPrepared(
            _("Samples are from 1 to %(most)s per prompt.") % {"most": f"{MOST_SAMPLES:,}"}, field="samples"
        )
    check_shards(shards)
    manifest = asked.answering.manifest(
        "generate", project, samples=asked.samples, variants=sorted(asked.variants)
    )
    making = _Making(asked, manifest)
    prompts = _prompts(project, asked)
    rows = watch("prompts", prompts.count(), prompts.iterator(chunk_size=CHUNK))
    whole, files = write(folder, manifest, making.items(rows), shards=shards)
    return Written(folder, whole, files, dict(making.counts), making.notes(whole, shards))


def _prompts(project: Project, asked: Generation) -> QuerySet[Prompt]:
    prompts = asked.prompts.prompts(project).order_by("pk")
    if not asked.missing_only:
        return prompts
    there = Response.objects.filter(
        prompt=OuterRef("pk"), model__name=asked.answering.name.strip()
    ).order_by()
    facts = JSONObject(sample="sample", variant=KeyTextTransform("variant", "generation"))
    return prompts.annotate(there=ArraySubquery(there.values(facts=facts)))


class _Making:
    """Items out of prompts, counted as they go by."""

    def __init__(self, asked: Generation, manifest: Manifest) -> None:
        self.asked = asked
        self.manifest = manifest
        self.wordings = wordings(
            dict(asked.variants), chain_of_thought=asked.chain_of_thought, language=asked.language
        )
        self.in_category = {name: read_sampling(said) for name, said in asked.in_category.items()}
        self.counts: Counter[str] = Counter()
        self.several_turns = False

    def items(self, prompts: Iterable[Prompt]) -> Iterator[Item]:
        categories: set[str] = set()
        for prompt in prompts:
            missing = self._missing(prompt)
            if not missing:
                self.counts["answered_already"] += 1
                continue
            self.counts["prompts"] += 1
            categories.add(prompt.category)
            yield from self._of_prompt(prompt, missing)
        if not self.counts["prompts"]:
            raise NotPrepared(self._why_none())
        if strange := sorted(self.in_category.keys() - categories):
            raise NotPrepared(
                _("No prompt here has the category %(names)s.")
                % {"names": ", ".join(f"“{one}”" for one in strange)},
                field="in_category",
            )

    def _missing(self, prompt: Prompt) -> list[tuple[str, int]]:
        """Variants and samples that there is no response to. Responses to the second variant are numbered after those
        to the first, in the manifest's order. Raises NotPrepared where the response there is to another variant."""
        order = self.manifest.variants or [""]
        there = {one["sample"]: one["variant"] or "" for one in getattr(prompt, "there", ())}
        missing = []
        for name in self.wordings:
            for sample in range(self.asked.samples):
                number = order.index(name) * self.asked.samples + sample
                if number not in there:
                    missing.append((name, sample))
                elif there[number] not in ("", name):
                    raise NotPrepared(
                        _(
                            "Prompt “%(key)s”: sample %(number)s, which would be variant “%(name)s” here, is a response to “%(there)s”. "
                            "Variants are numbered in the order of their names, each with the same number of samples; call new ones "
                            "so that they come last."
                        )
                        % {"key": prompt.key, "number": number, "name": name, "there": there[number]},
                        field="variant",
                    )
        return missing

    def _of_prompt(self, prompt: Prompt, missing: list[tuple[str, int]]) -> Iterator[Item]:
        if self.asked.system and prompt.turns[0]["role"] == "system":
            self.counts["own_system"] += 1
        said = {
            name: conversation(prompt, self.wordings[name], system=self.asked.system or None)
            for name in dict.fromkeys(name for name, _sample in missing)
        }
        for name, sample in missing:
            item = make_item(
                self.manifest,
                prompt_id=prompt.key,
                turns=said[name].turns,
                system=said[name].system,
                variant=name,
                sample=sample,
                params=self.in_category.get(prompt.category, {}),
            )
            self.several_turns |= len(item.answered) > 1
            yield item

    def _why_none(self) -> str:
        if self.counts["answered_already"]:
            return _("“%(model)s” has answered every one of these prompts already.") % {
                "model": self.asked.answering.name
            }
        return _("There are no prompts to be answered.")

    def notes(self, manifest: Manifest, shards: int) -> list[str]:
        notes = []
        if manifest.samples > 1 and manifest.sampling["temperature"] == 0:
            notes.append(_("At temperature 0 all samples of a prompt will be alike."))
        if n := self.counts["own_system"]:
            notes.append(_("Prompts with a system turn of their own, which stands: %(n)s.") % {"n": f"{n:,}"})
        if n := self.counts["answered_already"]:
            notes.append(_("Prompts left out because the model has answered them: %(n)s.") % {"n": f"{n:,}"})
        if shards and self.several_turns:
            notes.append(
                _(
                    "The batch files hold first turns only: later turns are asked once their answers are there."
                )
            )
        return notes
