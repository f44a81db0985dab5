"""Files for the browser that come out of a package: `python -m config.assets` writes them to VAR_DIR/static/vendor.

The Vega bundle (window.vegaEmbed) is inside vl-convert-python, so a plot in a page and a plot in a release are drawn
by the same version.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from config.environment import value

BASE_DIR = Path(__file__).resolve().parent.parent


def write_assets() -> Path:
    """Write vendor/vega.js unless it is there, made by the installed version."""
    target: Path = BASE_DIR / value("VAR_DIR") / "static" / "vendor" / "vega.js"
    first_line = (
        f"/* Vega, Vega-Lite and vega-embed as in vl-convert-python {version('vl-convert-python')} */\n"
    )
    if target.exists():
        with target.open(encoding="utf-8") as existing:
            if existing.readline() == first_line:
                return target
    import vl_convert  # 30 MB of it: only where there is something to make

    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its types forget the default
    fresh.write_text(first_line + bundle, encoding="utf-8")
    fresh.replace(target)
    return target


if __name__ == "__main__":
    write_assets()
