"""What the environment may say: every variable, what it means, and how a wrong one is explained.

The table in README.md is made of `VARIABLES` (`python -m config.environment` prints it); a test compares the two.
"""

from __future__ import annotations

import os
import sys
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import environ

env = environ.Env()


class WrongVariable(Exception):
    """A variable that cannot be used; the message is the sentence for the person who set it."""


@dataclass(frozen=True)
class Variable:
    name: str
    default: str  # as it would be written in the environment; "" where there is none
    allowed: str  # ends the sentence "… must be …"
    read: Callable[[str], Any]
    meaning: str

    def value(self) -> Any:
        """Its value from the environment; an empty one counts as not set."""
        text = os.environ.get(self.name, "").strip() or self.default
        try:
            return self.read(text)
        except (ValueError, KeyError) as error:
            shown = "<not shown>" if self.name in SECRET else repr(text)
            raise WrongVariable(f"{self.name}={shown}: it must be {self.allowed}.") from error


def _switch(text: str) -> bool:
    words = {
        "on": True,
        "true": True,
        "yes": True,
        "1": True,
        "off": False,
        "false": False,
        "no": False,
        "0": False,
    }
    return words[text.lower()]


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return read


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _hosts(text: str) -> list[str]:
    hosts = _list(text)
    if any("/" in host or " " in host or (":" in host and not host.startswith("[")) for host in hosts):
        raise ValueError
    return hosts


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return read


def _database_url(text: str) -> str:
    if text:
        parts = urlsplit(text)
        if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
            raise ValueError
        _ = parts.port  # raises ValueError if it is no number
    return text


def _email_url(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if urlsplit(text).scheme not in {"smtp", "smtp+tls", "smtp+ssl", "consolemail", "filemail"}:
        raise ValueError
    return dict(environ.Env.email_url_config(text))


def _secret(text: str) -> str:
    if text and (len(text) < 50 or len(set(text)) < 5):
        raise ValueError
    return text


def _zone(text: str) -> str:
    zoneinfo.ZoneInfo(text)  # ZoneInfoNotFoundError is a KeyError
    return text


SECRET = {"SECRET_KEY", "DATABASE_URL", "EMAIL_URL"}
ON_OFF = "on or off"

VARIABLES = (
    Variable(
        "DATABASE_URL", "", "postgresql://user:password@host:port/name", _database_url,
        "The PostgreSQL (15 or later) that keeps the data. Without it, an embedded one under `VAR_DIR`.",
    ),
    Variable(
        "SECRET_KEY", "", "at least 50 random characters", _secret,
        "Signs sessions and links: 50 random characters or more. Required with `DATABASE_URL`, the same for every "
        "process; otherwise made once and kept in `VAR_DIR/secret_key`.",
    ),
    Variable(
        "ALLOWED_HOSTS", "localhost,127.0.0.1", "host names with commas between them, without scheme or port", _hosts,
        "The names under which people reach the site.",
    ),
    Variable(
        "HTTPS", "on", ON_OFF, _switch,
        "The site is reached by HTTPS (a proxy in front does it): plain requests are sent there, cookies never travel "
        "without it. Off for plain HTTP on your own machine.",
    ),
    Variable(
        "TRUSTED_PROXIES", "0", "a number from 0 to 5", _number(0, 5),
        "How many proxies stand in front; so many last entries of `X-Forwarded-For` are believed when log-in attempts are "
        "counted by address.",
    ),
    Variable("VAR_DIR", "var", "a folder", str, "Where the embedded database, generated files and releases are kept."),
    Variable("BIND", "127.0.0.1:8000", "an address with a port, such as 0.0.0.0:8000", str, "Where the web server listens."),
    Variable("WEB_PROCESSES", "2", "a number from 1 to 128", _number(1, 128), "Web server processes; about one per core."),
    Variable("WEB_THREADS", "4", "a number from 1 to 64", _number(1, 64), "Threads of each, with a database connection each."),
    Variable(
        "EMAIL_URL", "", "smtp+tls://user:password@host:587, smtp+ssl://…, smtp://…, filemail:///folder or consolemail://",
        _email_url, "How mail is sent. Without it none is, and passwords are reset by a link from a coordinator.",
    ),
    Variable("EMAIL_FROM", "hyotei@localhost", "an address", str, "The sender of mail."),
    Variable("TIME_ZONE", "Asia/Tokyo", "a name such as Asia/Tokyo or UTC", _zone, "The clock that people read."),
    Variable("SESSION_DAYS", "14", "a number from 1 to 365", _number(1, 365), "Days without a visit until one must log in again."),
    Variable("UPLOAD_MB", "500", "a number from 1 to 10000", _number(1, 10_000), "The largest file that may be uploaded."),
    Variable(
        "LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR", _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "How much is written to the log (standard error).",
    ),
    Variable("DEBUG", "off", ON_OFF, _switch, "Django's debug pages. Never where others can reach it."),
)  # fmt: skip
_BY_NAME = {variable.name: variable for variable in VARIABLES}


def value(name: str) -> Any:
    return _BY_NAME[name].value()


def is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def table() -> str:
    """The table for README.md."""
    rows = [f"| `{v.name}` | {f'`{v.default}`' if v.default else '–'} | {v.meaning} |" for v in VARIABLES]
    return "\n".join(["| variable | default | meaning |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
