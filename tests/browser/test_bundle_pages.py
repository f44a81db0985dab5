"""Bundles prepared in the browser."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from projects.rubric_files import make_project, read_rubric
from tests.browser.test_accessibility import LOOKS
from tests.factories import create_member, create_model, create_prompt, create_response


@pytest.fixture
def researcher(transactional_db):
    project = make_project(slug="study", spec=read_rubric("llm-jp"))
    prompt = create_prompt(project, source="demo", tags=["ja"])
    for name in ("Sakura-13B", "Momo-7B"):
        create_response(project, prompt=prompt, model=create_model(project, name))
    return create_member(project, is_researcher=True).user


def held(download, tmp_path: Path) -> dict[str, str]:
    """The files of a downloaded bundle."""
    download.save_as(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as packed:
        return {Path(name).name: packed.read(name).decode() for name in packed.namelist()}


@pytest.mark.parametrize("with_javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_generation_is_filled_in_mended_and_downloaded(
    browser, live_server, log_in, researcher, tmp_path, with_javascript
):
    context = browser.new_context(java_script_enabled=with_javascript)
    log_in(researcher, context)
    page = context.new_page()
    page.goto(live_server.url + reverse("projects:prompts", args=["study"]))
    page.get_by_role("link", name="Prepare a generation").click()
    page.get_by_role("textbox", name="Model", exact=True).fill("new-model")
    page.get_by_label("top_p").fill("0")
    page.get_by_role("button", name="Download the bundle").click()
    expect(page.get_by_role("alert")).to_contain_text("no number above 0 and up to 1")
    page.get_by_label("top_p").fill("0.9")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the bundle").click()
    files = held(waiting.value, tmp_path)
    manifest = json.loads(files["manifest.json"])
    assert (manifest["model"]["name"], manifest["sampling"]["top_p"]) == ("new-model", 0.9)
    assert len(files["items.jsonl"].splitlines()) == manifest["n_items"] == 1
    context.close()


def test_a_judging_is_filled_in_and_downloaded(page, live_server, log_in, researcher, console, tmp_path):
    log_in(researcher)
    page.goto(live_server.url + reverse("exports:download", args=["study"]))
    page.get_by_role("link", name="Prepare a judging").click()
    page.get_by_role("textbox", name="Judge", exact=True).fill("judge-1")
    page.get_by_label("Preset", exact=True).select_option("five-axes-json")
    page.get_by_role("button", name="Download the bundle").click()
    expect(page.get_by_role("alert")).to_contain_text("has been rated yet")
    page.get_by_label("Responses that nobody has rated, too").check()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the bundle").click()
    files = held(waiting.value, tmp_path)
    assert json.loads(files["manifest.json"])["judge"]["preset"] == "five-axes-json"
    assert len(files["items.jsonl"].splitlines()) == 2
    assert console == []


@pytest.mark.parametrize("with_javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_only_what_the_chosen_preset_has_use_for_is_shown(
    browser, live_server, log_in, researcher, with_javascript
):
    context = browser.new_context(java_script_enabled=with_javascript)
    log_in(researcher, context)
    page = context.new_page()
    page.goto(live_server.url + reverse("exports:prepare_judging", args=["study"]))
    pairs, axes = (
        page.get_by_label("Which response stands first"),
        page.get_by_label("Ask for the project’s own axes"),
    )
    responses = page.get_by_role("heading", name="Which responses")
    missing = page.get_by_label("Leave out prompts without the reference")
    for preset, shown in {
        "five-axes-json": [axes, responses],
        "mt-bench-single-reference": [responses, missing],
        "wildbench-reward": [pairs, responses, missing],
        "checklist-builder": [],
    }.items():
        page.get_by_label("Preset", exact=True).select_option(preset)
        for field in (pairs, axes, responses, missing):
            expect(field).to_be_visible(visible=field in shown)
    context.close()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("name", ["projects:prepare_generation", "exports:prepare_judging"])
def test_axe_finds_nothing_on_either_page_with_mistakes_in_it(
    browser, live_server, log_in, researcher, axe, name, look
):
    type(researcher).objects.update(language=look["locale"][:2])
    context = browser.new_context(**look)
    log_in(researcher, context)
    page = context.new_page()
    page.goto(live_server.url + reverse(name, args=["study"]))
    page.locator("#id_name").fill("m")
    page.locator("#id_more_sampling").evaluate("field => { field.closest('details').open = true; }")
    page.locator("#id_more_sampling").fill("heat=1")
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#id_more_sampling")).to_be_visible()
    axe(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()
