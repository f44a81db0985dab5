"""Preparing bundles in the browser."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import request_finished
from django.db import close_old_connections
from django.urls import reverse

from exports.bundles.forms import JudgingForm
from offline.bundle import Manifest, read_items
from projects.bundles import archive as archives
from projects.bundles.forms import GenerationForm
from projects.models import Project, User
from projects.rubric_files import make_project, read_rubric
from tests.factories import create_member, create_model, create_prompt, create_response, create_user

pytestmark = pytest.mark.django_db

GENERATION, JUDGING = "projects:prepare_generation", "exports:prepare_judging"


@pytest.fixture
def project():
    project = make_project(slug="study", spec=read_rubric("llm-jp"))
    for key in ("a", "b"):
        prompt = create_prompt(project, key=key, source="demo", tags=["ja"])
        for name in ("Sakura-13B", "Momo-7B"):
            model = project.language_models.filter(name=name).first() or create_model(project, name)
            create_response(project, prompt=prompt, model=model)
    return project


@pytest.fixture
def researcher(project, client):
    member = create_member(project, is_researcher=True)
    client.force_login(member.user)
    return member


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Where temporary files go."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def address(name):
    return reverse(name, args=["study"])


def said(client, page, /, **fields):
    """The form as the page shows it, filled in."""
    project, reader = Project.objects.get(), User.objects.get(pk=client.session["_auth_user_id"])
    form = (
        GenerationForm(project=project) if page == GENERATION else JudgingForm(project=project, reader=reader)
    )
    shown = {field.html_name: field.value() for field in form if field.value() not in (None, "", [])}
    return {name: value for name, value in (shown | fields).items() if value is not None}


def bundle(response, folder: Path):
    assert response.status_code == 200, response.context["form"].errors
    packed = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert packed.testzip() is None
    packed.extractall(folder)
    (inside,) = folder.iterdir()
    return Manifest.read(inside), list(read_items(inside))


def test_a_generation_is_downloaded_whole(client, researcher, tmp_path, places):
    response = client.post(
        address(GENERATION),
        said(
            client, GENERATION, name="org/モデル 1", temperature="0.7", stop="###\n終", engine="max_model_len=8192",
            chat_template_kwargs='{"enable_thinking": false}', samples="2", system="丁寧に。", sources=["demo"],
            more_sampling="min_tokens=16", leave_out="top_k, min_p",
        ),
    )  # fmt: skip
    assert response["Content-Type"] == "application/zip"
    assert "attachment" in response["Content-Disposition"]
    assert "study_org-" in response["Content-Disposition"]
    manifest, items = bundle(response, tmp_path / "out")
    assert (manifest.model["name"], manifest.n_items) == ("org/モデル 1", 4)
    assert manifest.model["unsupported"] == ["min_p", "top_k"]
    assert (manifest.sampling["temperature"], manifest.sampling["max_tokens"]) == (0.7, 2048)
    assert (manifest.sampling["stop"], manifest.sampling["min_tokens"]) == (["###", "終"], 16)
    assert manifest.engine == {"max_model_len": 8192}
    assert manifest.chat_template_kwargs == {"enable_thinking": False}
    assert {item.system for item in items} == {"丁寧に。"}
    assert list(places.iterdir()) == []


def test_the_page_and_the_command_make_the_same_items(client, researcher, tmp_path, prepare):
    _, by_page = bundle(
        client.post(address(GENERATION), said(client, GENERATION, name="m")), tmp_path / "out"
    )
    _, by_command = prepare("prepare_generation", "study", "--model", "m")
    assert by_page == by_command
    judged = said(client, JUDGING, name="j", preset="five-axes-json", everything="on")
    _, by_page = bundle(client.post(address(JUDGING), judged), tmp_path / "judged")
    _, by_command = prepare(
        "prepare_judging", "study", "--judge", "j", "--preset", "five-axes-json", "--all", out="judging"
    )
    assert by_page == by_command


def test_variants_are_uploaded_as_files(client, researcher, tmp_path):
    files = [SimpleUploadedFile(f"{name}.txt", f"{name}: {{prompt}}\n".encode()) for name in ("kind", "curt")]
    response = client.post(address(GENERATION), said(client, GENERATION, name="m", variants=files))
    manifest, items = bundle(response, tmp_path / "out")
    assert manifest.variants == ["curt", "kind"]
    assert items[0].turns[0]["content"].startswith("kind: ")
    bad = [SimpleUploadedFile("v.txt", b"\xff\xfe{prompt}")]
    response = client.post(address(GENERATION), said(client, GENERATION, name="m", variants=bad))
    assert response.status_code == 422
    assert "is not UTF-8" in response.content.decode()


def test_a_judging_in_pairs_is_downloaded(client, researcher, tmp_path):
    fields = said(
        client, JUDGING, name="j", preset="mt-bench-pair", baseline="Momo-7B", everything="on", repeats="2"
    )
    manifest, items = bundle(client.post(address(JUDGING), fields), tmp_path / "out")
    assert manifest.judge["preset"] == "mt-bench-pair"
    assert {(item.model, item.other, item.order) for item in items} == {
        ("Sakura-13B", "Momo-7B", "ab"), ("Sakura-13B", "Momo-7B", "ba"),
    }  # fmt: skip
    assert len(items) == 2 * 2 * 2


def test_batch_files_and_settings_of_a_category_are_made_as_by_the_command(
    client, researcher, project, tmp_path
):
    project.prompts.filter(key="a").update(category="math")
    response = client.post(
        address(GENERATION),
        said(client, GENERATION, name="m", shards="2", in_category="math: temperature=0\nmath:top_p=0.5"),
    )
    _, items = bundle(response, tmp_path / "out")
    assert [item.params for item in items] == [{"temperature": 0.0, "top_p": 0.5}, {}]
    (inside,) = (tmp_path / "out").iterdir()
    assert {path.name for path in inside.iterdir()} >= {"requests-1-of-2.jsonl", "requests-2-of-2.jsonl"}


def test_what_the_chosen_preset_has_no_use_for_does_not_count(client, researcher, project, tmp_path):
    """The page hides it, so that nobody would know what is wrong."""
    useless = {"baseline": "Momo-7B", "order": "ba", "everything": "on"}
    fields = said(client, JUDGING, name="j", preset="five-axes-json", **useless)
    _, items = bundle(client.post(address(JUDGING), fields), tmp_path / "single")
    assert {(item.model, item.other, item.order) for item in items} == {
        ("Sakura-13B", None, ""),
        ("Momo-7B", None, ""),
    }

    fields = said(
        client, JUDGING, name="j", preset="checklist-builder", project_axes="on", repeats="3", **useless
    )
    _, items = bundle(client.post(address(JUDGING), fields), tmp_path / "checklists")
    assert [(item.prompt_id, item.repeat) for item in items] == [("a", 0), ("b", 0)]


def test_each_preset_says_which_fields_belong_to_it(client, researcher):
    page = client.get(address(JUDGING)).content.decode()
    assert '<option value="mt-bench-pair-reference" data-has="pair responses needs">' in page
    assert '<option value="five-axes-json" selected data-has="score responses axes">' in page
    assert '<option value="checklist-builder" data-has="checklist">' in page


@pytest.mark.parametrize(
    ("name", "fields", "field", "text"),
    [
        (GENERATION, {"name": ""}, "name", "required"),
        (GENERATION, {"temperature": "-1"}, "temperature", "greater than or equal to 0"),
        (GENERATION, {"top_p": "0"}, "top_p", "no number above 0"),
        (GENERATION, {"more_sampling": "heat=1"}, "more_sampling", "there is no such sampling field"),
        (
            GENERATION,
            {"more_sampling": "logprobs=abc"},
            "more_sampling",
            "logprobs: “abc” is not true or false.",
        ),
        (
            GENERATION,
            {"more_sampling": "stop_token_ids=[true]"},
            "more_sampling",
            "is not a list of whole numbers",
        ),
        (GENERATION, {"more_sampling": "logit_bias=[1]"}, "more_sampling", "is not an object, such as {}."),
        (GENERATION, {"more_sampling": "reasoning_effort=5"}, "more_sampling", "is not a word, such as low."),
        (GENERATION, {"more_sampling": "top_k=1"}, "more_sampling", "has a field of its own"),
        (GENERATION, {"more_sampling": "min_tokens"}, "more_sampling", "should be KEY=VALUE"),
        (GENERATION, {"leave_out": "heat"}, "leave_out", "there is no such sampling field"),
        (GENERATION, {"engine": "dtype"}, "engine", "should be KEY=VALUE"),
        (GENERATION, {"chat_template_kwargs": "[1]"}, "chat_template_kwargs", "should be an object"),
        (GENERATION, {"keys": "z"}, "keys", "There is no prompt “z”"),
        (GENERATION, {"in_category": "math=1"}, "in_category", "should be CATEGORY:FIELD=VALUE"),
        (GENERATION, {"in_category": "math:heat=1"}, "in_category", "there is no such sampling field"),
        (
            GENERATION,
            {"in_category": "nowhere:top_k=1"},
            "in_category",
            "No prompt here has the category “nowhere”",
        ),
        (GENERATION, {"shards": "0"}, "shards", "greater than or equal to 1"),
        (GENERATION, {"sources": ["elsewhere"]}, "sources", "not one of the available choices"),
        (GENERATION, {"system": "\0"}, "system", "Null characters are not allowed"),
        (JUDGING, {"preset": "../../etc/passwd.toml"}, "preset", "not one of the available choices"),
        (JUDGING, {"preset": "mt-bench-single"}, "preset", "overall (the judge gives 1 to 10"),
        (JUDGING, {"preset": "mt-bench-pair"}, "baseline", "name the model to compare with"),
        (JUDGING, {"axes": "a=b"}, "axes", "has no axis a"),
        (JUDGING, {"everything": None}, None, "has been rated yet"),
        (JUDGING, {"more_sampling": "response_format={}"}, "more_sampling", "the preset says what form"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client, researcher, places, name, fields, field, text):
    good = (
        {"name": "m"} if name == GENERATION else {"name": "j", "preset": "five-axes-json", "everything": "on"}
    )
    response = client.post(address(name), said(client, name, **(good | fields)))
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert list(errors) == [field or "__all__"]
    assert text in " ".join(errors[field or "__all__"])
    assert list(places.iterdir()) == []


def test_more_than_a_page_should_prepare_is_refused(client, researcher, monkeypatch):
    monkeypatch.setattr(archives, "MOST_ITEMS", 3)
    response = client.post(address(GENERATION), said(client, GENERATION, name="m", samples="2"))
    assert response.status_code == 422
    assert "This would be 4 items, and a page prepares up to 3" in response.content.decode()
    assert client.post(address(GENERATION), said(client, GENERATION, name="m")).status_code == 200


@pytest.mark.parametrize("name", [GENERATION, JUDGING])
def test_raters_and_strangers_find_no_such_page(client, project, name):
    for user in (create_member(project).user, create_user()):
        client.force_login(user)
        assert client.get(address(name)).status_code == 404
        assert client.post(address(name), {"name": "m"}).status_code == 404
    client.logout()
    assert client.post(address(name), {"name": "m"}).status_code == 302


@pytest.mark.parametrize("name", [GENERATION, JUDGING])
def test_a_coordinator_opens_the_pages_in_either_language(client, project, name):
    member = create_member(project, is_coordinator=True)
    client.force_login(member.user)
    for language in ("en", "ja"):
        type(member.user).objects.filter(pk=member.user.pk).update(language=language)
        response = client.get(address(name))
        assert response.status_code == 200
        assert f'<html lang="{language}"' in response.content.decode()


def test_a_download_that_nobody_takes_leaves_nothing_behind(client, researcher, places):
    response = client.post(address(GENERATION), said(client, GENERATION, name="m"))
    assert list(places.iterdir())
    request_finished.disconnect(close_old_connections)  # as the test client does it
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)
    assert list(places.iterdir()) == []
