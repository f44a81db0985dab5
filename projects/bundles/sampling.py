"""Sampling fields: what each may be. A server would take nonsense, or refuse it after hours in a queue."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from offline.bundle import MORE_SAMPLING, SAMPLING
from projects.bundles.errors import NotPrepared


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most`; `above` where `least` itself is none. `also` are values beside the range."""

    least: float
    most: float = math.inf
    whole: bool = False
    above: bool = False
    also: tuple[float, ...] = ()

    def read(self, name: str, value: Any) -> int | float:
        if isinstance(value, str):
            try:
                value = int(value) if self.whole else float(value)
            except ValueError:
                raise self._refused(name, value) from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self._refused(name, value)
        if self.whole and value != int(value):
            raise self._refused(name, value)
        low = value > self.least if self.above else value >= self.least
        if not ((low and value <= self.most) or value in self.also):
            raise self._refused(name, value)
        return int(value) if self.whole else float(value)

    def _refused(self, name: str, value: Any) -> NotPrepared:
        what = {"name": name, "value": value, "least": f"{self.least:g}", "most": f"{self.most:g}"}
        if self.most < math.inf and self.above:
            text = _("%(name)s: “%(value)s” is no number above %(least)s and up to %(most)s.") % what
        elif self.most < math.inf:
            text = _("%(name)s: “%(value)s” is no number from %(least)s to %(most)s.") % what
        elif self.whole:
            text = _("%(name)s: “%(value)s” is no whole number from %(least)s on.") % what
        elif self.above:
            text = _("%(name)s: “%(value)s” is no number above %(least)s.") % what
        else:
            text = _("%(name)s: “%(value)s” is no number from %(least)s on.") % what
        return NotPrepared(text, field=name)


NUMBERS = {
    "temperature": Number(0),
    "top_p": Number(0, 1, above=True),
    "top_k": Number(1, whole=True, also=(-1, 0)),
    "min_p": Number(0, 1),
    "max_tokens": Number(1, whole=True),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "repetition_penalty": Number(0, above=True),
    "min_tokens": Number(0, whole=True),
    "thinking_token_budget": Number(0, whole=True),
    "top_logprobs": Number(0, whole=True),
    "truncate_prompt_tokens": Number(-1, whole=True),
}


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(one) is kind for one in value)


#: Of the other fields, what they are, in the words of JSON: true or false, a list of whole numbers, and so on.
OTHERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("ignore_eos", "logprobs", "skip_special_tokens", "spaces_between_special_tokens", "include_stop_str_in_output"),
        (lambda value: isinstance(value, bool), _noop("true or false")),
    ),
    **dict.fromkeys(("stop_token_ids", "allowed_token_ids"), (_is_list_of(int), _noop("a list of whole numbers, such as [1, 2]"))),
    "bad_words": (_is_list_of(str), _noop("a list of texts, such as [\"a\"]")),
    **dict.fromkeys(
        ("logit_bias", "response_format", "structured_outputs"), (lambda value: isinstance(value, dict), _noop("an object, such as {}"))
    ),
    "reasoning_effort": (lambda value: isinstance(value, str) and bool(value.strip()), _noop("a word, such as low")),
}  # fmt: skip

NAMES = (*SAMPLING, *sorted(MORE_SAMPLING))


def read_sampling(said: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as a server takes them, from numbers, text or JSON in text. Raises NotPrepared, naming the field."""
    read: dict[str, Any] = {}
    for name, value in said.items():
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise NotPrepared(
                _("%(name)s: there is no such sampling field; there are: %(known)s.")
                % {"name": name, "known": known},
                field=name,
            )
        read[name] = _read(name, value)
    if read.get("min_tokens", 0) > read.get("max_tokens", SAMPLING["max_tokens"]):
        raise NotPrepared(_("min_tokens is more than max_tokens."), field="min_tokens")
    return read


def _read(name: str, value: Any) -> Any:
    if name in NUMBERS:
        return NUMBERS[name].read(name, value)
    if name == "stop":
        stop = [value] if isinstance(value, str) else list(value)
        if not all(isinstance(one, str) and one for one in stop):
            raise NotPrepared(_("stop: here should be texts that are not empty."), field=name)
        return stop
    read = value_of(value) if isinstance(value, str) else value
    fits, what = OTHERS[name]
    if not fits(read):
        raise NotPrepared(
            _("%(name)s: “%(value)s” is not %(what)s.") % {"name": name, "value": value, "what": _(what)},
            field=name,
        )
    return read


def value_of(text: str) -> Any:
    """JSON, or text as it stands.

    >>> value_of("0.9"), value_of("true"), value_of("bfloat16")
    (0.9, True, 'bfloat16')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def by_category(said: list[str] | tuple[str, ...], option: str) -> dict[str, dict[str, str]]:
    """Sampling fields of categories: `CATEGORY:FIELD=VALUE`. Raises NotPrepared.

    >>> by_category(["math:temperature=0", "math:top_p=0.5"], "--in-category")
    {'math': {'temperature': '0', 'top_p': '0.5'}}
    """
    found: dict[str, dict[str, str]] = {}
    for key, value in pairs(said, option).items():
        category, colon, name = key.rpartition(":")
        if not colon or not category.strip():
            raise NotPrepared(
                _("“%(said)s” should be CATEGORY:FIELD=VALUE.") % {"said": f"{key}={value}"}, field=option
            )
        found.setdefault(category.strip(), {})[name.strip()] = value
    return found


def pairs(said: list[str] | tuple[str, ...], option: str) -> dict[str, str]:
    """`KEY=VALUE` of the command line, or of lines."""
    found: dict[str, str] = {}
    for one in said:
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            raise NotPrepared(_("“%(said)s” should be KEY=VALUE.") % {"said": one}, field=option)
        if key.strip() in found:
            raise NotPrepared(_("“%(key)s” is said twice.") % {"key": key.strip()}, field=option)
        found[key.strip()] = value
    return found
