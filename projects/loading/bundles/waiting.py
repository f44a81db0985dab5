"""Conversations whose answers have not all been read yet."""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from dataclasses import dataclass, field

from projects.loading.bundles.kinds import Asked
from projects.loading.bundles.records import AnsweredRecord


class Numbers:
    """A set of whole numbers from 0 on, one bit each: there may be millions."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._n = 0

    def add(self, number: int) -> None:
        if number not in self:
            missing = (number >> 3) + 1 - len(self._bits)
            if missing > 0:
                self._bits.extend(bytes(max(missing, 1 << 12)))
            self._bits[number >> 3] |= 1 << (number & 7)
            self._n += 1

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (number & 7) & 1)

    def __len__(self) -> int:
        return self._n

    def bits(self, most: int) -> bytes:
        """As get_bit() of PostgreSQL reads them, for numbers up to `most`.

        >>> some = Numbers()
        >>> some.add(9)
        >>> some.bits(10)[:2]
        b'\\x00\\x02'
        """
        return bytes(self._bits).ljust((most >> 3) + 1, b"\x00")


@dataclass(slots=True)
class Conversation:
    n: int
    asked: Asked
    #: By turn the answer that counts so far.
    answers: dict[int, AnsweredRecord] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        answers = self.answers
        return all(turn in answers and answers[turn].settled for turn in self.asked.turns)


class Waiting:
    def __init__(self) -> None:
        self._by_item: dict[str, Conversation] = {}
        #: Characters, about.
        self.size = 0

    @property
    def items(self) -> KeysView[str]:
        return self._by_item.keys()

    def of(self, item: str) -> Conversation | None:
        return self._by_item.get(item)

    def add(self, n: int, asked: Asked, record: AnsweredRecord) -> dict[int, AnsweredRecord] | None:
        """Keep it, if it counts; answers all answers of its conversation, once they are there.

        Success beats error, and of two successes the earlier counts.
        """
        conversation = self._by_item.get(record.item)
        if conversation is None:
            conversation = self._by_item[record.item] = Conversation(n, asked)
        answers = conversation.answers
        known = answers.get(record.turn)
        if known is None or (record.settled, record.final) > (known.settled, known.final):
            answers[record.turn] = record
            self.size += _size(record) - (_size(known) if known else 0)
        if not conversation.is_whole:
            return None
        self.taken(record.item)
        return answers

    def taken(self, item: str) -> list[AnsweredRecord]:
        """The answers of one conversation, which are then forgotten here."""
        conversation = self._by_item.pop(item, None)
        records = list(conversation.answers.values()) if conversation else []
        self.size -= sum(map(_size, records))
        return records

    def all_taken(self) -> Iterator[tuple[int, list[AnsweredRecord]]]:
        while self._by_item:
            item, conversation = next(iter(self._by_item.items()))
            yield conversation.n, self.taken(item)


def _size(record: AnsweredRecord) -> int:
    return 1000 + len(record.content)  # with how it was made
