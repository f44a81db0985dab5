"""Who gave the ratings of a file: members without a login, known by pseudonyms of the project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from projects.models import Member, Project
from projects.tables import Message, quoted, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from annotation.loading.ratings import RatingStore

RATERS = "loading_rater"
_PSEUDONYM = re.compile(r"R([0-9]{3,9})")
_PLACE = re.compile(r"P([0-9]{3,9})")


def settle_raters(store: RatingStore) -> None:
    """Fill the table `loading_rater` with the member that each name stands for, making those that are missing.

    A name stands for the member that was loaded under it before; else for the member with that pseudonym, since
    our own downloads name raters so; else for somebody new.
    """
    named: list[tuple[str, str, int]] = store.rows(
        f"SELECT rater, rater_kind, min(n) FROM {store.staging} GROUP BY 1, 2 ORDER BY 3"  # noqa: S608  # names are constants
    )
    project = Project.objects.select_for_update(no_key=True).get(pk=store.project.pk)
    members = list(Member.objects.filter(project=project))
    by_name = {
        (member.external_name, member.kind == Member.Kind.POSITION): member
        for member in members
        if member.external_name
    }
    by_pseudonym = {member.pseudonym: member for member in members}
    found: list[tuple[str, str, int]] = []
    created = 0
    for name, kind, n in named:
        is_position = kind == Member.Kind.POSITION
        external = f"position {_place(name)}" if is_position else name
        member = by_name.get((external, is_position))
        if (external, not is_position) in by_name:
            _tell(
                store,
                n,
                say(_("“%(name)s” is the name of somebody else in this project."), name=quoted(name)),
            )
            continue
        if member is None and not is_position and (member := by_pseudonym.get(name)):
            _warn(
                store,
                n,
                say(
                    _("“%(name)s” was taken for the member of the project with this pseudonym."),
                    name=quoted(name),
                ),
            )
        if member is None:
            pseudonym = (
                _position(_place(name), set(by_pseudonym))
                if is_position
                else _pseudonym(project, name, set(by_pseudonym))
            )
            member = Member.objects.create(
                project=project,
                pseudonym=pseudonym,
                kind=kind,
                is_rater=True,
                external_name=external,
            )
            by_pseudonym[pseudonym] = by_name[external, is_position] = member
            created += 1
        elif not member.is_rater:
            _tell(store, n, say(_("“%(name)s” is no rater in this project."), name=quoted(name)))
        found.append((name, kind, member.pk))
    project.save(update_fields=["people_so_far"])
    store.run(
        f"CREATE TEMPORARY TABLE {RATERS} (rater text, rater_kind text, member_id bigint) ON COMMIT DROP"
    )
    for row in found:
        store.run(f"INSERT INTO {RATERS} VALUES (%s, %s, %s)", row)  # noqa: S608
    store.run(f"ANALYZE {RATERS}")
    store.count("raters", created=created, unchanged=len(named) - created)


def _pseudonym(project: Project, name: str, taken: set[str]) -> str:
    """The name, where it is a pseudonym already, as in our own downloads; else the project's next."""
    if (numbered := _PSEUDONYM.fullmatch(name)) and name not in taken:
        project.people_so_far = max(project.people_so_far, int(numbered[1]))
        return name
    while True:
        project.people_so_far += 1
        if (pseudonym := f"R{project.people_so_far:03}") not in taken:
            return pseudonym


def _place(name: str) -> str:
    """The place in a list that a position stands for, also where it is called by its pseudonym, as in our downloads."""
    numbered = _PLACE.fullmatch(name)
    return str(int(numbered[1])) if numbered else name


def _position(name: str, taken: set[str]) -> str:
    """P and the position’s number; where it has none, the next that is free."""
    if (
        name.isascii()
        and name.isdigit()
        and len(name) < 10
        and (pseudonym := f"P{int(name):03}") not in taken
    ):
        return pseudonym
    number = 1
    while (pseudonym := f"P{number:03}") in taken:
        number += 1
    return pseudonym


def _warn(store: RatingStore, n: int, reason: Message) -> None:
    store.warn(*_row(store, n), "rater", reason)


def _tell(store: RatingStore, n: int, reason: Message) -> None:
    store.error(*_row(store, n), "rater", reason)


def _row(store: RatingStore, n: int) -> tuple[int, int]:
    ((file, line),) = store.rows(f"SELECT file, line FROM {store.staging} WHERE n = %s", [n])  # noqa: S608
    return file, line
