"""Where in a file the line for each turn stands, for millions of turns in little memory.

A hash table in two arrays: 16 bytes a place, of which at most two thirds are taken. A `dict` of the same takes five times
as much.
"""

from __future__ import annotations

from array import array

FIRST_SIZE = 1 << 10
SPREAD = 0x9E3779B97F4A7C15


class Places:
    """From an item's key (32 hexadecimal digits) and a turn to an offset.

    64 bits tell keys apart: among a million turns, two are alike by chance once in 40 million journals. Whoever reads at the
    offset checks whose line it is.
    """

    def __init__(self) -> None:
        self._n = 0
        self._keys, self._values = _empty(FIRST_SIZE), _empty(FIRST_SIZE)

    def __len__(self) -> int:
        return self._n

    @property
    def size(self) -> int:
        """In bytes."""
        return 16 * len(self._keys)

    def get(self, item_id: str, turn: int) -> int | None:
        at = self._at(_key(item_id, turn))
        return self._values[at] - 1 if self._values[at] else None

    def add(self, item_id: str, turn: int, offset: int) -> bool:
        """Whether it was new. The first offset stays."""
        key = _key(item_id, turn)
        at = self._at(key)
        if self._values[at]:
            return False
        self._keys[at], self._values[at] = key, offset + 1
        self._n += 1
        if 3 * self._n > 2 * len(self._keys):
            self._grow()
        return True

    def _at(self, key: int) -> int:
        """Where the key is, or would be."""
        keys, values, mask = self._keys, self._values, len(self._keys) - 1
        at = key & mask
        while values[at] and keys[at] != key:
            at = (at + 1) & mask
        return at

    def _grow(self) -> None:
        old = zip(self._keys, self._values, strict=True)
        size = 2 * len(self._keys)
        self._keys, self._values = _empty(size), _empty(size)
        for key, value in old:
            if value:
                at = self._at(key)
                self._keys[at], self._values[at] = key, value


def _empty(size: int) -> array[int]:
    return array("Q", bytes(8 * size))


def _key(item_id: str, turn: int) -> int:
    # The first half decides the shard, so in one shard it is not spread evenly.
    return (int(item_id[16:], 16) ^ (turn - 1) * SPREAD) & 0xFFFFFFFFFFFFFFFF
