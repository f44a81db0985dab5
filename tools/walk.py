"""Walk through pages of a running server and keep a picture of each: two sizes, two languages, light and dark.

    python tools/walk.py --as coordinator /  /p/demo/  /p/demo/monitor/
    python tools/walk.py --as coordinator --only 1440-ja-dark /p/demo/people/

Pictures go to var/screenshots. Says what the console complained of, and which pages are wider than the screen.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PASSWORD = "hyotei-demo"  # noqa: S105 - of the demo accounts, no secret: `manage.py load_demo` prints it
SIZES = {1440: 900, 390: 844}


def walk(browser: Browser, options: argparse.Namespace, look: tuple[int, str, str]) -> None:
    width, language, theme = look
    context = browser.new_context(
        base_url=options.base_url,
        viewport={"width": width, "height": SIZES[width]},
        locale=language,
        color_scheme=theme,
        java_script_enabled=not options.no_script,
    )
    page = context.new_page()
    page.on("console", lambda said: sys.stdout.write(f"  {said.type}: {said.text}\n"))
    page.on("pageerror", lambda error: sys.stdout.write(f"  error: {error}\n"))
    page.goto("/")
    page.locator("input[name=login]").fill(options.user)
    page.locator("input[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/account/login" not in address)
    # The account's own language stands above the browser's: choose it as people do.
    if page.locator("html").get_attribute("lang") != language:
        page.locator(f"button[name=language][value={language}]").click()
        page.wait_for_load_state("load")
    for address in options.pages:
        answer = page.goto(address)
        page.wait_for_timeout(options.wait)
        name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-") or "home"
        file = options.out / f"{name}-{width}-{language}-{theme}.png"
        page.screenshot(path=file, full_page=True)
        too_wide = (
            page.evaluate("document.documentElement.scrollWidth > innerWidth")
            if not options.no_script
            else False
        )
        status = answer.status if answer else "?"
        sys.stdout.write(f"{status} {file}{'  WIDER THAN THE SCREEN' if too_wide else ''}\n")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="+")
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--as", dest="user", default="coordinator")
    parser.add_argument("--only", help="such as 390-ja-dark; any part may be left out: 390, ja, 1440-en")
    parser.add_argument("--out", type=Path, default=Path("var/screenshots"))
    parser.add_argument("--wait", type=int, default=700, help="milliseconds to wait for plots")
    parser.add_argument("--no-script", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = set((options.only or "").split("-")) - {""}
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for look in itertools.product(SIZES, ("ja", "en"), ("light", "dark")):
            if wanted <= {str(part) for part in look}:
                walk(browser, options, look)
        browser.close()


if __name__ == "__main__":
    main()
