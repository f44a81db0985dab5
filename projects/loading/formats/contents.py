"""Prompts and responses out of cells and JSON: the checks that all layouts share."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Any

from projects.loading.fields import BadRow, Fields
from projects.loading.formats.base import MOST_TURNS, ROLES
from projects.tables import Problem, Row, as_text, listed, quoted, say
from projects.tables.messages import _

#: What generators write where an answer should be, when there is none.
FAILED = re.compile(r"\s*(\$ERROR\$|ERROR)\s*")


def wrong(row: Row, path: str, text: str, **values: Any) -> BadRow:
    return BadRow(Problem(say(text, **values), row.place(path.partition("[")[0].partition(".")[0]), path))


def prompt_turns(row: Row, found: Any, path: str) -> list[dict[str, str]]:
    """Turns as {"role", "content"}: texts are the user's."""
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not found:
        raise wrong(row, path, _("Here should be a list of turns that is not empty."))
    if len(found) > MOST_TURNS:
        raise wrong(row, path, _("This list is longer than %(most)s."), most=MOST_TURNS)
    turns = [_turn(row, turn, f"{path}[{at}]") for at, turn in enumerate(found)]
    if not any(turn["role"] == "user" for turn in turns):
        raise wrong(row, path, _("A prompt has at least one turn of the user."))
    return turns


def _turn(row: Row, found: Any, path: str) -> dict[str, str]:
    if isinstance(found, str):
        found = {"role": "user", "content": found}
    if not isinstance(found, dict):
        raise wrong(row, path, _("A turn is text, or an object with role and content."))
    if unknown := sorted(set(found) - {"role", "content"}):
        raise wrong(row, path, _("A turn has role and content; it has no %(names)s."), names=listed(unknown))
    role, content = found.get("role"), found.get("content")
    if role not in ROLES:
        raise wrong(
            row,
            f"{path}.role",
            _("“%(role)s” is none of: %(roles)s."),
            role=quoted(role),
            roles=listed(ROLES),
        )
    if not isinstance(content, str) or not content.strip():
        raise wrong(row, f"{path}.content", _("Here should be text."))
    return {"role": role, "content": content}


def answers(row: Row, found: Any, path: str) -> list[str]:
    """What a model answered, turn by turn. An empty answer is an answer; none at all is not."""
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not found:
        raise wrong(row, path, _("Here should be an answer, or a list of answers, one per turn."))
    if len(found) > MOST_TURNS:
        raise wrong(row, path, _("This list is longer than %(most)s."), most=MOST_TURNS)
    texts = []
    for at, answer in enumerate(found):
        text = answer.get("content") if isinstance(answer, dict) else answer
        if not isinstance(text, str):
            raise wrong(row, f"{path}[{at}]" if len(found) > 1 else path, _("There is no answer here."))
        texts.append(text)
    return texts


def says_that_it_failed(answers: list[str]) -> bool:
    return any(FAILED.fullmatch(answer) for answer in answers)


def failed(row: Row, path: str, model: str) -> BadRow:
    reason = say(
        _("This is no answer of “%(model)s”, but says that generating it failed."), model=quoted(model)
    )
    advice = say(
        _("Generate it again, or leave failed answers out (%(option)s)."), option=say("--skip-failed")
    )
    return BadRow(
        Problem(reason, row.place(path.partition("[")[0].partition(".")[0]), path, advice), why=BadRow.FAILED
    )


def texts(fields: Fields, field: str, longest: int) -> list[str]:
    """A list of short texts, such as tags."""
    found = fields.items(field)
    names = []
    for one in found:
        if isinstance(one, list | dict) or one is None:
            raise fields.refuse(field, say(_("Here should be a list of texts.")))
        if len(name := as_text(one)) > longest:
            raise fields.refuse(field, say(_("This is longer than %(most)s characters."), most=longest))
        names.append(name)
    return names


def storable(value: Any) -> Any:
    """The value as JSON can hold it: moments and exact numbers as text."""
    if isinstance(value, dict):
        return {str(name): storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
