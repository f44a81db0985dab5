"""Which judge is meant."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db import connection

from exports.comparison.reading import Judge
from exports.models import JudgeRun
from projects.models import Project


class UnknownJudge(Exception):
    """No judge of the project has that name; `known` are those that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = list(known)


class SeveralRuns(Exception):
    """A judge scored the same responses with several prompts: it has to be said which is meant."""

    def __init__(self, name: str, runs: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.runs = list(runs)


def known_judges(project: Project) -> list[str]:
    return list(
        JudgeRun.objects.filter(project=project).order_by("name").values_list("name", flat=True).distinct()
    )


def find_judge(project: Project, name: str) -> Judge:
    """The judge of that name with all its runs; or NAME@PROMPT, by the prompt itself, its preset, or the first digits of its
    hash."""
    runs = list(JudgeRun.objects.filter(project=project).order_by("pk"))
    if found := [run for run in runs if run.name == name]:
        if len(found) > 1 and _overlap(found):
            raise SeveralRuns(name, [str(run) for run in found])
        return Judge(name, tuple(found))
    judge, at, prompt = name.rpartition("@")
    found = [
        run
        for run in runs
        if at
        and run.name == judge
        and prompt
        and (prompt in (run.prompt, preset_of(run)) or run.prompt_sha256.startswith(prompt))
    ]
    if len(found) > 1 and _overlap(found):
        raise SeveralRuns(name, [str(run) for run in found])
    if found:
        return Judge(name, tuple(found))
    raise UnknownJudge(name, known_judges(project))


def preset_of(run: JudgeRun) -> str:
    """The name of the preset or of the prompt that a run was told by, as far as it has one."""
    try:
        said = json.loads(run.prompt)
    except ValueError:
        return run.prompt
    return str(said.get("preset", "")) if isinstance(said, dict) else run.prompt


def _overlap(runs: Sequence[JudgeRun]) -> bool:
    """Whether a response has scores of several of these runs on one axis, or a pair verdicts."""
    pks = [run.pk for run in runs]
    with connection.cursor() as cursor:
        for query in (_SCORED_TWICE, _COMPARED_TWICE):
            cursor.execute(query, [pks])
            if cursor.fetchone() is not None:
                return True
    return False


_SCORED_TWICE = (
    "SELECT FROM exports_judgescore s JOIN projects_axis x ON x.id = s.axis_id WHERE s.run_id = ANY(%s)"
    " GROUP BY s.item_id, x.key HAVING min(s.run_id) <> max(s.run_id) LIMIT 1"
)
_COMPARED_TWICE = (
    "SELECT FROM exports_judgeverdict WHERE run_id = ANY(%s) GROUP BY least(first_id, second_id),"
    " greatest(first_id, second_id), turn, axis HAVING min(run_id) <> max(run_id) LIMIT 1"
)
