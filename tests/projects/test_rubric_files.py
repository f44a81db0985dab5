"""Rubrics in files: the presets, JSON and YAML, each error with the path of its field; and making a project."""

import json

import pytest
from django.core.management import CommandError, call_command

from projects.models import Project
from projects.rubric_files import (
    BadRubric,
    Words,
    create_rubric,
    make_project,
    parse_rubric,
    presets,
    read_rubric,
)
from tests.factories import create_user

AXIS = {"key": "quality", "label": {"ja": "質", "en": "Quality"}, "points": [{"value": 1}, {"value": 2}]}


def rubric(**changes):
    return json.dumps({"name": "test", "axes": [AXIS], **changes}).encode()


def axis(**changes):
    return rubric(axes=[{name: value for name, value in {**AXIS, **changes}.items() if value is not ...}])


def problems(content: bytes, name: str = "rubric.json") -> list[str]:
    with pytest.raises(BadRubric) as bad:
        parse_rubric(content, name=name)
    return [str(problem) for problem in bad.value.problems]


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_a_rubric_in_both_languages(name):
    spec = read_rubric(name)

    assert spec.axes
    assert spec.guidelines.ja
    assert spec.guidelines.en
    for one in spec.axes:
        assert one.label.ja, one.key
        assert one.label.en, one.key
        assert one.description.ja, one.key
        assert one.description.en, one.key


def test_the_default_preset_has_the_axes_of_llm_jp():
    spec = read_rubric("llm-jp")

    assert [one.label.ja for one in spec.axes] == ["関連性", "流暢性", "正確性", "詳細性", "総合評価"]
    assert [[point.value for point in one.points] for one in spec.axes] == [[1, 2, 3, 4, 5]] * 5
    assert presets()[0] == "llm-jp"


YAML = """
name: テスト
guidelines: {ja: 読む, en: Read}
axes:
  - key: quality
    label: {ja: 質, en: Quality}
    points:
      - {value: 2, label: {ja: 良い, en: Good}}
      - {value: 1, label: {ja: 悪い, en: Bad}}
  - key: length
    label: Length
    points: {from: 0, to: 1, step: 0.25}
    allow_na: false
  - {key: ok, kind: binary, points: [0, 1]}
"""


def test_yaml_is_read_and_points_are_put_in_order():
    spec = parse_rubric(YAML.encode(), name="rubric.yaml")
    quality, length, ok = spec.axes

    assert spec.guidelines == Words("読む", "Read")
    assert [(point.value, point.label.ja) for point in quality.points] == [(1, "悪い"), (2, "良い")]
    assert [point.value for point in length.points] == [0, 0.25, 0.5, 0.75, 1]
    assert (length.label, length.allow_na, quality.allow_na) == (Words(en="Length"), False, True)
    assert (ok.kind, ok.label) == ("binary", Words(en="ok"))


