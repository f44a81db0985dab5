"""Why nothing was prepared."""

from __future__ import annotations


class NotPrepared(Exception):
    """What is wrong with what was asked for; `field` names the option or field of a form, where it is one's fault."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
