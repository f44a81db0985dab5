"""From the database to figures about raters: the same as from arrays, and only ratings that count."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from annotation.models import Assignment, Score
from annotation.raters import as_json, as_text, raters
from projects.models import Item, Member
from stats.estimate import Estimate, Reason, Undefined
from stats.raters import Flag, Sheet, rater_panel
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
)

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 11, 1, 9, tzinfo=UTC)
AXES = ("relevance", "fluency")


def submit(batch, rows, axes=AXES):
    """Seats that are submitted: `rows` of (item, member, values by axis with None for "cannot judge", extra fields)."""
    questions = {axis.key: axis for axis in batch.rubric.axes.all()}
    seats = Assignment.objects.bulk_create(
        Assignment(
            **{
                "batch": batch,
                "item": item,
                "seat": member.pk,
                "rater": member,
                "origin": "loaded",
                "state": "submitted",
                "purpose": batch.purpose,
                **fields,
            }
        )
        for item, member, _values, fields in rows
    )
    Score.objects.bulk_create(
        Score(
            assignment=seat,
            axis=questions[key],
            value=value,
            na_reason="unsure" if value is None else None,
        )
        for seat, (_item, _member, values, _fields) in zip(seats, rows, strict=True)
        for key, value in zip(axes, values, strict=False)
    )
    return seats


def create_study(*, prompts=8, models=3, people=4, seed=0, purpose="main", **member):
    """A loaded batch with two raters an item; with it a sheet of the same from arrays."""
    project = create_project(axes=AXES)
    systems = [create_model(project) for _ in range(models)]
    members = [create_member(project, login=False, **member) for _ in range(people)]
    rng = np.random.default_rng(seed)
    rows, columns = [], []
    for prompt in range(prompts):
        asked = create_prompt(project)
        for model, system in enumerate(systems):
            text = "あ" * int(rng.integers(5, 400))
            item = create_response(project, prompt=asked, model=system, turns=[text]).items.get()
            good = rng.integers(1, 6)
            for who in rng.choice(people, 2, replace=False):
                values = [float(np.clip(good + rng.integers(-1, 2), 1, 5)) for _axis in AXES]
                if rng.random() < 0.2:
                    values[1] = None
                at, seconds = BEGIN + timedelta(seconds=int(rng.integers(10**6))), float(rng.integers(5, 90))
                rows.append((item, members[who], values, {"submitted_at": at, "seconds": seconds}))
                columns.append(
                    (prompt * models + model, who, values, prompt, model, at.timestamp(), seconds, len(text))
                )
    batch = create_batch(project, items=[], filling="loaded", purpose=purpose)
    submit(batch, rows)
    item, rater, values, prompt, model, at, seconds, characters = zip(*columns, strict=True)
    sheet = Sheet.of(
        item=item,
        rater=rater,
        score=[[np.nan if v is None else v for v in row] for row in values],
        na=[[v is None for v in row] for row in values],
        prompt=prompt,
        model=model,
        order=at,
        seconds=seconds,
        characters=characters,
    )
    return project, batch, sheet


def assert_same(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, Undefined):
        assert ours == theirs
        return
    assert (ours.n, ours.units, ours.no_interval) == (theirs.n, theirs.units, theirs.no_interval)
    ends = [(one.value, one.low or 0, one.high or 0) for one in (ours, theirs)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-9)


def test_figures_from_the_database_are_those_from_arrays():
    project, batch, sheet = create_study()
    expected = rater_panel(sheet)
    for found in (raters(project=project), raters(project=project, batch=batch)):
        assert [one.axis.key for one in found.axes] == list(AXES)
        assert found.pseudonyms == ["R001", "R002", "R003", "R004"]
        assert len(found.panel.raters) == 4
        for ours, theirs in zip(found.panel.raters, expected.raters, strict=True):
            assert ours.n == theirs.n
            for name in ("equal_axes", "halo", "seconds", "pace", "below_floor"):
                assert_same(getattr(ours, name), getattr(theirs, name))
            for a, b in zip(ours.axes, theirs.axes, strict=True):
                assert (a.n, a.n_shared, a.n_na) == (b.n, b.n_shared, b.n_na)
                for name in (
                    "severity",
                    "pearson",
                    "spearman",
                    "residual_sd",
                    "entropy",
                    "longest_run",
                    "drift",
                ):
                    assert_same(getattr(a, name), getattr(b, name))
        for ours, theirs in zip(found.panel.axes, expected.axes, strict=True):
            for a, b in zip(ours.means.adjusted, theirs.means.adjusted, strict=True):
                assert_same(a, b)
        assert found.panel.health == expected.health


def test_ratings_that_are_not_of_the_design_are_not_counted():
    project, batch, _sheet = create_study()
    before = raters(project=project).panel
    extra = create_batch(project, items=[], filling="loaded", purpose="extra")
    item = Item.objects.filter(project=project).first()
    newcomer = create_member(project, login=False)
    submit(extra, [(item, newcomer, [1, 1], {})])
    Assignment.objects.create(
        batch=batch, item=item, seat=999, rater=create_member(project, login=False), state="planned"
    )
    after = raters(project=project).panel
    assert [one.n for one in after.raters] == [one.n for one in before.raters]
    found = raters(project=project, batch=extra)
    assert found.does_not_count
    assert found.panel == Undefined(Reason.NO_SCORES)


def test_a_calibration_batch_counts_when_it_is_named():
    project, batch, _sheet = create_study(purpose="calibration")
    assert raters(project=project).panel == Undefined(Reason.NO_SCORES)
    assert len(raters(project=project, batch=batch).panel.raters) == 4


def test_positions_in_a_list_are_refused():
    project, _batch, _sheet = create_study(kind="position")
    found = raters(project=project)
    assert found.panel == Undefined(Reason.ANONYMOUS, 24)
    assert as_json(found)["reason"] == "anonymous"
    assert "positions in a list" in as_text(found)


def test_a_project_without_batches_has_nothing_to_say():
    found = raters(project=create_project())
    assert found.panel == Undefined(Reason.NO_SCORES)
    assert "no scores yet" in as_text(found)


def test_repeats_a_day_apart_tell_how_stable_somebody_is():
    project, batch, _sheet = create_study(prompts=10)
    who = Member.objects.get(project=project, pseudonym="R001")
    firsts = list(batch.assignments.filter(rater=who).prefetch_related("scores").order_by("pk"))
    again = create_batch(project, items=[], filling="loaded", purpose="repeat")
    rows = []
    for place, first in enumerate(firsts):
        values = list(first.scores.order_by("axis__position").values_list("value", flat=True))
        later = first.submitted_at + timedelta(days=2) if place else first.submitted_at + timedelta(hours=1)
        rows.append((first.item, who, values, {"occasion": 2, "submitted_at": later}))
    submit(again, rows)
    found = raters(project=project).panel
    retest = found.raters[0].axes[0].retest
    assert isinstance(retest, Estimate)
    assert (retest.value, retest.n) == (1.0, len(firsts) - 1)  # one came too soon
    assert found.raters[1].axes[0].retest == Undefined(Reason.NO_DATA)
    assert found.raters[0].n == len(firsts)  # repeats are no ratings of the design
    assert raters(project=project, batch=batch).panel.raters[0].axes[0].retest.n == len(firsts) - 1


def test_rubric_versions_with_the_same_axis_are_counted_together():
    project, batch, _sheet = create_study()
    create_rubric(project, axes=["fluency", "detail"])
    second = create_batch(project, items=[], filling="loaded")
    item = create_response(project).items.get()
    one, other = Member.objects.filter(project=project).order_by("pk")[:2]
    submit(second, [(item, one, [1, 2], {}), (item, other, [5, 4], {})], axes=["fluency", "detail"])
    found = raters(project=project)
    assert [(of.axis.key, of.versions) for of in found.axes] == [
        ("fluency", (1, 2)),
        ("detail", (2,)),
        ("relevance", (1,)),
    ]
    before = raters(project=project, batch=batch)
    assert found.panel.axes[0].n == before.panel.axes[1].n + 2
    assert found.panel.axes[1].n == 2


def test_pairs_of_responses_are_left_out():
    project, batch, sheet = create_study()
    items = list(Item.objects.filter(project=project, second_response=None)[:2])
    pair = Item.objects.create(
        project=project,
        prompt=items[0].prompt,
        response=items[0].response,
        second_response=items[1].response,
    )
    who = Member.objects.filter(project=project).first()
    submit(batch, [(pair, who, [3, 3], {})])
    assert sum(one.n for one in raters(project=project).panel.raters) == sheet.rater.size


def test_a_straight_liner_is_named_with_reasons():
    project, _batch, _sheet = create_study(prompts=30, people=5)
    liner = Member.objects.get(project=project, pseudonym="R005")
    Score.objects.filter(assignment__rater=liner).update(value=4, na_reason=None)
    found = raters(project=project)
    flags = {raised.flag for raised in found.panel.raters[4].flags}
    assert {Flag.FEW_POINTS, Flag.EQUAL_AXES} <= flags
    assert as_json(found)["in_doubt"] == ["R005"]
    text = as_text(found)
    assert "Whom to look at\n  R005\n" in text
    assert "nearly always the same score on all axes: 100 %" in text
    with translation.override("ja"):
        japanese = as_text(found)
    assert "確認したい評価者\n  R005\n" in japanese
    assert "ほぼ毎回、全軸に同じ評点: 100 %" in japanese


def test_the_command_prints_text_and_json():
    project, batch, _sheet = create_study()
    out = StringIO()
    call_command("raters", project.slug, batch=batch.name, json=True, stdout=out)
    found = json.loads(out.getvalue())
    assert (found["project"], found["batch"], found["purpose"]) == (project.slug, batch.name, "main")
    assert [axis["axis"] for axis in found["axes"]] == list(AXES)
    assert [one["rater"] for one in found["raters"]] == ["R001", "R002", "R003", "R004"]
    assert set(found["raters"][0]["axes"][0]["severity"]) >= {
        "value",
        "low",
        "high",
        "method",
        "level",
        "n",
        "units",
    }
    assert found["axes"][0]["models"][0]["model"].startswith("model-")
    reliable = found["axes"][0]["system_reliability"]
    assert set(reliable) == {"n_models", "n_prompts", "n_items", "splits", "halves", "stepped_up"}
    halves, whole = (reliable[name]["value"] for name in ("halves", "stepped_up"))
    assert (halves is None) == (whole is None)
    if halves is not None:
        assert whole == pytest.approx(2 * halves / (1 + halves))
    assert found["design"]["components"] == 1
    out = StringIO()
    call_command("raters", project.slug, stdout=out)
    text = out.getvalue()
    assert text.startswith(f"Raters of {project.slug}, all batches\n4 raters · ")
    assert "R003" in text
    assert "nan" not in text
    assert "Reliability of the models' means: " in text
    assert "What these numbers mean, and when not to trust them" in text


def test_a_letter_stands_for_the_same_reason_below_every_table():
    project, _batch, _sheet = create_study(prompts=4)
    Score.objects.filter(assignment__rater__pseudonym="R001", axis__key="relevance").update(
        value=None, na_reason="unsure"
    )
    text = as_text(raters(project=project))
    tables = [
        re.findall(r"^    ([a-z]): (.+)$", block, re.MULTILINE)
        for block in re.split(r"^(?=\S)|^  (?=Means of models)", text, flags=re.MULTILINE)
    ]
    tables = [table for table in tables if table]
    assert tables[0][0] != tables[1][0], "the tables begin with different reasons"
    reasons = {reason for table in tables for _letter, reason in table}
    assert len({pair for table in tables for pair in table}) == len(reasons) > 2
    for table in tables:
        assert table == sorted(table)


def test_what_is_the_same_is_said_once():
    """Two raters of everything have the same number of items; two models have no reliability, and so no halves of it."""
    project, _batch, _sheet = create_study(people=2, models=2)
    text = as_text(raters(project=project))
    assert "\n2 raters · 16 items each\n" in text
    assert "Reliability of the models' means: undefined: too little data for this figure\n" in text
    with translation.override("ja"):
        assert "1 人あたり 16 件\n" in as_text(raters(project=project))


def test_no_user_and_no_name_of_a_file_is_printed():
    project, _batch, _sheet = create_study()
    Member.objects.filter(project=project, pseudonym="R001").update(external_name="Yamada Taro")
    found = raters(project=project)
    for text in (as_text(found), json.dumps(as_json(found))):
        assert "Yamada" not in text
        assert "R001" in text


def test_the_command_names_what_it_does_not_know():
    project, batch, _sheet = create_study(prompts=1)
    with pytest.raises(CommandError, match="There is no project “nowhere”"):
        call_command("raters", "nowhere")
    with pytest.raises(CommandError, match=f"it has “{batch.name}”"):
        call_command("raters", project.slug, batch="other")
    with pytest.raises(CommandError, match="--level"):
        call_command("raters", project.slug, level=1.0)
    with pytest.raises(CommandError, match="--reading-speed"):
        call_command("raters", project.slug, reading_speed=0.0)


def test_more_ratings_take_no_more_queries(django_assert_max_num_queries):
    project, _batch, _sheet = create_study(prompts=20)
    with django_assert_max_num_queries(12):
        raters(project=project)