def test_the_rubric_of_the_documentation_is_one(base_dir):
    page = (base_dir / "docs" / "formats.md").read_text(encoding="utf-8")
    spec = parse_rubric(page.split("```yaml\n")[1].split("```")[0].encode(), name="formats.md")

    assert [(axis.key, axis.kind, len(axis.points)) for axis in spec.axes] == [
        ("fluency", "ordinal", 2),
        ("length", "ordinal", 101),
        ("safe", "binary", 2),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (rubric(axes=[]), "rubric.json, axes: Here should be a list that is not empty."),
        (b'{"name": "x"}', "rubric.json, axes: This field is missing."),
        (b"[1]", "rubric.json: Here should be an object with the fields: axes, guidelines, name."),
        (rubric(name=7), "rubric.json, name: Here should be text; put it in quotation marks."),
        (rubric(name="x" * 201), "rubric.json, name: This is longer than 200 characters."),
        (rubric(name="x\0"), "rubric.json, name: U+0000 cannot be stored."),
        (rubric(axis=[]), "rubric.json, axis: There is no field “axis” here; there are: axes, guidelines, name."),
        (rubric(axes=[AXIS, AXIS]), "rubric.json, axes[1].key: Two axes have the key “quality”."),
        (axis(key=...), "rubric.json, axes[0].key: This field is missing."),
        (axis(key="質"), "rubric.json, axes[0].key: A key has ASCII letters, digits, “_”, “.” and “-”, and begins with a letter."),
        (axis(kind="scale"), "rubric.json, axes[0].kind: “scale” is none of: ordinal, nominal, binary."),
        (axis(allow_na="yes"), "rubric.json, axes[0].allow_na: Here should be true or false."),
        (axis(label={"de": "x"}), "rubric.json, axes[0].label.de: There is no field “de” here; there are: en, ja."),
        (axis(points=...), "rubric.json, axes[0].points: This field is missing."),
        (axis(points=[1]), "rubric.json, axes[0].points: A scale has at least two points."),
        (axis(points=[1, 2, 1]), "rubric.json, axes[0].points[2].value: Two points have the value 1."),
        (axis(points=[{"value": "1"}, 2]), "rubric.json, axes[0].points[0].value: “1” is not a number that a scale can have."),
        (axis(points=[{"label": "x"}, 2]), "rubric.json, axes[0].points[0].value: This field is missing."),
        (axis(kind="binary", points=[1, 2, 3]), "rubric.json, axes[0].points: A yes/no axis has two points; here are 3."),
        (axis(points={"from": 1}), "rubric.json, axes[0].points.to: This field is missing."),
        (axis(points={"from": 5, "to": 1}), "rubric.json, axes[0].points: A range goes from a smaller number to a larger one in steps above 0."),
        (axis(points={"from": 0, "to": 1, "step": 0.3}), "rubric.json, axes[0].points.step: Steps of 0.3 from 0 do not end at 1."),
        (axis(points={"from": 0, "to": 1e6}), "rubric.json, axes[0].points: A scale has at most 1001 points; these would be 1000001."),
        (axis(points=[1] * 1002), "rubric.json, axes[0].points: This list is longer than 1001."),
        (b'{"name": "x",\n "axes": }', "rubric.json, line 2: This is not JSON: Expecting value"),
        (b'{"name": "x", "name": "y"}', "rubric.json: This cannot be read: “name” stands twice in an object"),
        (b"name: [", "rubric.json, line 1: This is not YAML:"),
        (b"a: &a [1]\nb: *a\n", "rubric.json, line 2: This is not YAML:"),
        (b"a: 1\na: 2\n", "rubric.json, line 2: This is not YAML: “a” stands here twice"),
        ("質".encode("cp932"), "rubric.json: This file is not in UTF-8."),
        (b"\x00", "rubric.json: This cannot be read:"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_path_of_its_field(content, sentence):
    assert any(problem.startswith(sentence) for problem in problems(content)), problems(content)


def test_everything_that_is_wrong_is_said_at_once():
    assert len(problems(axis(key="質", kind="x", points=[1]))) == 3


def test_a_name_that_is_neither_file_nor_preset_is_refused_with_the_presets():
    with pytest.raises(BadRubric, match="“nothing” is neither a file nor one of the presets: llm-jp, "):
        read_rubric("nothing")


@pytest.mark.django_db
def test_a_project_is_made_with_its_rubric(tmp_path, capsys):
    file = tmp_path / "rubric.yaml"
    file.write_text(YAML)
    user = create_user()

    call_command("make_project", "my-study", rubric=str(file), name="My study", coordinator=user.username)

    project = Project.objects.get(slug="my-study")
    version = project.current_rubric()
    quality, length, _ = version.axes.all()
    assert (
        "Project “my-study” made, with the rubric “テスト”: quality, length, ok." in capsys.readouterr().out
    )
    assert (project.name, version.number, version.name, version.guidelines_ja) == (
        "My study",
        1,
        "テスト",
        "読む",
    )
    assert [(p.value, p.rank, p.label_ja) for p in quality.points.all()] == [(1, 1, "悪い"), (2, 2, "良い")]
    assert (quality.position, length.position, length.allow_na) == (1, 2, False)
    assert [(m.user, m.pseudonym, m.is_coordinator) for m in project.members.all()] == [(user, "R001", True)]
    assert project.people_so_far == 1


@pytest.mark.django_db
def test_a_second_rubric_is_the_next_version():
    project = make_project(slug="p", spec=read_rubric("llm-jp"))

    assert create_rubric(project=project, spec=read_rubric("mt-bench")).number == 2
    assert project.current_rubric().name == "mt-bench"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"slug": "a b"}, "“a b” is no slug"),
        ({"slug": "taken"}, "There is a project “taken” already."),
        ({"slug": "new", "rubric": "nothing"}, "“nothing” is neither a file nor one of the presets"),
        ({"slug": "new", "name": "x" * 201}, "A name has at most 200 characters."),
        ({"slug": "new", "coordinator": "nobody"}, "There is no account “nobody”."),
    ],
)
def test_a_project_that_cannot_be_made_is_refused_with_the_reason(arguments, sentence):
    make_project(slug="taken", spec=read_rubric("llm-jp"))

    with pytest.raises(CommandError, match=sentence):
        call_command("make_project", arguments.pop("slug"), **arguments)
    assert Project.objects.count() == 1


@pytest.mark.django_db
def test_a_bad_file_makes_no_project_and_names_twenty_errors_at_most(tmp_path):
    file = tmp_path / "rubric.json"
    file.write_bytes(rubric(axes=[{"key": f"k{n}"} for n in range(30)]))

    with pytest.raises(CommandError) as refused:
        call_command("make_project", "new", rubric=str(file))
    assert str(refused.value).splitlines()[0] == "rubric.json, axes[0].points: This field is missing."
    assert str(refused.value).splitlines()[-1] == "… and 10 more."
    assert not Project.objects.exists()
