"""A prompt and a response, put together again as the conversation that they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils.safestring import SafeString

from projects.models import Item


class Turn(NamedTuple):
    role: str
    """One of user, assistant and system."""
    text: str
    by_model: bool = False
    """Whether it comes from the response that is rated, not from the prompt."""
    html: SafeString | None = None
    """The text rendered, where that was done beforehand."""


class Conversation(NamedTuple):
    earlier: list[Turn]
    question: Turn
    answer: Turn
    cut_off: bool = False
    """Whether the answer ended because it had reached its longest length."""

    @property
    def earlier_is_short(self) -> bool:
        """Whether what came before can stand unfolded without pushing the rest out of sight."""
        return sum(len(turn.text) + 40 * turn.text.count("\n") for turn in self.earlier) <= 700


def conversation(item: Item, *, html: SafeString | None = None) -> Conversation:
    """What had been said before, what was asked, and the answer that is rated: its `html`, if it is at hand."""
    talk = put_together(item.prompt.turns, item.response.turns, item.turn)
    return talk._replace(answer=talk.answer._replace(html=html), cut_off=item.turn in item.response.truncated)


def put_together(asked: Sequence[dict[str, Any]], answered: Sequence[str], turn: int) -> Conversation:
    """`answered[k]` follows the k-th user turn that the prompt itself leaves without an answer."""
    before: list[Turn] = []
    answers = 0
    for number, said in enumerate(asked):
        this = Turn(said["role"], said["content"])
        following = asked[number + 1]["role"] if number + 1 < len(asked) else None
        if this.role != "user" or following == "assistant":
            before.append(this)
            continue
        answers += 1
        text = answered[answers - 1] if answers <= len(answered) else ""
        if answers == turn:
            return Conversation(before, this, Turn("assistant", text, by_model=True))
        before += [this, Turn("assistant", text, by_model=True)]
    # The response has more turns than the prompt has questions: nothing was asked, and yet it answered.
    text = answered[turn - 1] if turn <= len(answered) else ""
    return Conversation(before, Turn("user", ""), Turn("assistant", text, by_model=True))
