"""Preparing what a model is asked."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from offline import generate
from offline.bundle import ITEMS, SAMPLING, read_items
from offline.journal import read_lines
from projects.bundles import Answering, Generation, prepare_generation
from projects.bundles.sampling import NAMES, NUMBERS, OTHERS
from tests.factories import create_model, create_project, create_prompt, create_response

pytestmark = pytest.mark.django_db

HOSTILE = "{prompt} {options} {0} {} %s %(key)s {{x}} \\ ${y} <|im_end|> [[5]]\r\n\t\u2028 \u202e e\u0301 🏴"
CHOICE = {"options": ["red", "{prompt}", "blue"], "answer": "A", "category": "colours"}


@pytest.fixture
def project():
    return create_project(slug="study")


def user(*texts):
    return [{"role": "user", "content": text} for text in texts]


def refused(*arguments, out):
    with pytest.raises(CommandError) as why:
        call_command("prepare_generation", *map(str, arguments), "--out", str(out))
    assert not out.exists() or not any(out.iterdir())
    assert not list(out.parent.glob(".bundle*"))
    return str(why.value)


def test_each_prompt_is_a_conversation_and_every_sampling_field_is_written_out(project, prepare):
    create_prompt(project, key="a", turns=user("一", "二"))
    create_prompt(project, key="b", turns=user("三"))
    manifest, items = prepare(
        "prepare_generation", "study", "--model", "tiny", "--model-path", "org/tiny", "--revision", "abc123",
        "--temperature", "0.7", "--max-tokens", "512", "--stop", "###", "--stop", "終", "--engine", "max_model_len=8192",
        "--engine", "dtype=bfloat16", "--chat-template-kwargs", '{"enable_thinking": false}', "--reasoning-parser", "r1",
        "--seed", "7",
    )  # fmt: skip
    assert [(item.prompt_id, item.turns) for item in items] == [("a", user("一", "二")), ("b", user("三"))]
    assert (manifest.n_items, manifest.n_turns, manifest.project) == (2, 3, "study")
    assert manifest.model == {"name": "tiny", "path": "org/tiny", "revision": "abc123"}
    changed = {"temperature": 0.7, "max_tokens": 512, "stop": ["###", "終"]}
    assert manifest.sampling == {**SAMPLING, **changed}
    assert manifest.engine == {"max_model_len": 8192, "dtype": "bfloat16"}
    assert manifest.chat_template_kwargs == {"enable_thinking": False}
    assert (manifest.reasoning_parser, manifest.seed["base"]) == ("r1", 7)


def test_preparing_again_gives_the_same_keys_and_a_changed_text_another(project, prepare):
    prompt = create_prompt(project, turns=user("一", "二"))
    create_prompt(project)
    _, first = prepare("prepare_generation", "study", "--model", "m", out="first")
    _, again = prepare("prepare_generation", "study", "--model", "m", out="again")
    assert first == again
    prompt.turns = user("一", "二。")
    prompt.save()
    _, changed = prepare("prepare_generation", "study", "--model", "m", out="changed")
    assert [a.item_id == b.item_id for a, b in zip(first, changed, strict=True)] == [False, True]
    _, warmer = prepare("prepare_generation", "study", "--model", "m", "--temperature", "0.5", out="warmer")
    assert not {item.item_id for item in again} & {item.item_id for item in warmer}


def test_samples_are_items_of_their_own(project, prepare):
    create_prompt(project)
    manifest, items = prepare("prepare_generation", "study", "--model", "m", "--samples", "3")
    assert [item.sample for item in items] == [0, 1, 2]
    assert len({item.item_id for item in items}) == 3
    assert manifest.samples == 3


def test_a_hostile_prompt_goes_through_as_it_is(project, prepare, tmp_path):
    create_prompt(project, key="h", turns=user(HOSTILE), options=["{instruction}", HOSTILE])
    template = tmp_path / "t.txt"
    template.write_text("{ {x} {prompt} | {prompt}\n{options}\n%s {{}}\n", encoding="utf-8")
    _, items = prepare("prepare_generation", "study", "--model", "m", "--variant", f"v={template}")
    options = f"A. {{instruction}}\nB. {HOSTILE}"
    assert items[0].turns[0]["content"] == f"{{ {{x}} {HOSTILE} | {HOSTILE}\n{options}\n%s {{{{}}}}"


def test_options_stand_below_the_question_with_how_to_answer(project, prepare):
    create_prompt(project, key="q", turns=user("Which is red?"), **CHOICE)
    create_prompt(project, key="free", turns=user("Write."))
    _, direct = prepare("prepare_generation", "study", "--model", "m", out="direct")
    head = "Which is red?\n\nA. red\nB. {prompt}\nC. blue\n\n"
    assert direct[0].turns[0]["content"].startswith(head + "Answer with the letter")
    assert direct[1].turns == user("Write.")
    _, steps = prepare("prepare_generation", "study", "--model", "m", "--chain-of-thought", out="steps")
    assert steps[0].turns[0]["content"].startswith(head + "Think step by step")
    assert steps[1].turns[0]["content"].startswith("Write.\n\nThink step by step")
    _, ja = prepare("prepare_generation", "study", "--model", "m", "--instructions", "ja", out="ja")
    assert ja[0].turns[0]["content"].startswith(head + "正しい選択肢")


def test_each_prompt_is_asked_in_each_variant(project, prepare, tmp_path):
    create_prompt(project, key="q", turns=user("Which?", "Why?"), **CHOICE)
    for name, text in {
        "plain": "{prompt}",
        "apart": "Q: {prompt}\nOptions:\n{options}\n{instruction}",
    }.items():
        (tmp_path / f"{name}.txt").write_text(text)
    manifest, items = prepare(
        "prepare_generation", "study", "--model", "m", "--variant", f"plain={tmp_path / 'plain.txt'}",
        f"apart={tmp_path / 'apart.txt'}",
    )  # fmt: skip
    assert manifest.variants == ["apart", "plain"]
    assert [item.variant for item in items] == ["plain", "apart"]
    assert items[0].turns == user("Which?\n\nA. red\nB. {prompt}\nC. blue", "Why?")
    assert (
        items[1]
        .turns[0]["content"]
        .startswith("Q: Which?\nOptions:\nA. red\nB. {prompt}\nC. blue\nAnswer with")
    )


def test_a_system_turn_of_the_prompt_goes_before_that_of_the_study(project, prepare, tmp_path):
    create_prompt(project, key="own", turns=[{"role": "system", "content": "Be brief."}, *user("?")])
    create_prompt(project, key="other", turns=user("?"))
    (tmp_path / "system.txt").write_text("丁寧に。\n", encoding="utf-8")
    _, items = prepare(
        "prepare_generation", "study", "--model", "m", "--system", f"@{tmp_path / 'system.txt'}"
    )
    assert [(item.prompt_id, item.system) for item in items] == [("own", "Be brief."), ("other", "丁寧に。")]


def test_turns_that_the_prompt_answers_itself_stay_and_the_open_one_is_worded(project, prepare):
    given = [*user("1+1?"), {"role": "assistant", "content": "2"}, *user("Which is red?")]
    create_prompt(project, turns=given, **CHOICE)
    manifest, items = prepare("prepare_generation", "study", "--model", "m")
    assert items[0].turns[:2] == given[:2]
    assert "A. red" in items[0].turns[2]["content"]
    assert manifest.n_turns == 1


def test_prompts_are_chosen_by_source_tag_and_id(project, prepare, tmp_path):
    create_prompt(project, key="a", source="x", tags=["t"])
    create_prompt(project, key="b", source="x")
    create_prompt(project, key="c", source="y", tags=["t", "u"])
    (tmp_path / "keys.txt").write_text("b\n\nc\n")  # c is of another source
    for arguments, keys in [
        (["--source", "x"], ["a", "b"]),
        (["--tag", "t"], ["a", "c"]),
        (["--prompts", "a", f"@{tmp_path / 'keys.txt'}", "--source", "x"], ["a", "b"]),
    ]:
        _, items = prepare(
            "prepare_generation",
            "study",
            "--model",
            "m",
            *arguments,
            out=arguments[0].strip("-") + arguments[1],
        )
        assert [item.prompt_id for item in items] == keys


def test_only_what_is_missing_is_asked_again(project, prepare, tmp_path):
    model = create_model(project, "m")
    done, half, none = (create_prompt(project, key=key) for key in ("done", "half", "none"))
    for prompt, sample in [(done, 0), (done, 1), (half, 1)]:
        create_response(project, prompt=prompt, model=model, sample=sample)
    create_response(project, prompt=none)
    _, items = prepare("prepare_generation", "study", "--model", "m", "--samples", "2", "--missing-only")
    assert [(item.prompt_id, item.sample) for item in items] == [("half", 0), ("none", 0), ("none", 1)]
    said = refused("study", "--model", "m", "--missing-only", "--prompts", "done", out=tmp_path / "b")
    assert "“m” has answered every one of these prompts already" in said


def test_it_is_known_of_every_sampling_field_what_it_may_be():
    assert NUMBERS.keys() | OTHERS.keys() >= set(NAMES) - {"stop"}


def test_a_category_may_be_sampled_otherwise(project, prepare):
    create_prompt(project, category="math")
    create_prompt(project, category="writing")
    _, items = prepare("prepare_generation", "study", "--model", "m", "--in-category", "math:temperature=0")
    assert [item.params for item in items] == [{"temperature": 0.0}, {}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--temperature", "hot"], "temperature: “hot” is no number from 0 on"),
        (["--temperature", "nan"], "temperature: “nan” is no number"),
        (["--top-p", "0"], "top_p: “0.0” is no number above 0 and up to 1"),
        (["--max-tokens", "0"], "max_tokens: “0” is no whole number from 1 on"),
        (["--max-tokens", "8", "--min-tokens", "9"], "min_tokens is more than max_tokens"),
        (["--samples", "0"], "Samples are from 1 to 10,000"),
        (["--engine", "dtype"], "“dtype” should be KEY=VALUE"),
        (["--chat-template-kwargs", "[1]"], "--chat-template-kwargs: here should be an object"),
        (["--chat-template", "nowhere.jinja"], "--chat-template: nowhere.jinja: No such file"),
        (["--source", "nowhere"], "No prompt has the source “nowhere”; there are: demo."),
        (["--tag", "t"], "No prompt has the tag “t”; there are: ja."),
        (["--prompts", "p0"], "There is no prompt “p0”; there are: p1."),
        (["--in-category", "cooking:temperature=0"], "No prompt here has the category “cooking”"),
        (["--in-category", "temperature=0"], "should be CATEGORY:FIELD=VALUE"),
        (["--in-category", "math:heat=0"], "heat: there is no such sampling field"),
        (["--leave-out", "topk"], "topk: there is no such sampling field"),
        (["--shards", "2"], "--shards is for --batch-file"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_and_nothing_is_written(project, tmp_path, arguments, said):
    create_prompt(project, key="p1", source="demo", tags=["ja"])
    assert said in refused("study", "--model", "m", *arguments, out=tmp_path / "bundle")


@pytest.mark.parametrize(
    ("template", "arguments", "said"),
    [
        ("Answer!", [], "has no {prompt}"),
        ("{prompt}", ["--chain-of-thought"], "has no {instruction}"),
        (
            "{prompt}{options}",
            [],
            "Prompt “p1”: the variant’s template has {options}, and the prompt has none.",
        ),
    ],
)
def test_a_template_that_does_not_fit_is_refused(project, tmp_path, template, arguments, said):
    create_prompt(project, key="p1")
    (tmp_path / "t.txt").write_text(template)
    said_now = refused(
        "study", "--model", "m", "--variant", f"v={tmp_path / 't.txt'}", *arguments, out=tmp_path / "bundle"
    )
    assert said in said_now


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([*user("a"), {"role": "system", "content": "s"}, *user("b")], "a system turn stands in the middle"),
        ([{"role": "assistant", "content": "a"}, *user("b")], "does not begin with the user"),
        ([*user("a"), {"role": "assistant", "content": "b"}], "every turn is answered"),
        (user(" "), "a turn is empty"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_named_and_nothing_is_written(project, tmp_path, turns, said):
    create_prompt(project, key="fine")
    create_prompt(project, key="odd", turns=turns)
    whole = refused("study", "--model", "m", out=tmp_path / "bundle")
    assert "Prompt “odd”: " in whole
    assert said in whole


def test_a_folder_with_something_in_it_is_left_alone(project, tmp_path):
    create_prompt(project)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes.txt").write_text("mine")
    with pytest.raises(CommandError, match="not empty; name another folder"):
        call_command("prepare_generation", "study", "--model", "m", "--out", str(tmp_path / "there"))
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["notes.txt"]
    with pytest.raises(CommandError, match=r"There is no project “none”\. Projects: study\."):
        call_command("prepare_generation", "none", "--model", "m", "--out", str(tmp_path / "b"))


def test_batch_files_hold_the_first_turn_of_each_conversation(project, tmp_path):
    for number in range(20):
        create_prompt(project, turns=user(f"質問 {number}", "続き"))
    said = StringIO()
    call_command(
        "prepare_generation", "study", "--model", "m", "--out", str(tmp_path / "b"), "--batch-file", "--shards", "3",
        "--leave-out", "top_k", stdout=said,
    )  # fmt: skip
    assert "first turns only" in said.getvalue()
    items = {item.item_id: item for item in read_items(tmp_path / "b")}
    lines = [
        json.loads(line)
        for k in (1, 2, 3)
        for line in (tmp_path / "b" / f"requests-{k}-of-3.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len({line["custom_id"] for line in lines}) == 20
    for line in lines:
        key, _, turn = line["custom_id"].rpartition("-")
        assert (line["method"], line["url"], turn) == ("POST", "/v1/chat/completions", "1")
        assert line["body"]["messages"] == items[key].turns[:1]
        assert (line["body"]["model"], line["body"]["temperature"]) == ("m", 1.0)
        assert "top_k" not in line["body"]
        assert 0 <= line["body"]["seed"] < 2**31


def test_a_bundle_is_answered_by_a_server(project, prepare, serve, tmp_path):
    create_prompt(project, key="a", turns=user("一", "二"))
    create_prompt(project, key="h", turns=user(HOSTILE))
    prepare("prepare_generation", "study", "--model", "tiny", "--samples", "2", "--system", "丁寧に。")
    running = serve()
    assert generate.main([str(tmp_path / "bundle"), "--base-url", running.url]) == 0
    done = [line for _, line in read_lines(tmp_path / "bundle" / "results-1-of-1.jsonl") if "content" in line]
    assert sorted((line["prompt_id"], line["turn"]) for line in done) == [
        ("a", 1), ("a", 1), ("a", 2), ("a", 2), ("h", 1), ("h", 1),
    ]  # fmt: skip
    assert {body["messages"][0]["content"] for body in running.server.asked} == {"丁寧に。"}
    assert HOSTILE in {body["messages"][-1]["content"] for body in running.server.asked}
    assert len({body["seed"] for body in running.server.asked}) == 6


def test_prompts_are_never_all_in_memory(project, tmp_path, django_assert_num_queries):
    for number in range(30):
        create_prompt(project, key=f"p{number}")
    seen = []

    def watch(_name, count, rows):
        assert count == 30
        for row in rows:
            seen.append(row.key)
            yield row

    with django_assert_num_queries(2):  # how many there are, and a cursor over them
        written = prepare_generation(
            project=project, asked=Generation(Answering("m")), folder=tmp_path / "bundle", watch=watch
        )
    assert (
        len(seen) == written.manifest.n_items == len((tmp_path / "bundle" / ITEMS).read_text().splitlines())
    )


def test_samples_of_variants_are_missed_in_the_order_in_which_they_are_numbered(project, prepare, tmp_path):
    """Responses to the second variant are numbered after those to the first, variants in the order of their names."""
    model, prompt = create_model(project, "m"), create_prompt(project)
    for sample in (0, 3):  # the first of variant a, the second of variant b
        create_response(project, prompt=prompt, model=model, sample=sample)
    files = []
    for name in ("b", "a"):
        (tmp_path / name).write_text(f"{name} {{prompt}}")
        files.append(f"{name}={tmp_path / name}")
    _, items = prepare(
        "prepare_generation", "study", "--model", "m", "--samples", "2", "--missing-only", "--variant", *files
    )
    assert {(item.variant, item.sample) for item in items} == {("a", 1), ("b", 0)}


def test_a_variant_that_would_be_taken_for_another_is_refused(project, prepare, tmp_path):
    model, prompt = create_model(project, "m"), create_prompt(project)
    for sample, name in enumerate("ac"):
        create_response(project, prompt=prompt, model=model, sample=sample, generation={"variant": name})
    for name in "abcd":
        (tmp_path / name).write_text(f"{name} {{prompt}}")

    def asked(*names):
        said = ("prepare_generation", "study", "--model", "m", "--missing-only", "--variant")
        return prepare(*said, *(f"{name}={tmp_path / name}" for name in names), out="-".join(names))

    with pytest.raises(CommandError, match="sample 1, which would be variant “b” here, is a response to “c”"):
        asked("a", "b", "c")
    assert not (tmp_path / "a-b-c").exists()
    _, items = asked("a", "c", "d")
    assert [(item.variant, item.sample) for item in items] == [("d", 0)]
