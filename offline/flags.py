"""What flags may say. What they may not is refused before anything is begun."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any


def shard_of(text: str) -> tuple[int, int]:
    try:
        k, n = (int(part) for part in text.split("/"))
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is not like 3/16") from None
    if not 1 <= k <= n:
        raise ArgumentTypeError(f"“{text}”: the first number counts from 1 to the second")
    return k, n


def from_zero(text: str) -> int:
    return _whole(text, least=0)


def from_one(text: str) -> int:
    return _whole(text, least=1)


def _whole(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ArgumentTypeError(f"“{text}” is not a whole number from {least}")
    return int(text)


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ArgumentTypeError(f"“{text}” is not a number of seconds")
    return found


def json_object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise ArgumentTypeError(f'“{text}” is not an object, as {{"tensor_parallel_size": 4}}')
    return said
