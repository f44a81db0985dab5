"""Make the pictures of the README from the running demo: `make demo` in one shell, this in another.

    python tools/screenshot.py [--base-url http://localhost:8000] [--out docs/images]

Needs Playwright (a development package) and a Chromium, found on the path or named by CHROMIUM.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

PASSWORD = "hyotei-demo"  # noqa: S105  # of the demo accounts, no secret: `manage.py load_demo` prints it
SIZE: ViewportSize = {"width": 1280, "height": 860}


def log_in(browser: Browser, base_url: str, name: str, language: str) -> Page:
    page = browser.new_context(base_url=base_url, viewport=SIZE, locale=language).new_page()
    page.goto("/")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_load_state("networkidle")
    return page


def picture(page: Page, address: str, file: Path) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)
    sys.stdout.write(f"{file}: {file.stat().st_size // 1024} kB\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base-url", default="http://localhost:8000")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for language, name in (("ja", "rater1"), ("en", "rater2")):
            rater = log_in(browser, options.base_url, name, language)
            picture(rater, "/p/demo/rate/", options.out / f"rating-{language}.png")
        browser.close()


if __name__ == "__main__":
    main()
