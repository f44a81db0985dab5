"""Every visible word has its Japanese: messages are taken out of the code and looked up in the catalogue."""

import io
import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from django.utils.translation.template import templatize

from config.messages import LOCALE, BadCatalogue, catalogue_of

JAPANESE = LOCALE / "ja" / "LC_MESSAGES" / "django.po"
ROOT = Path(__file__).resolve().parent.parent
CODE = ("config", "projects", "annotation", "exports")
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
MSGID = re.compile(r'^(?:msgctxt .*\n(?:".*"\n)*)?msgid .*\n(?:".*"\n)*', re.MULTILINE)
PLACEHOLDER = re.compile(r"%\(\w+\)[sdf]|%[sd]|\{\w*\}")

Message = tuple[str | None, str]  # context and msgid; of a plural the singular


def messages_in_python(source: str) -> set[Message]:
    found = extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS, options={"encoding": "utf-8"})
    return {(context, ids if isinstance(ids, str) else ids[0]) for _, ids, _, context in found if ids}


def messages_in_template(source: str, name: str = "a template") -> set[Message]:
    as_python = templatize(source, origin=name)
    # What is left of the markup is indented at will, which Python's tokenizer refuses.
    return messages_in_python("\n".join(line.strip() for line in as_python.splitlines()))


def messages_of_the_project() -> dict[Message, str]:
    """Each message and a file that says it."""
    found: dict[Message, str] = {}
    for room in CODE:
        for file in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in file.parts:
                for message in messages_in_python(file.read_text(encoding="utf-8")):
                    found.setdefault(message, str(file.relative_to(ROOT)))
    for file in sorted((ROOT / "templates").rglob("*.*")):
        name = str(file.relative_to(ROOT))
        if file.suffix in {".html", ".txt", ".xml"}:
            for message in messages_in_template(file.read_text(encoding="utf-8"), name):
                found.setdefault(message, name)
    return found


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    return catalogue_of(JAPANESE, "ja")


def test_messages_are_found_in_code_and_templates():
    python = 'x = _("One"); y = ngettext_lazy("%(n)d two", "%(n)d twos", 3)\n    z = pgettext("verb", "Rate")'
    template = """
        <p>{% translate "Three" %}{% url "a" as b %}</p>
      {% blocktranslate trimmed count n=n %}
            one {{ n }} item
        {% plural %} {{ n }} items {% endblocktranslate %}"""

    assert messages_in_python(python) == {(None, "One"), (None, "%(n)d two"), ("verb", "Rate")}
    assert messages_in_template(template) == {(None, "Three"), (None, "one %(n)s item")}


def test_every_message_has_its_japanese(catalogue):
    messages = messages_of_the_project()
    missing = []
    for (context, msgid), where in messages.items():
        known = catalogue.get(msgid, context)
        if not (known and (known.string if isinstance(known.string, str) else all(known.string))):
            missing.append(f"{where}: {msgid!r}")

    assert messages, "no message was found at all"
    assert not missing, "without Japanese:\n" + "\n".join(sorted(missing))


def test_a_translation_keeps_the_placeholders_of_its_message(catalogue):
    wrong = []
    for message in catalogue:
        if not message.id:
            continue
        ids = [message.id] if isinstance(message.id, str) else message.id
        strings = [message.string] if isinstance(message.string, str) else message.string
        wanted = set(PLACEHOLDER.findall(ids[-1]))
        allowed = wanted | set(PLACEHOLDER.findall(ids[0]))
        for string in strings:
            used = set(PLACEHOLDER.findall(string))
            if not wanted <= used <= allowed:
                wrong.append(f"{ids[-1]!r}: {string!r}")

    assert not wrong, "placeholders differ:\n" + "\n".join(wrong)


def test_a_message_is_translated_once():
    """Babel would take the last of two translations, and say nothing."""
    ids = Counter(MSGID.findall(JAPANESE.read_text(encoding="utf-8")))
    assert sum(ids.values()) > 1000
    assert [said for said, times in ids.items() if times > 1] == []


def test_what_would_show_wrong_words_is_not_compiled(tmp_path):
    source = tmp_path / "django.po"
    source.write_text('msgid "%(n)s items"\nmsgstr "%(m)s 件"\n', encoding="utf-8")
    with pytest.raises(BadCatalogue, match="other placeholders"):
        catalogue_of(source, "ja")
    source.write_text('<<<<<<< one side\nmsgid "One"\nmsgstr "一"\n', encoding="utf-8")
    with pytest.raises(BadCatalogue, match=r"^django\.po: "):
        catalogue_of(source, "ja")
