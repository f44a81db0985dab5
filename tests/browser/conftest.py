"""Journeys in Chromium: real pages from a live server, a console that must stay silent, axe for accessibility.

Playwright's own `new_context(locale="ja-JP", java_script_enabled=False)` opens a browser of another kind.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

# Playwright's synchronous interface runs an event loop in the test's thread; Django takes it for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
expect.set_options(timeout=15_000)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium where there is one (CHROMIUM names another), else the one that Playwright installed."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    return browser_type_launch_args | {"args": FLAGS} | ({"executable_path": found} if found else {})


@pytest.fixture
def log_in(live_server: Any, context: BrowserContext) -> Callable[..., None]:
    """`log_in(user)`: the pages of this test, or of another `context`, belong to them from then on."""

    def log_in(user: Any, context: BrowserContext = context) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return log_in


def listen(page: Page, said: list[str]) -> None:
    """Collect what the page complains of: warnings and errors, and with them breaches of the security policy."""

    def on_message(message: ConsoleMessage) -> None:
        form_came_back = "status of 422" in message.text  # how a form with mistakes is answered; no complaint
        if message.type in {"warning", "error"} and not form_came_back:
            said.append(f"{message.type}: {message.text}")

    page.on("console", on_message)
    page.on("pageerror", lambda error: said.append(f"error: {error}"))


@pytest.fixture
def console(context: BrowserContext, page: Page) -> list[str]:
    """What the browser complained of so far; `assert console == []` at the end of a journey."""
    said: list[str] = []
    listen(page, said)
    context.on("page", lambda another: listen(another, said))
    return said


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """`axe(page)` fails with every accessibility rule that the page breaks, and where."""

    def check(page: Page) -> None:
        # What is still fading in has less contrast than it will have.
        page.evaluate(
            "Promise.allSettled(document.getAnimations()"
            ".filter(one => isFinite(one.effect.getComputedTiming().endTime)).map(one => one.finished))"
        )
        broken = Axe().run(page).response["violations"]
        found = [
            f"{rule['id']} ({rule['impact']}): {rule['help']}\n    "
            + "\n    ".join(n["html"] for n in rule["nodes"][:5])
            for rule in broken
        ]
        assert not found, f"{page.url}\n" + "\n".join(found)

    return check


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """`screenshot(page, "name")` keeps a picture under var/screenshots and says where."""

    def take(page: Page, name: str = "", *, full_page: bool = True) -> Path:
        file = (
            settings.VAR_DIR / "screenshots" / f"{request.node.originalname}{f'-{name}' if name else ''}.png"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=file, full_page=full_page)
        return file

    return take
