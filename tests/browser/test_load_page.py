"""Loading in Chromium: a coordinator brings a table from a spreadsheet, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from annotation.models import Score
from projects.loading import runs
from projects.models import LoadRun, Response
from tests.factories import create_member, create_model, create_project, create_prompt, create_response

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    pictures = settings.VAR_DIR
    settings.VAR_DIR = tmp_path
    return pictures


@pytest.fixture
def project(log_in):
    project = create_project(slug="study", name="Helpfulness", name_ja="有用さの評価")
    log_in(create_member(project, is_coordinator=True).user)
    return project


def spreadsheet(folder: Path) -> Path:
    """As Excel saves it in Japan: CP932, columns named in Japanese."""
    lines = ["番号,設問,モデル名,出力,評価者,流暢さ,備考"]
    lines += [
        f"Q{n:02},{n}番目の質問です。短く答えてください。,model-{m},{m}の回答、その{n}です。,佐藤,{score},{'' if n % 3 else '迷った'}"
        for n in range(1, 13)
        for m, score in (("A", n % 5 + 1), ("B", "NA" if n % 4 == 0 else 5 - n % 3))
    ]
    path = folder / "評価 2024年度.csv"
    path.write_bytes("\r\n".join(lines).encode("cp932"))
    return path


def test_a_table_from_a_spreadsheet_is_loaded(project, page: Page, live_server, console, axe, tmp_path):
    page.goto(f"{live_server.url}/p/study/load/")
    axe(page)
    page.get_by_label("Choose files").set_input_files(spreadsheet(tmp_path))
    page.get_by_role("button", name="Upload and look").click()

    expect(page.get_by_role("heading", name="評価 2024年度.csv", level=1)).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="CP932 (Shift_JIS)")).to_be_visible()
    expect(page.get_by_label("モデル名", exact=True)).to_have_value("model")
    page.get_by_label("流暢さ", exact=True).select_option("score.fluency")
    page.get_by_label("備考", exact=True).select_option("comment")
    page.get_by_role("button", name="Check against the project").click()

    expect(
        page.get_by_text("“NA” is not a number. If it stands for “cannot judge”, say so").first
    ).to_be_visible()
    axe(page)
    page.get_by_label("Values that mean “cannot judge”").fill("NA")
    page.get_by_role("button", name="Check again").click()

    expect(page.get_by_text("Nothing stands in the way.")).to_be_visible()
    assert not Response.objects.exists()
    axe(page)
    page.get_by_role("button", name="Load into the project").click()

    expect(page.get_by_text("Loaded.")).to_be_visible()
    assert Response.objects.count() == 24
    assert Score.objects.filter(value=None).count() == 3
    axe(page)
    page.get_by_role("link", name="Load more").click()
    expect(page.get_by_role("link", name="評価 2024年度.csv")).to_be_visible()
    assert console == []


def test_a_large_file_shows_how_far_it_is_and_can_be_stopped(
    project, page: Page, live_server, console, axe, tmp_path
):
    path = tmp_path / "large.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt_id": f"p{n}", "turns": ["x" * 400]}) + "\n" for n in range(4000))
    )
    page.goto(f"{live_server.url}/p/study/load/")
    page.get_by_label("Choose files").set_input_files(path)
    page.get_by_role("button", name="Upload and look").click()
    page.get_by_role("button", name="Check against the project").click()

    expect(page.get_by_text("Waiting for its turn.")).to_be_visible()
    run = LoadRun.objects.get()
    from django.utils import timezone

    LoadRun.objects.filter(pk=run.pk).update(
        state="running", seen_at=timezone.now(), done=run.size // 3, whole=run.size, doing="reading"
    )
    expect(page.get_by_text("Read 570")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopping.")).to_be_visible()
    LoadRun.objects.filter(pk=run.pk).update(state="stopped")
    expect(page.get_by_text("Stopped; nothing was loaded")).to_be_visible()

    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("Waiting for its turn.")).to_be_visible()
    runs.carry_out(run.pk)
    expect(page.get_by_text("Nothing stands in the way.")).to_be_visible()
    assert console == []


def test_it_works_without_javascript(project, new_context, log_in, live_server, tmp_path):
    context: BrowserContext = new_context(java_script_enabled=False, locale="ja-JP")
    log_in(project.members.get().user, context)
    page = context.new_page()
    page.goto(f"{live_server.url}/p/study/load/")
    page.get_by_label("ファイルを選ぶか").set_input_files(spreadsheet(tmp_path))
    page.get_by_role("button", name="アップロードして内容を見る").click()
    page.get_by_role("button", name="プロジェクトと照合する").click()
    page.get_by_role("button", name="プロジェクトに読み込む").click()

    expect(page.get_by_text("読み込みました。")).to_be_visible()
    assert Response.objects.count() == 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("language", "width"), [("ja-JP", 1440), ("en-GB", 1440), ("ja-JP", 390)])
def test_no_page_is_wider_than_its_window(
    project,
    new_context,
    log_in,
    live_server,
    tmp_path,
    screenshot,
    settings,
    uploads,
    scheme,
    language,
    width,
):
    """And each leaves a picture under var/screenshots."""
    create_response(project, prompt=create_prompt(project, key="Q99"), model=create_model(project, "model-A"))
    context: BrowserContext = new_context(
        locale=language, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    log_in(project.members.get().user, context)
    page = context.new_page()

    def look(name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        settings.VAR_DIR = uploads
        screenshot(page, f"{name}-{language[:2]}-{width}-{scheme}")
        settings.VAR_DIR = tmp_path

    page.goto(f"{live_server.url}/p/study/load/")
    look("1-start")
    page.locator("input[type=file]").set_input_files(spreadsheet(tmp_path))
    page.locator("form.form button[type=submit]").click()
    page.wait_for_url("**/load/*/")
    page.get_by_label("流暢さ", exact=True).select_option("score.fluency")
    look("2-look")
    page.locator("form[action$='/check/'] button").first.click()
    page.wait_for_selector("[data-focus]")
    look("3-refused")
    page.locator("input[name=na_values]").fill("NA")
    page.locator("form[action$='/check/'] button").first.click()
    page.wait_for_selector(".btn--large")
    look("4-checked")
    page.locator(".btn--large").click()
    page.wait_for_selector(".notice--good")
    look("5-loaded")
    from django.utils import timezone

    run = LoadRun.objects.get()
    LoadRun.objects.filter(pk=run.pk).update(state="running", seen_at=timezone.now(), done=40, whole=100)
    page.reload()
    look("6-under-way")
    LoadRun.objects.filter(pk=run.pk).update(state="done")
    page.goto(f"{live_server.url}/p/study/load/")
    look("7-again")
