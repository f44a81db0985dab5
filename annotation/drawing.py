"""Plots for pages. The drawing itself is done in a process of its own, which leaves when it is done: Altair and the
engine of vl-convert take more memory than everything else that serves pages together."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from annotation import plots
from annotation.figures import AxisFigures
from annotation.plots import AlphaRow, Theme, on_paper, with_data
from stats.estimate import Estimate

SECONDS = 60
KEPT = 10 * 60
LOWEST = -1.0


def alpha_spec(found: list[AxisFigures], *, theme: Theme) -> dict[str, Any]:
    """Alpha by axis, with the data of these figures."""
    return with_data(_empty_spec(get_language() or "en", theme), [_row(axis) for axis in found])


def draw(spec: dict[str, Any], *, kind: str, key: str, theme: Theme, paper: bool = True) -> bytes:
    """The spec as "svg" or "png". `key` names what is drawn: the same key, the same picture, drawn once."""
    name = f"plot:{key}:{kind}:{theme}:{paper}:{get_language()}"
    picture: bytes | None = cache.get(name)
    if picture is None:
        picture = _ask({"make": kind, "spec": on_paper(spec, theme) if paper else spec})
        cache.set(name, picture, KEPT)
    return picture


@lru_cache(maxsize=16)
def _empty_spec(language: str, theme: Theme) -> dict[str, Any]:
    """Altair's part: it hangs on words and colours only, so it is asked for once, and kept in VAR_DIR after that."""
    words = {
        "title": _("Agreement by axis"),
        "alpha": _("Krippendorff’s alpha and its interval (95 %)"),
        "axis": _("Axis"),
        "description": _("Krippendorff’s alpha of each axis as a point, its interval (95 %) as a line."),
    }
    order = {"make": "spec", "words": words, "theme": theme}
    made_from = json.dumps([order, Path(plots.__file__).read_text(encoding="utf-8"), version("altair")])
    file = settings.VAR_DIR / "plots" / f"{hashlib.sha256(made_from.encode()).hexdigest()[:32]}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        fresh.write_bytes(_ask(order))
        fresh.replace(file)
    spec: dict[str, Any] = json.loads(file.read_bytes())
    return spec


def _row(axis: AxisFigures) -> AlphaRow:
    result, reason = axis.plotted
    name = axis.axis.label
    if not isinstance(result, Estimate):
        return AlphaRow(name, None, None, None, reason)
    said = _("{value} ({interval}), {metric}, {n} items").format(
        value=axis.alpha.value,
        interval=axis.alpha.interval or reason,
        metric=axis.metric,
        n=axis.panel.n_pairable,
    )
    # With very few items an interval may reach far below -1, which alpha itself does not: it is drawn to the edge.
    low = None if result.low is None else max(result.low, LOWEST)
    return AlphaRow(name, result.value, low, result.high, said)


def _ask(order: dict[str, Any]) -> bytes:
    made = subprocess.run(
        [sys.executable, "-m", "annotation.plots"],
        input=json.dumps(order).encode(),
        capture_output=True,
        check=True,
        cwd=settings.BASE_DIR,
        timeout=SECONDS,
    )
    return made.stdout
