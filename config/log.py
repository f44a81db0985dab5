"""One line per event on standard error, with the request it belongs to and without what people wrote."""

from __future__ import annotations

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class OneLine(logging.Formatter):
    """A traceback follows on the same line. PostgreSQL's DETAIL, which quotes rows, is left out."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        lines = super().format(record).splitlines()
        return " | ".join(line.strip() for line in lines if line and not line.startswith("DETAIL:"))


def logging_config(level: str) -> dict[str, object]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "one_line": {
                "()": OneLine,
                "datefmt": "%Y-%m-%dT%H:%M:%S%z",
                "format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one_line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django adds handlers of its own to these; ours at the root is enough.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Every command would begin with what it registers, and end with what it leaves to the worker.
            "procrastinate.blueprints": {"level": "WARNING"},
            "procrastinate.periodic": {"level": "WARNING"},
            "procrastinate.jobs": {"level": "WARNING"},
        },
    }
