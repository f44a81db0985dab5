"""The ways in that raters have: the pages of a browser, and the API."""

from __future__ import annotations

import re
import sys
import threading
import uuid
from typing import Any

from django.contrib.sessions.backends.base import UpdateError
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.test import Client
from django.urls import reverse

from annotation.models import NAReason
from annotation.services.errors import HandingOutError, SeatNotFound
from exports.tokens import make_token
from projects.models import Member
from tests.concurrency.trial import Form

STANDING = re.compile(r'data-assignment="([0-9a-f-]{36})"')

this_thread = threading.local()


@receiver(got_request_exception)
def _remember(**_: Any) -> None:
    this_thread.error = sys.exc_info()[1]


class Refused(HandingOutError):
    """Said in words on a page."""


def checked(answer: Any, *expected: int) -> Any:
    """The answer, if it is one of those expected; an error inside goes on to whoever asked.

    The test client would raise it in the clients of all threads.
    """
    if answer.status_code == 500:
        raise this_thread.error
    if answer.status_code == 409:
        raise Refused
    if answer.status_code == 404 and 404 not in expected:
        raise SeatNotFound
    if answer.status_code == 400 and b"This request could not be read." in answer.content:
        raise UpdateError("server closed the connection")  # while the session was saved
    assert answer.status_code in expected, (answer.status_code, answer.content.decode())
    return answer


class Pages:
    """A tab of a browser."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)
        self.logged_in = False

    def next(self, rater: Member) -> uuid.UUID | None:
        page = self._ready(rater).get(reverse("annotation:rate", args=[rater.project.slug]))
        standing = STANDING.search(checked(page, 200).content.decode())
        return uuid.UUID(standing[1]) if standing else None

    def link(self, rater: Member, key: uuid.UUID) -> None:
        page = self._ready(rater).get(reverse("annotation:assignment", args=[rater.project.slug, key]))
        checked(page, 200, 302, 404)

    def submit(self, rater: Member, form: Form) -> str:
        """Without JavaScript."""
        checked(self._send(rater, form), 302)
        return "saved by a page"

    def submit_and_next(self, rater: Member, form: Form) -> str:
        answer = checked(self._send(rater, form, headers={"HX-Request": "true"}), 200)
        assert answer["X-Hyotei-Saved"] == str(form.submission_id)
        return "saved by a page"

    def _send(self, rater: Member, form: Form, **more: Any) -> Any:
        sent = {"submission": str(form.submission_id)}
        for axis, score in form.scores.items():
            if isinstance(score, NAReason):
                sent |= {f"axis:{axis}": "na", f"reason:{axis}": score.value}
            else:
                sent[f"axis:{axis}"] = str(score)
        address = reverse("annotation:submit", args=[rater.project.slug, form.key])
        return self._ready(rater).post(address, sent, **more)

    def _ready(self, rater: Member) -> Client:
        if not self.logged_in:
            self.client.force_login(rater.user)
            self.logged_in = True
        return self.client


class Api:
    """A script with a token of its own."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)
        self.token = ""

    def next(self, rater: Member) -> uuid.UUID | None:
        answer = checked(self._post(rater, "next", {}), 200, 204)
        return uuid.UUID(answer.json()["key"]) if answer.status_code == 200 else None

    def link(self, rater: Member, key: uuid.UUID) -> None:
        address = reverse("api:seat", args=[rater.project.slug, key])
        checked(self.client.get(address, headers=self._headers(rater)), 200, 404)

    def submit(self, rater: Member, form: Form) -> str:
        return self._send(rater, form, claim_next=False)

    def submit_and_next(self, rater: Member, form: Form) -> str:
        return self._send(rater, form, claim_next=True)

    def _send(self, rater: Member, form: Form, claim_next: bool) -> str:
        sent = {"submission_id": str(form.submission_id), "scores": form.scores, "claim_next": claim_next}
        answer = checked(self._post(rater, "submit", sent, key=form.key), 200)
        return str(answer.json()["outcome"])

    def _post(self, rater: Member, what: str, sent: dict[str, Any], **where: uuid.UUID) -> Any:
        address = reverse(f"api:{what}", args=[rater.project.slug, *where.values()])
        return self.client.post(address, sent, content_type="application/json", headers=self._headers(rater))

    def _headers(self, rater: Member) -> dict[str, str]:
        self.token = self.token or make_token(user=rater.user, name=str(uuid.uuid4()))
        return {"Authorization": f"Bearer {self.token}"}
