"""What every request passes besides Django's own middleware. No queries here: the rating loop runs through it."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from config.log import request_id

GetResponse = Callable[[HttpRequest], HttpResponse]
ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
DAY = 24 * 60 * 60


def name_request(get_response: GetResponse) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request a name that its log lines and its response carry; a proxy in front may choose it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        name = given if ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(name)
        try:
            response = get_response(request)
        finally:
            request_id.reset(token)
        response.headers["X-Request-ID"] = name
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response

    return middleware


def know_person(get_response: GetResponse) -> Callable[[HttpRequest], HttpResponse]:
    """Speak the language of the person's own choice, and let a session in use not run out.

    The session is written once a day, not with each request.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            language = request.user.language
            if language and language != translation.get_language():
                translation.activate(language)
                request.LANGUAGE_CODE = language
            today = int(time.time()) // DAY
            if request.session.get("day") != today:
                request.session["day"] = today
        return get_response(request)

    return middleware
