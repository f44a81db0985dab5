"""Language models, responses and their items into the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from projects.loading.records import ResponseRecord
from projects.loading.store import Store, as_json
from projects.tables import Problem, quoted, say
from projects.tables.messages import _

TARGETS, OTHERS = "loading_response_target", "loading_response_other"
DIFFERENT = "loading_response_different"
KEYS = "projects_response (id, prompt_id, model_id, sample)"


class ResponseStore(Store):
    kind = "responses"
    order = 20
    staging = "loading_response"
    columns: ClassVar = {
        "prompt": "text",
        "model": "text",
        "sample": "integer",
        "n_turns": "integer",
        "turns": "text[]",
        "generation": "jsonb",
        "truncated": "smallint[]",
        "metadata": "jsonb",
    }

    def staged(self, record: ResponseRecord) -> Sequence[Any]:
        return (
            record.prompt,
            record.model,
            record.sample,
            len(record.turns),
            record.turns,
            as_json(record.generation),
            truncated(record.generation, len(record.turns)) if record.truncated is None else record.truncated,
            as_json(record.metadata),
        )

    def settle(self) -> None:
        project = {"project": self.project.pk}
        self.run(
            f"ANALYZE {self.staging} (n, prompt, model, sample)"
        )  # to look at long texts as well would take long
        self.analyse("projects_prompt (id, project_id, key)", KEYS)
        self.tell_unknown_prompts()
        models = self.run(
            "INSERT INTO projects_languagemodel (project_id, name, metadata, created_at)"  # noqa: S608  # names are constants
            f" SELECT %(project)s, model, '{{}}', now() FROM (SELECT model, min(n) AS n FROM {self.staging} GROUP BY model) l"
            " ORDER BY n ON CONFLICT DO NOTHING",
            project,
        )
        known_models = self.value(f"SELECT count(DISTINCT model) FROM {self.staging}") - models  # noqa: S608
        self.count("models", created=models, unchanged=known_models)
        targets = self.run(
            f"CREATE TEMPORARY TABLE {TARGETS} ON COMMIT DROP AS"  # noqa: S608
            " SELECT DISTINCT ON (p.id, m.id, l.sample) p.id AS prompt_id, m.id AS model_id, l.sample, l.n_turns, l.n,"
            " r.id AS known"
            f" FROM {self.staging} l"
            " JOIN projects_prompt p ON p.project_id = %(project)s AND p.key = l.prompt"
            " JOIN projects_languagemodel m ON m.project_id = %(project)s AND m.name = l.model"
            " LEFT JOIN projects_response r ON r.prompt_id = p.id AND r.model_id = m.id AND r.sample = l.sample"
            " ORDER BY p.id, m.id, l.sample, l.n",
            project,
        )
        self.run(f"ANALYZE {TARGETS}")
        if targets < self.taken:
            self._tell_contradictions_within()
        self._tell_other_numbers_of_turns()
        others, extended = self._find_other_texts(), 0
        if others:
            extended = self._extend()
            if self.loading.options.new_version:
                self._number_new_versions()
            self._tell_conflicts()
        self._tell_differences()
        created = self.run(
            "INSERT INTO projects_response (prompt_id, model_id, sample, turns, generation, truncated, metadata, created_at)"  # noqa: S608
            " SELECT t.prompt_id, t.model_id, t.sample, l.turns, l.generation, l.truncated, l.metadata, now()"
            f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n WHERE t.known IS NULL ORDER BY l.n"
        )
        self.run(
            "INSERT INTO projects_item (project_id, prompt_id, response_id, turn)"  # noqa: S608
            " SELECT %(project)s, r.prompt_id, r.id, turn"
            f" FROM {TARGETS} t JOIN projects_response r USING (prompt_id, model_id, sample)"
            " CROSS JOIN LATERAL generate_series(1, t.n_turns) AS turn"
            " WHERE t.known IS NULL ORDER BY r.id, turn",
            project,
        )
        unchanged = self.value(f"SELECT count(*) FROM {TARGETS} WHERE known IS NOT NULL")  # noqa: S608
        self.count("responses", created=created + extended, unchanged=unchanged - extended)
        self.run(f"DROP TABLE {TARGETS}, {DIFFERENT}")
        self.analyse(KEYS, "projects_item")

    def _tell_contradictions_within(self) -> None:
        for file, line, prompt, model, sample, first_file, first_line in self.found(
            f"SELECT l.file, l.line, l.prompt, l.model, l.sample, o.file, o.line FROM {TARGETS} t"  # noqa: S608
            f" JOIN {self.staging} o ON o.n = t.n JOIN {self.staging} l"
            " ON l.prompt = o.prompt AND l.model = o.model AND l.sample = o.sample AND l.n > o.n"
            " WHERE l.turns IS DISTINCT FROM o.turns ORDER BY l.n"
        ):
            other = self.place(first_file, first_line)
            reason = say(
                _("Another response of “%(model)s” to “%(prompt)s”, sample %(sample)s, stands in %(other)s."),
                model=quoted(model),
                prompt=quoted(prompt),
                sample=sample,
                other=other,
            )
            advice = say(_("Number several responses to one prompt with `sample`: 0, 1, 2 …"))
            self.error(file, line, "response", reason, advice, other=other)

    def _tell_other_numbers_of_turns(self) -> None:
        """More answers than questions are an error; fewer are told."""
        # A turn of the user that the prompt answers itself is not asked. If it answers all of them, it is continued.
        other = self.run(
            f"CREATE TEMPORARY TABLE {OTHERS} ON COMMIT DROP AS SELECT t.n, t.n_turns AS answers, asked.n AS questions"  # noqa: S608
            f" FROM {TARGETS} t JOIN projects_prompt p ON p.id = t.prompt_id CROSS JOIN LATERAL"
            " (SELECT greatest(1, count(*)) AS n FROM jsonb_array_elements(p.turns) WITH ORDINALITY AS one (said, at)"
            " WHERE said ->> 'role' = 'user' AND p.turns -> at::integer ->> 'role' IS DISTINCT FROM 'assistant') AS asked"
            " WHERE t.n_turns <> asked.n"
        )
        if other:
            self._tell_too_many_turns()
            self._tell_too_few_turns()
        self.run(f"DROP TABLE {OTHERS}")

    def _tell_too_many_turns(self) -> None:
        for file, line, prompt, answers, questions in self.found(
            f"SELECT l.file, l.line, l.prompt, o.answers, o.questions FROM {OTHERS} o"  # noqa: S608
            f" JOIN {self.staging} l ON l.n = o.n WHERE o.answers > o.questions ORDER BY l.n"
        ):
            reason = say(
                _(
                    "Here are %(answers)s answers; turns to be answered in the prompt “%(prompt)s”: %(questions)s."
                ),
                answers=answers,
                prompt=quoted(prompt),
                questions=questions,
            )
            self.error(file, line, "response", reason)

    def _tell_too_few_turns(self) -> None:
        ((first, times),) = self.rows(f"SELECT min(n), count(*) FROM {OTHERS} WHERE answers < questions")  # noqa: S608
        if first is not None:
            ((file, line),) = self.rows(f"SELECT file, line FROM {self.staging} WHERE n = %s", [first])  # noqa: S608
            reason = say(_("This response answers only the first turns of its prompt."))
            self.warn(file, line, "", reason, times=times)

    def _find_other_texts(self) -> int:
        """Fill the table `loading_response_different` with what is known with another text.

        A conversation of a bundle may be known as far as it went: then it grows, or is the older one of the two.
        """
        same = "r.generation ->> 'item_id' = l.generation ->> 'item_id'"
        return self.run(
            f"CREATE TEMPORARY TABLE {DIFFERENT} ON COMMIT DROP AS SELECT t.n, t.known, cardinality(r.turns) AS had,"  # noqa: S608
            f" COALESCE({same} AND l.turns[1:cardinality(r.turns)] = r.turns, false) AS grows,"
            f" COALESCE({same} AND r.turns[1:cardinality(l.turns)] = l.turns, false) AS is_older"
            f" FROM {TARGETS} t JOIN projects_response r ON r.id = t.known JOIN {self.staging} l ON l.n = t.n"
            " WHERE l.turns IS DISTINCT FROM r.turns"
        )

    def _extend(self) -> int:
        """Add the turns that have come since a conversation was loaded in part. Those that are there stay as they are."""
        extended = self.run(
            "UPDATE projects_response r SET turns = l.turns, generation = l.generation, truncated = l.truncated"  # noqa: S608
            f" FROM {DIFFERENT} o JOIN {self.staging} l ON l.n = o.n WHERE o.grows AND r.id = o.known"
        )
        self.run(
            "INSERT INTO projects_item (project_id, prompt_id, response_id, turn)"  # noqa: S608
            f" SELECT %(project)s, t.prompt_id, o.known, turn FROM {DIFFERENT} o JOIN {TARGETS} t ON t.n = o.n"
            " CROSS JOIN LATERAL generate_series(o.had + 1, t.n_turns) AS turn WHERE o.grows ORDER BY t.n, turn",
            {"project": self.project.pk},
        )
        self.run(f"DELETE FROM {DIFFERENT} WHERE grows OR is_older")  # noqa: S608
        if extended:
            reason = say(_("%(n)s conversations that were loaded in part have more turns now."), n=extended)
            self.loading.notes.append(Problem(reason))
        return extended

    def _number_new_versions(self) -> None:
        """What is known with another text becomes the next sample, unless a sample has this text already."""
        self.run(
            f"UPDATE {TARGETS} t SET known = r.id, sample = r.sample FROM {DIFFERENT} o, {self.staging} l,"  # noqa: S608
            " projects_response r WHERE l.n = t.n AND o.n = t.n"
            " AND r.prompt_id = t.prompt_id AND r.model_id = t.model_id AND r.turns = l.turns"
        )
        versions = self.run(
            f"WITH other AS (SELECT t.n, row_number() OVER (PARTITION BY t.prompt_id, t.model_id ORDER BY t.n) AS nth,"  # noqa: S608
            f" greatest((SELECT max(x.sample) FROM {TARGETS} x WHERE (x.prompt_id, x.model_id) = (t.prompt_id, t.model_id)),"
            " (SELECT max(r.sample) FROM projects_response r WHERE (r.prompt_id, r.model_id) = (t.prompt_id, t.model_id)))"
            f" AS last FROM {TARGETS} t JOIN {DIFFERENT} o ON o.n = t.n JOIN {self.staging} l ON l.n = t.n"
            " JOIN projects_response k ON k.id = t.known WHERE k.turns <> l.turns)"
            f" UPDATE {TARGETS} t SET known = NULL, sample = other.last + other.nth FROM other WHERE other.n = t.n"
        )
        if versions:
            reason = say(_("%(n)s responses with another text were loaded as the next sample."), n=versions)
            self.loading.notes.append(Problem(reason))

    def _tell_conflicts(self) -> None:
        for file, line, prompt, model, known, given in self.found(
            f"SELECT l.file, l.line, l.prompt, l.model, r.turns, l.turns FROM {TARGETS} t"  # noqa: S608
            f" JOIN {DIFFERENT} o ON o.n = t.n JOIN projects_response r ON r.id = t.known JOIN {self.staging} l ON l.n = t.n"
            " WHERE l.turns IS DISTINCT FROM r.turns ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            reason = say(
                _("The response of “%(model)s” to “%(prompt)s” is known with another text."),
                model=quoted(model),
                prompt=quoted(prompt),
            )
            self.conflict(file, line, "response", reason, " / ".join(known), " / ".join(given))

    def _tell_differences(self) -> None:
        for field in ("generation", "metadata"):
            found = self.rows(
                f"SELECT min(l.n), count(*) FROM {TARGETS} t JOIN projects_response r ON r.id = t.known"  # noqa: S608
                f" JOIN {self.staging} l ON l.n = t.n WHERE NOT r.{field} @> l.{field}"
            )
            if (first := found[0][0]) is not None:
                ((file, line),) = self.rows(f"SELECT file, line FROM {self.staging} WHERE n = %s", [first])  # noqa: S608
                reason = say(_("This differs from what is stored, which stays as it is."))
                self.warn(file, line, field, reason, times=found[0][1])


def truncated(generation: Mapping[str, Any], turns: int) -> list[int]:
    """Turns, from 1, that were cut off at their longest length; one reason for all of them is the last turn's.

    >>> truncated({"finish_reason": ["length", "stop"]}, 2), truncated({"finish_reason": "length"}, 2), truncated({}, 1)
    ([1], [2], [])
    """
    said = generation.get("truncated")
    if isinstance(said, list):
        return sorted({turn for turn in said if type(turn) is int and 1 <= turn <= turns})
    reasons = generation.get("finish_reason")
    if not isinstance(reasons, list):
        reasons = [None] * (turns - 1) + ["length" if said is True else reasons]
    return [turn for turn, reason in enumerate(reasons[:turns], 1) if reason == "length"]
