"""Questions with options: reading the chosen letter."""

import pytest

from offline.multiple_choice import NoSuchOption, chosen, instruction, lettered, mark, right_letter


@pytest.mark.parametrize(
    ("text", "letter", "rule"),
    [
        ("Let me see. The answer is (C).", "C", "answer is"),
        ("the answer is C", "C", "answer is"),
        ("The answer is **(D)**", "D", "answer is"),
        ("First I thought the answer is (A). In the end the answer is (B).", "A", "answer is"),
        ("The answer is (Ｂ)。", "B", "answer is"),
        ("したがって、答えはBです。", "B", "answer is"),
        ("正解は「Ｃ」です。", "C", "answer is"),
        ("Answer: D", "D", "answer:"),
        ("**Answer**: (D)", "D", "answer:"),
        ("answer: A\n\nNo, wait.\nanswer: B", "B", "answer:"),
        ("答え：B", "B", "answer:"),
        ("A is wrong, and so is C. It must be B!", "B", "last letter"),
        ("B", "B", "last letter"),
        ("(B) 東京", "B", "last letter"),
    ],
)
def test_the_letter_is_read_by_the_first_rule_that_fits(text, letter, rule):
    found = chosen(text, 4)
    assert (found.letter, found.rule) == (letter, rule)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I don't know.",
        "The answer is Because",
        "Dogs And Cats",
        "The answer is (E).",
        "B2 or not B2",
        "A cat.",
    ],
)
def test_nothing_is_guessed(text):
    assert chosen(text, 4) is None


def test_a_pronoun_is_no_choice_among_ten_options():
    assert chosen("(B), I think", 10).letter == "B"
    assert chosen("It is I", 10).letter == "I"


def test_a_letter_counts_only_where_the_question_has_so_many_options():
    assert chosen("The answer is (J).", 10).letter == "J"
    assert chosen("The answer is (J).", 4) is None


def test_the_right_answer_is_a_letter_or_the_words_of_an_option():
    options = ["3", "4", "B", "five"]
    assert right_letter(options, "b") == "B"
    assert right_letter(options, "(D)") == "D"
    assert right_letter(options, "4") == "B"
    assert right_letter(options, " five ") == "D"


@pytest.mark.parametrize(
    ("options", "answer"), [(["x", "y"], "C"), (["x", "y"], "1"), (["x", "x"], "x"), ([], "A")]
)
def test_an_answer_that_is_no_option_is_named(options, answer):
    with pytest.raises(NoSuchOption, match=answer):
        right_letter(options, answer)


def test_an_answer_is_right_wrong_or_unread():
    options = ["red", "green"]
    assert mark("The answer is (B)", options, "green").correct is True
    assert mark("The answer is (A)", options, "green").correct is False
    assert mark("…", options, "B").correct is None


def test_what_is_asked_for_is_what_is_read():
    for language in ("en", "ja"):
        for step_by_step in (False, True):
            asked = instruction(step_by_step=step_by_step, language=language)
            assert "The answer is (X)" in asked


def test_there_are_no_more_options_than_letters():
    assert lettered([str(n) for n in range(26)]).endswith("Z. 25")
    with pytest.raises(NoSuchOption, match="27"):
        lettered(["x"] * 27)
