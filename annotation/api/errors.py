"""What stands in the way, as an answer of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    HandingOutError,
    InvalidScores,
    NotARater,
    ReasonMissing,
    SeatNotFound,
    SubmissionIdTaken,
)

_STATUS: dict[type[HandingOutError], int] = {
    NotARater: 403,
    SeatNotFound: 404,
    AnotherSeatIsOpen: 409,
    BatchIsNotOpen: 409,
    SubmissionIdTaken: 409,
    ReasonMissing: 400,
}


def explained(error: Exception, context: dict[str, Any]) -> Response | None:
    """Errors of the services in the words that pages show, with a status that a program understands."""
    if isinstance(
        error, RecursionError
    ):  # JSON of brackets in brackets in brackets, which the parser stumbles over
        error = exceptions.ParseError()
    elif isinstance(error, InvalidScores):
        said = {axis: [words] for axis, words in error.messages().items()}
        error = exceptions.ValidationError({"scores": said})
    elif isinstance(error, HandingOutError):
        refused = exceptions.APIException(str(error))
        refused.status_code = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
        error = refused
    return exception_handler(error, context)
