"""A study rated by many people at once, with everything that goes wrong in real life; and what must be true afterwards."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError, connection, transaction

from annotation.models import Assignment, NAReason, Score, Submission
from annotation.services import (
    Raters,
    claim_next,
    give_back,
    make_batch,
    open_seat,
    renew,
    skip,
    submit,
    submit_and_claim_next,
)
from annotation.services.errors import HandingOutError, SeatNotFound
from projects.models import Item, LanguageModel, Member, Project, Prompt, Response
from tests.factories import create_member, create_project

AXES = ("relevance", "fluency")


def study(*, items: int, raters: int, login: bool = False) -> Project:
    """A project with ten models' responses and its raters."""
    project = create_project(axes=AXES)
    models = LanguageModel.objects.bulk_create(
        LanguageModel(project=project, name=f"m{n}") for n in range(10)
    )
    prompts = Prompt.objects.bulk_create(
        Prompt(project=project, key=f"p{n}", turns=[{"role": "user", "content": "?"}])
        for n in range(-(-items // 10))
    )
    responses = Response.objects.bulk_create(
        Response(prompt=prompts[n // 10], model=models[n % 10], turns=["!"]) for n in range(items)
    )
    Item.objects.bulk_create(Item(project=project, prompt=r.prompt, response=r) for r in responses)
    for _ in range(raters):
        create_member(project, login=login)
    return project


class Form(NamedTuple):
    """A page on somebody's screen."""

    key: uuid.UUID
    submission_id: uuid.UUID
    scores: dict[str, float | NAReason]


class Acknowledged(NamedTuple):
    """A form of which the rater was told that it has arrived."""

    rater: int
    form: Form


class Way(Protocol):
    """A way in: the services themselves, pages, or the API. Keys of None: nothing left."""

    def next(self, rater: Member) -> uuid.UUID | None: ...
    def link(self, rater: Member, key: uuid.UUID) -> None: ...
    def submit(self, rater: Member, form: Form) -> str: ...
    def submit_and_next(self, rater: Member, form: Form) -> str: ...


class Services:
    def next(self, rater: Member) -> uuid.UUID | None:
        seat = claim_next(rater=rater)
        return seat.key if seat else None

    def link(self, rater: Member, key: uuid.UUID) -> None:
        open_seat(rater=rater, key=key)

    def submit(self, rater: Member, form: Form) -> str:
        return submit(
            rater=rater, assignment_key=form.key, submission_id=form.submission_id, scores=form.scores
        ).kind

    def submit_and_next(self, rater: Member, form: Form) -> str:
        outcome, _next = submit_and_claim_next(
            rater=rater, assignment_key=form.key, submission_id=form.submission_id, scores=form.scores
        )
        return outcome.kind


ODDS = {
    "again": 0.05,
    "other words": 0.03,
    "claim aborted": 0.03,
    "reload": 0.04,
    "submit aborted": 0.03,
    "gone home": 0.03,
    "late": 0.04,
    "give back": 0.02,
    "skip": 0.01,
    "renew": 0.02,
    "twice": 0.1,
}
"""How often what happens; most of the time nothing does."""


CUT_OFF = (OperationalError, InterfaceError, UpdateError)  # the last while a session was saved


class Aborted(Exception):
    """Our own stop in the middle of a transaction."""


@dataclass
class Trial:
    """`tabs` threads for each rater, each with a connection of its own."""

    project: Project
    raters_per_item: int = 2
    filling: str = "pool"
    order: str = "mixed"
    tabs: int = 2
    seed: int = 1
    kill_every: int | None = 7
    """Cut somebody's connection after so many answers."""
    neighbours: bool = False
    odds: dict[str, float] = field(default_factory=lambda: dict(ODDS))
    ways: tuple[type[Way], ...] = (Services,)
    patience: float = 600
    problems: list[str] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    on_screen: dict[int, Form] = field(default_factory=dict)

    def run(self) -> list[str]:
        """What went wrong: nothing, if all is well."""
        self.batch = make_batch(
            project=self.project, name=f"trial {uuid.uuid4()}", raters_per_item=self.raters_per_item, seed=self.seed,
            filling=self.filling, order=self.order, raters=Raters.everybody(), confirm_single=True,
        )  # fmt: skip
        raters = list(self.project.members.raters())
        if self.neighbours:
            self._put_seats_of_an_item_side_by_side()
        # So many steps that the chaos covers most of the seats, and calm work finishes the rest.
        self.steps = int(1.2 * self.batch.assignments.count() / (len(raters) * self.tabs)) + 1
        connection.close()  # it would be killed with the others
        self._all_at_once(raters, self.tabs, self._live)
        self._all_at_once(raters, 1, self._finish)
        self._check()
        return self.problems

    def _put_seats_of_an_item_side_by_side(self) -> None:
        """So that two tabs of a rater, were they not kept apart, would take two seats of one item."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE annotation_assignment a SET position = (n.rank + a.seat / 1000.0) / n.total FROM ("
                " SELECT id, row_number() OVER (ORDER BY id), count(*) OVER () FROM projects_item) n (id, rank, total)"
                " WHERE n.id = a.item_id AND a.batch_id = %s",
                [self.batch.pk],
            )

    def _all_at_once(self, raters: list[Member], tabs: int, what: Any) -> None:
        until = time.monotonic() + self.patience
        threads = [
            threading.Thread(target=self._guarded, args=(what, rater, tab), daemon=True)
            for rater in raters
            for tab in range(tabs)
        ]
        over = threading.Event()
        killer = threading.Thread(target=self._kill_connections, args=(over,))
        if self.kill_every and what == self._live:
            killer.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
        over.set()
        if killer.is_alive():
            killer.join()
        if any(thread.is_alive() for thread in threads):
            self.problems.append("somebody waits for ever")

    def _guarded(self, what: Any, rater: Member, tab: int) -> None:
        try:
            what(rater, random.Random(f"{self.seed}:{rater.pk}:{tab}"), [way() for way in self.ways])
        except Exception as error:
            self.problems.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _kill_connections(self, over: threading.Event) -> None:
        next_at = 0
        while not over.wait(0.01):
            if len(self.acknowledged) < next_at:
                continue
            next_at = len(self.acknowledged) + (self.kill_every or 0)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    # In the middle of something, if possible.
                    " ORDER BY state = 'idle', random() LIMIT 1) AS victim"
                )
                self.happened["killed"] += cursor.fetchone()[0]
        connection.close()

    # One tab of one rater

    def _live(self, rater: Member, rng: random.Random, ways: list[Way]) -> None:
        done = 0
        for _ in range(self.steps * 4):
            if done >= self.steps:
                return
            try:
                done += self._step(rater, rng, rng.choice(ways))
            except HandingOutError as said:
                self.happened[type(said).__name__] += 1
            except Aborted:
                self.happened["aborted"] += 1
            except CUT_OFF as error:
                if not _was_killed(error):
                    raise
                self.happened["cut off"] += 1
                connection.close()

    def _step(self, rater: Member, rng: random.Random, way: Way) -> bool:
        """One step of a rater; whether it was a rating."""
        event = rng.choices([*self.odds, "nothing"], [*self.odds.values(), 1 - sum(self.odds.values())])[0]
        if event in ("again", "other words") and (form := self.on_screen.get(rater.pk)):
            # The other tab's page, or this one, once more.
            return self._submit(rater, form if event == "again" else _filled_in(form.key, rng), way)
        if event == "claim aborted":
            with transaction.atomic():
                claim_next(rater=rater)
                raise Aborted
        key = way.next(rater)
        if key is None:
            time.sleep(0.005)
            return False
        form = self.on_screen[rater.pk] = _filled_in(key, rng)
        if event == "reload":
            with contextlib.suppress(HandingOutError):
                way.link(rater, key)
        elif event == "submit aborted":
            with transaction.atomic():
                Services().submit(rater, form)
                raise Aborted
        elif event in ("gone home", "late"):
            self._let_lapse(key)
            if event == "gone home":
                return False
            time.sleep(0.01)
        elif event == "give back":
            give_back(rater=rater, key=key)
            return False
        elif event == "skip":
            skip(rater=rater, assignment=Assignment.objects.get(key=key), reason="no idea")
            return False
        elif event == "renew":
            renew(rater=rater, key=key)
        return self._submit(rater, form, way, twice=event == "twice", and_next=rng.random() < 0.5)

    def _submit(
        self, rater: Member, form: Form, way: Way, *, twice: bool = False, and_next: bool = False
    ) -> bool:
        double = (
            threading.Thread(target=self._guarded, args=(self._again(form, way), rater, 0)) if twice else None
        )
        if double:
            double.start()
        try:
            said = way.submit_and_next(rater, form) if and_next else way.submit(rater, form)
            self.acknowledged.append(Acknowledged(rater.pk, form))
            self.happened[str(said)] += 1
        except SeatNotFound:  # they did have the seat: this is work thrown away
            self.problems.append("a rating was refused")
        finally:
            if double:
                double.join()
        return True

    def _again(self, form: Form, way: Way) -> Any:
        def send(rater: Member, *_: Any) -> None:
            try:
                self._submit(rater, form, way)
            except HandingOutError as said:
                self.happened[type(said).__name__] += 1
            except CUT_OFF as error:
                if not _was_killed(error):
                    raise

        return send

    def _let_lapse(self, key: uuid.UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE annotation_assignment SET lease_until = now() - interval '1 second'"
                " WHERE key = %s AND state = 'open'",
                [key],
            )

    def _finish(self, rater: Member, rng: random.Random, ways: list[Way]) -> None:
        """Calmly, until nothing is left: open seats of others may still come back, so ask again for a while."""
        for _ in range(100_000):
            key = ways[0].next(rater)
            if key is not None:
                self._submit(rater, _filled_in(key, rng), ways[0])
            elif self.problems or not Assignment.objects.filter(batch=self.batch, state="open").exists():
                return
            else:
                time.sleep(0.01)

    def __str__(self) -> str:
        seats = Assignment.objects.filter(batch=self.batch).count()
        return f"{seats} seats, {len(self.acknowledged)} answers; {dict(sorted(self.happened.items()))}"

    def was_lively(self, *events: str) -> None:
        """A trial in which nothing goes wrong proves nothing."""
        missing = [event for event in events if not self.happened[event]]
        assert not missing, f"{missing} never happened: {self}"

    # Afterwards

    def _check(self) -> None:
        seats = list(
            Assignment.objects.filter(batch=self.batch).values_list(
                "item", "rater", "state", "seat", "purpose"
            )
        )
        wanted = self.project.items.count()
        live = [seat for seat in seats if seat[2] not in ("skipped", "withdrawn") and seat[4] != "surplus"]
        if left := Counter(state for _, _, state, _, _ in live if state != "submitted"):
            self.problems.append(f"seats that nobody filled: {dict(left)}")
        per_item = Counter(item for item, *_ in live)
        if len(per_item) != wanted or set(per_item.values()) != {self.raters_per_item}:
            self.problems.append(f"items by number of seats: {dict(Counter(per_item.values()))}")
        rated = [(item, rater) for item, rater, state, _, _ in seats if state == "submitted"]
        if twice := [pair for pair, times in Counter(rated).items() if times > 1]:
            self.problems.append(f"{len(twice)} times somebody rated an item twice")
        # Seats that nobody filled are told above.
        full = [group for group in _by_item(live).values() if all(seat[2] == "submitted" for seat in group)]
        if wrong := [group for group in full if len({seat[1] for seat in group}) != self.raters_per_item]:
            self.problems.append(
                f"{len(wrong)} items without exactly {self.raters_per_item} different raters"
            )
        self._check_acknowledged()

    def _check_acknowledged(self) -> None:
        """Whoever was told that a rating has arrived finds it: as scores, or set aside with all its words."""
        kept: dict[tuple[int, uuid.UUID], Counter[Any]] = {}
        for rater, item, axis, value, reason in Score.objects.filter(
            assignment__batch=self.batch, assignment__state="submitted"
        ).values_list("assignment__rater", "assignment__item", "axis__key", "value", "na_reason"):
            kept.setdefault((rater, item), Counter())[axis, value if reason is None else reason] += 1
        if [rating for rating, scores in kept.items() if scores.total() != len(AXES)]:
            self.problems.append("ratings without all of their scores, or with more")
        items = dict(Assignment.objects.filter(batch=self.batch).values_list("key", "item"))
        aside = {
            (rater, uuid.UUID(payload["assignment"]), _frozen(payload["scores"]))
            for rater, payload in Submission.objects.filter(outcome="set_aside").values_list(
                "rater", "payload"
            )
        }
        lost = 0
        for rater, form in self.acknowledged:
            scores = kept.get((rater, items[form.key]), Counter())
            lost += (
                set(scores) != _frozen(form.scores) and (rater, form.key, _frozen(form.scores)) not in aside
            )
        if lost:
            self.problems.append(f"{lost} of {len(self.acknowledged)} acknowledged ratings are not there")
        recorded = (
            Submission.objects.filter(outcome__in=["kept", "late", "surplus"]).values("assignment").distinct()
        )
        if recorded.count() != len(kept):
            self.problems.append(f"{len(kept)} ratings and {recorded.count()} submits that made one")


def _by_item(seats: list[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for seat in seats:
        groups.setdefault(seat[0], []).append(seat)
    return groups


def _filled_in(key: uuid.UUID, rng: random.Random) -> Form:
    answers = [1.0, 2.0, 3.0, 4.0, 5.0, NAReason.UNSURE]
    return Form(key, uuid.uuid4(), {axis: rng.choice(answers) for axis in AXES})


def _frozen(scores: dict[str, Any]) -> frozenset[Any]:
    return frozenset(scores.items())


def _was_killed(error: Exception) -> bool:
    """Cut off by `_kill_connections`; a deadlock is an OperationalError too, and is none of these."""
    words = str(error.__context__ or error) if isinstance(error, UpdateError) else str(error)
    return any(
        sign in words
        for sign in (
            "terminating connection",
            "server closed the connection",
            "connection already closed",
            "the connection is closed",
            "the connection is lost",
            "consuming input failed",
            "sending query failed",
            "SSL connection has been closed",
        )
    )
