"""What becomes of the answers of a bundle: responses of a model, or whatever a later room makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from offline.bundle import Manifest
from projects.loading.bundles.known import Bundles
from projects.loading.bundles.records import AnsweredRecord
from projects.loading.records import Record, ResponseRecord
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

FAILED, INCOMPLETE = "failed", "incomplete"


@dataclass(slots=True)
class Asked:
    """One conversation of a bundle."""

    row: Row
    job: str
    item: str
    prompt: str
    turns: list[int]
    """The turns to be answered, counting the user's from 1."""
    said: dict[str, Any]
    """Whatever else the item says."""


#: The line of a journal that counts for a turn.
Answered = AnsweredRecord


class BundleKind(ABC):
    """Turns the conversations of one kind of bundle into records."""

    kind: ClassVar[str]

    def __init__(self, loading: Loading) -> None:
        self.loading = loading
        self.bundles = Bundles.of(loading)

    @abstractmethod
    def records(self, asked: Asked, answers: Mapping[int, Answered]) -> Iterator[Record]:
        """What one conversation comes to; `answers` by turn, where there are any."""

    def manifest(self, asked: Asked) -> Manifest:
        return self.bundles.by_job[asked.job]

    def leave_out(self, asked: Asked, answers: Mapping[int, Answered]) -> None:
        """Count a conversation that is not whole, and tell the first of those that failed."""
        failed = next((one for one in answers.values() if not one.ok and one.final), None)
        self.loading.leave_out(FAILED if failed else INCOMPLETE)
        if failed:
            reason = say(
                _("This conversation failed, and was left out: %(error)s"), error=quoted(failed.error, 200)
            )
            problem = Problem(reason, failed.row.place())
            self.loading.problems.warn(problem, key=("failed", failed.row.table.name))
        else:
            reason = say(_("This conversation is not answered to its end yet, and was left out."))
            advice = say(
                _("Go on with the run, or load what there is of it (%(option)s)."), option=say("--partial")
            )
            self.loading.problems.warn(
                Problem(reason, asked.row.place(), advice=advice), key=("incomplete", asked.row.table.name)
            )


class Generated(BundleKind):
    """Responses of a model."""

    kind = "generate"

    def records(self, asked: Asked, answers: Mapping[int, Answered]) -> Iterator[Record]:
        there: list[Answered] = []
        for turn in asked.turns:
            if turn not in answers or not answers[turn].counts:
                break
            there.append(answers[turn])
        if len(there) < len(asked.turns):
            if not there or not self.loading.options.partial:
                self.leave_out(asked, answers)
                return
            self.loading.leave_out("loaded in part")
        manifest = self.manifest(asked)
        yield ResponseRecord(
            row=there[0].row,
            prompt=asked.prompt,
            model=self.loading.options.model or manifest.model["name"],
            turns=[one.content for one in there],
            sample=self._sample(manifest, asked),
            generation=self._generation(manifest, asked, there),
        )

    @staticmethod
    def _sample(manifest: Manifest, asked: Asked) -> int:
        """Variants of a prompt are samples too: those of the second variant come after those of the first."""
        variant = asked.said.get("variant", "")
        at = manifest.variants.index(variant) if variant in manifest.variants else 0
        return at * max(1, manifest.samples) + int(asked.said.get("sample", 0))

    def _generation(self, manifest: Manifest, asked: Asked, there: list[Answered]) -> dict[str, Any]:
        run_ids = dict.fromkeys(str(one.said.get("run_id", "")) for one in there)
        facts = {
            **self.bundles.facts(asked.job),
            "sampling": {**manifest.sampling, **asked.said.get("params", {})},
            "item_id": asked.item,
            "variant": asked.said.get("variant"),
            "system": asked.said.get("system"),
            "runs": [self.bundles.run(run_id) for run_id in run_ids if run_id],
            "finish_reason": [one.said.get("finish_reason") for one in there],
            "truncated": [
                at for at, one in enumerate(there, 1) if one.said.get("truncated") or one.said.get("finish_reason") == "length"
            ],
            "empty": [at for at, one in enumerate(there, 1) if not one.content.strip()],
            "turns": [one.said for one in there],
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value not in (None, "", [])}
