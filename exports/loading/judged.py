"""What came back from a judging bundle: scores, or verdicts on pairs, with every failure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from exports.loading.rows import JudgeScoreRecord, VerdictRecord
from exports.models import Failure
from offline.bundle import Manifest
from offline.judging.forms import Form, PresetError
from offline.judging.parsing import parse, swapped
from projects.loading.bundles.checklists import ChecklistRecord
from projects.loading.bundles.kinds import FAILED, Answered, Asked, BundleKind
from projects.loading.formats.contents import wrong
from projects.loading.records import Record
from projects.tables import Problem, quoted, say
from projects.tables.messages import _

#: Reasons of a server to have stopped that mean that it would not answer.
REFUSALS = ("content_filter", "refusal")


class Judged(BundleKind):
    kind = "judge"

    def records(self, asked: Asked, answers: Mapping[int, Answered]) -> Iterator[Record]:
        answer = answers.get(max(asked.turns))
        if answer is None or not (answer.counts or answer.final):
            self.leave_out(asked, answers)
            return
        manifest = self.manifest(asked)
        judge = manifest.judge or {}
        if answer.counts and not answer.read:
            answer.read = self._read_now(asked, answer, manifest)
        if judge.get("style") == "checklist":
            yield from self._checklist(asked, answer, manifest)
            return
        for axis in judge.get("axes", ()):
            name = axis["name"] if isinstance(axis, dict) else str(axis)
            value, failure, words = self._said(answer, name)
            if asked.said.get("other"):
                yield self._verdict(asked, answer, manifest, name, value, failure, words)
            else:
                yield self._score(asked, answer, manifest, name, value, failure, words)

    def _read_now(self, asked: Asked, answer: Answered, manifest: Manifest) -> dict[str, Any]:
        """What a runner would have read: the outputs of a batch service hold nothing but what the judge said."""
        key = "judge_form", manifest.job_id
        if key not in self.loading.shared:
            try:
                self.loading.shared[key] = Form.of(manifest.judge or {})
            except PresetError as error:
                raise wrong(asked.row, "judge", _("This is no manifest: %(what)s"), what=str(error)) from None
        reason = answer.said.get("finish_reason")
        said = parse(answer.content, self.loading.shared[key], finish_reason=reason)
        order = str(asked.said.get("order", ""))
        return {
            "scores": {axis: swapped(value, order) for axis, value in said.scores.items()},
            "parse": {"status": said.status, "reason": said.reason},
            "reasons": said.reasons,
            "verdict": said.verdict,
            "checklist": said.checklist,
        }

    def _checklist(self, asked: Asked, answer: Answered, manifest: Manifest) -> Iterator[Record]:
        """What the judge made for a prompt that has none. Of several for one prompt, the first."""
        if asked.said.get("repeat"):
            reason = say(_("A prompt has one checklist: of several, only the first is loaded."))
            self.loading.problems.warn(Problem(reason, asked.row.place()), key=("one checklist", asked.job))
            return
        points = answer.read.get("checklist")
        if not answer.counts or not points:
            self.loading.leave_out(FAILED)
            said = quoted(answer.content if answer.counts else answer.error, 200)
            reason = say(
                _("No checklist came back for the prompt “%(id)s”: %(said)s"),
                id=quoted(asked.prompt),
                said=said,
            )
            self.loading.problems.warn(Problem(reason, answer.row.place()), key=("no checklist", asked.job))
            return
        if not isinstance(points, list) or not all(isinstance(one, str) and one.strip() for one in points):
            raise wrong(answer.row, "checklist", _("Here should be a list of texts."))
        judge = manifest.judge or {}
        yield ChecklistRecord(
            row=answer.row,
            prompt=asked.prompt,
            points=[one.strip() for one in points],
            origin={
                "judge": self._name(manifest),
                "preset": judge.get("preset"),
                "preset_sha256": judge.get("preset_sha256"),
                "settings_sha256": manifest.settings_digest(),
                "job_id": manifest.job_id,
            },
        )

    @staticmethod
    def _said(answer: Answered, axis: str) -> tuple[Any, str, str]:
        """The score, why there is none, and what the judge said."""
        if not answer.counts:
            return None, Failure.API_ERROR.value, answer.error
        read = answer.read
        reason = read.get("reasons", {}).get(axis) or answer.content
        value = read.get("scores", {}).get(axis)
        if value is not None and read.get("parse", {}).get("status") != "unparsed":
            return value, "", reason
        refused = answer.said.get("finish_reason") in REFUSALS
        return None, (Failure.REFUSED if refused else Failure.UNPARSED).value, answer.content

    def _score(
        self, asked: Asked, answer: Answered, manifest: Manifest, axis: str, value: Any, failure: str, reason: str
    ) -> Record:  # fmt: skip
        said = asked.said
        return JudgeScoreRecord(
            row=answer.row,
            prompt=asked.prompt,
            model=said.get("model", ""),
            judge=self._name(manifest),
            axis=axis,
            score=value,
            sample=int(said.get("sample", 0)),
            turn=int(said.get("turn", 1)),
            repeat=int(said.get("repeat", 0)) + 1,
            failure=failure,
            reason=reason.strip(),
            judge_prompt=self._prompt(manifest),
            response_sha256=said.get("response_sha256", ""),
            version=self._version(manifest),
        )

    def _verdict(
        self, asked: Asked, answer: Answered, manifest: Manifest, axis: str, value: Any, failure: str, reason: str
    ) -> Record:  # fmt: skip
        """The journal says what the pair's first model gets; here it is what the one that was shown first gets."""
        said = asked.said
        swapped = said.get("order") == "ba"
        models = said.get("model", ""), said["other"]
        first, second = reversed(models) if swapped else models
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1
        ):
            raise wrong(answer.row, "scores", _("Here should be a number from -1 to 1."))
        hashes = said.get("response_sha256") or "", said.get("other_sha256") or ""
        return VerdictRecord(
            row=answer.row,
            prompt=asked.prompt,
            first=first,
            second=second,
            judge=self._name(manifest),
            value=None if value is None else (-float(value) or 0.0) if swapped else float(value),
            verdict=str(answer.read.get("verdict", "")),
            failure=failure,
            reason=reason.strip(),
            sample=int(said.get("sample", 0)),
            turn=int(said.get("turn", 1)),
            axis=axis,
            judge_prompt=self._prompt(manifest),
            repeat=int(said.get("repeat", 0)) + 1,
            first_sha256=hashes[swapped],
            second_sha256=hashes[not swapped],
            version=self._version(manifest),
        )

    def _name(self, manifest: Manifest) -> str:
        return self.loading.options.judge or (manifest.judge or {}).get("name") or str(manifest.model["name"])

    def _prompt(self, manifest: Manifest) -> str:
        """What makes two judgings comparable: the preset as it is, and all settings of the judge."""
        key = "judge_prompt", manifest.job_id
        if key not in self.loading.shared:
            judge = manifest.judge or {}
            words = {
                "preset": judge.get("preset"),
                "preset_sha256": judge.get("preset_sha256"),
                "mode": judge.get("mode"),
                "constrained": judge.get("constrained"),
                "settings_sha256": manifest.settings_digest(),
            }
            self.loading.shared[key] = json.dumps(words, ensure_ascii=False)
        prompt: str = self.loading.shared[key]
        return prompt

    def _version(self, manifest: Manifest) -> dict[str, Any]:
        key = "judge_version", manifest.job_id
        if key not in self.loading.shared:
            self.loading.shared[key] = self.bundles.settings(manifest) | {"job_id": manifest.job_id}
        version: dict[str, Any] = self.loading.shared[key]
        return version
