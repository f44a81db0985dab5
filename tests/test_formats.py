"""A date looks the same on every page of a language."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.utils import formats, timezone, translation

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
WHEN = datetime(2026, 11, 2, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "day", "moment"),
    [("en", "2 Nov 2026", "2 Nov 2026, 13:05"), ("ja", "2026年11月2日", "2026年11月2日 13:05")],
)
def test_each_language_has_one_form(language, day, moment):
    with translation.override(language), timezone.override("Asia/Tokyo"):
        for name in ("DATE_FORMAT", "SHORT_DATE_FORMAT"):
            assert formats.date_format(date(2026, 11, 2), name) == day
        for name in ("DATETIME_FORMAT", "SHORT_DATETIME_FORMAT"):
            assert formats.date_format(timezone.localtime(WHEN), name) == moment


def test_no_page_has_a_form_of_its_own():
    own = []
    for file in sorted(TEMPLATES.rglob("*.html")):
        # Attributes are for machines; what people read goes by the language.
        shown = re.sub(
            r'\w+="[^"]*"', "", re.sub(r"""\|date:['"][cs]['"]""", "", file.read_text(encoding="utf-8"))
        )
        shown = re.sub(r"datetime=\S+", "", shown)
        for form in re.findall(r"""\|(?:date|time):['"]([^'"]*)['"]""", shown):
            if form not in ("DATE_FORMAT", "DATETIME_FORMAT"):
                own.append(f"{file.relative_to(TEMPLATES)}: {form}")
    assert own == []
