"""Questions with options: how they are asked, and how the chosen letter is read out of an answer.

The rules for reading are those of MMLU-Pro, in its order: “the answer is (X)”, then “Answer: X”, then the last letter that
stands alone. They differ from it where it would take the B of “answer is Because”, or a letter that is no option of the
question. Nothing is guessed: an answer without a letter is unread, while MMLU-Pro draws one at random.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LETTERS = string.ascii_uppercase
Language = Literal["en", "ja"]
Rule = Literal["answer is", "answer:", "last letter"]

DIRECT = {
    "en": "Answer with the letter of the right option and nothing else, in the form “The answer is (X)”.",
    "ja": "正しい選択肢の記号だけを「The answer is (X)」の形で答えてください。",
}
STEP_BY_STEP = {
    "en": "Think step by step, and finish with “The answer is (X)”, where X is the letter of the right option.",
    "ja": "順を追って考え、最後に「The answer is (X)」の形で、正しい選択肢の記号を X に入れて答えてください。",
}


class NoSuchOption(ValueError):
    """A right answer that is no option of its question."""


@dataclass(frozen=True, slots=True)
class Chosen:
    letter: str
    rule: Rule
    """Which rule found it: what only the last one finds is the least sure."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What an answer is worth. `correct` is None where no letter could be read."""

    chosen: Chosen | None
    correct: bool | None


def lettered(options: Sequence[str]) -> str:
    """The options as they are shown, a line each.

    >>> print(lettered(["yes", "no"]))
    A. yes
    B. no
    """
    if len(options) > len(LETTERS):
        raise NoSuchOption(f"{len(options)} options, and {len(LETTERS)} letters to name them")
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def instruction(*, step_by_step: bool, language: Language = "en") -> str:
    """How to answer, so that the letter can be read."""
    return (STEP_BY_STEP if step_by_step else DIRECT)[language]


def right_letter(options: Sequence[str], answer: str) -> str:
    """The letter of the right option; `answer` is that letter, or the option's words.

    A letter is taken for a letter, even where an option's words are one. Raises NoSuchOption, for a number as well:
    some count options from 0 and some from 1.
    """
    said = unicodedata.normalize("NFKC", answer).strip()
    bare = said.removeprefix("(").removesuffix(")").upper()
    if len(bare) == 1 and bare in LETTERS[: len(options)]:
        return bare
    places = [place for place, option in enumerate(options) if option.strip() == answer.strip()]
    if len(places) != 1 or places[0] >= len(LETTERS):
        what = "is several of the options" if places else "is neither the letter nor the words of an option"
        raise NoSuchOption(f"“{answer}” {what}")
    return LETTERS[places[0]]


def chosen(text: str, n_options: int) -> Chosen | None:
    """The letter that an answer gives, or None. Only letters of the question's options count.

    >>> chosen("So the answer is (C).", 4)
    Chosen(letter='C', rule='answer is')
    >>> chosen("I don't know", 4) is None
    True
    """
    text = unicodedata.normalize("NFKC", text)
    letters = f"[{LETTERS[0]}-{LETTERS[min(n_options, len(LETTERS)) - 1]}]"
    alone = rf"(?<![A-Za-z0-9_])({letters})(?![A-Za-z0-9_])"
    if found := re.search(rf"(?i:answer is|答えは|正解は)\s*[*「]*\s*\(?\s*{alone}", text):
        return Chosen(found[1], "answer is")
    if said := re.findall(rf"(?i:answer|答え|正解|解答|回答)\s*[*」]*:\s*[*「]*\s*\(?\s*{alone}", text):
        return Chosen(said[-1], "answer:")
    # “I” is also a word: as the last letter of an English sentence it is no choice.
    if said := [one[1] for one in re.finditer(alone, text) if not _is_a_word(one, text)]:
        return Chosen(said[-1], "last letter")
    return None


def _is_a_word(letter: re.Match[str], text: str) -> bool:
    """“I think”, “I’m”, “A number”: a pronoun or an article, with words after it."""
    return letter[1] in "AI" and re.match(r"['’]|[ \t]+[a-z]", text[letter.end() :]) is not None


def mark(text: str, options: Sequence[str], answer: str) -> Marked:
    """Whether an answer is right. Raises NoSuchOption where the question itself has no right answer."""
    right = right_letter(options, answer)
    found = chosen(text, len(options))
    return Marked(found, None if found is None else found.letter == right)
