"""What people and models wrote, as HTML that can do nothing.

Markdown without raw HTML, code coloured by classes, maths as MathML; whatever comes out is cleaned once
more against a list of what may stay. No image is ever fetched: an image would tell its server who reads.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from html import escape
from html.parser import HTMLParser
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

log = logging.getLogger(__name__)

LONGEST = 200_000  # characters; longer texts, and such as take longer than this, are shown as they are
SECONDS = 0.5
_DEEPEST = 60
_LONGEST_CACHED = 8_000
_LONGEST_CODE = 30_000
_LONGEST_LINE = 1_000
_LONGEST_FORMULA = 2_000

_MATHML = {
    "math", "menclose", "merror", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom",
    "mprescripts", "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd",
    "mtext", "mtr", "munder", "munderover", "none",
}  # fmt: skip
_HTML = {
    "a", "blockquote", "br", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_OPERATOR = {
    "fence", "form", "largeop", "lspace", "maxsize", "minsize", "movablelimits", "rspace", "separator", "stretchy"
}  # fmt: skip
TAGS = frozenset(_HTML | _MATHML)

_clean = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags={"script", "style"},
    attributes={
        "a": {"href", "title"},
        "ol": {"start"},
        "math": {"display"},
        "mfrac": {"linethickness"},
        "mi": {"mathvariant"},
        "mn": {"mathvariant"},
        "mo": _OPERATOR,
        "menclose": {"notation"},
        "mover": {"accent"},
        "mpadded": {"depth", "height", "lspace", "voffset", "width"},
        "mspace": {"width"},
        "mstyle": {"displaystyle", "scriptlevel"},
        "mtable": {"columnalign", "columnlines", "rowlines"},
        "munder": {"accentunder"},
    },
    allowed_classes={
        "code": {"source"},
        "div": {"table"},
        "pre": {"plain"},
        "span": {name for name in STANDARD_TYPES.values() if name},
        "td": {"center", "num"},
        "th": {"center", "num"},
    },
    # what may be wider than the page scrolls, and can be scrolled from the keyboard
    set_tag_attribute_values={"a": {"target": "_blank"}, "pre": {"tabindex": "0"}, "div": {"tabindex": "0"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
).clean


class _Refused(Exception):
    """The text takes too long, or is nested so deeply that the parser would leave some of it out."""


def render(text: str, *, lang: str | None = None) -> SafeString:
    """`text` in `<div class="md" lang="…">`; what cannot be rendered in time is shown as it is. Never raises.

    Without `lang`, the language is told from the script the text is written in.
    """
    html = _html(text)
    return _framed(_plain(text) if html is None else html, lang or language_of(text))


def render_for_keeping(text: str) -> SafeString | None:
    """What `render` gives, or None where it shows the text as it is: that may be for the machine's being busy."""
    html = _html(text)
    return None if html is None else _framed(html, language_of(text))


def _framed(html: str, lang: str) -> SafeString:
    return mark_safe(f'<div class="md" lang="{escape(lang)}">{html}</div>')  # noqa: S308  cleaned or escaped


def _html(text: str) -> str | None:
    try:
        if len(text) <= _LONGEST_CACHED:
            return _rendered_before(text)
        if len(text) <= LONGEST:
            return _rendered(text)
    except (_Refused, RecursionError) as problem:
        log.warning("a text of %d characters is shown as it is: %r", len(text), problem)
    except Exception:
        log.exception("a text of %d characters could not be rendered", len(text))
    return None


def excerpt(text: str, length: int) -> str:
    """The first `length` characters of `text` as one line, without its markup: for lists."""
    words = _Words()
    words.feed(render(text[: 4 * length + 400]))
    words.close()
    line = " ".join("".join(words.said).split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


class _Words(HTMLParser):
    """What is said in rendered text, in one row; of a formula enough to know it again: x^2, a/b, √2."""

    BETWEEN = frozenset(
        [
            "blockquote",
            "br",
            "div",
            "h3",
            "h4",
            "h5",
            "h6",
            "hr",
            "li",
            "ol",
            "p",
            "pre",
            "td",
            "th",
            "tr",
            "ul",
        ]
    )
    SECOND: ClassVar = {"mfrac": "/", "msup": "^", "msub": "_"}

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.within: list[tuple[str, list[str]]] = [("", [])]  # each open element and its children so far

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent, children = self.within[-1]
        if len(children) == 1:
            self.said.append(self.SECOND.get(parent, ""))
        children.append(tag)
        if tag in self.BETWEEN:
            self.said.append(" ")
        elif tag == "msqrt":
            self.said.append("√")
        if tag not in ("br", "hr"):
            self.within.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        if len(self.within) > 1:
            self.within.pop()
        if tag in self.BETWEEN:
            self.said.append(" ")

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def language_of(text: str) -> str:
    """Japanese where there are kana, or Chinese characters and nothing to say otherwise; Korean; else English."""
    beginning = text[:4000]
    if _KANA.search(beginning):
        return "ja"
    if _HANGUL.search(beginning):
        return "ko"
    return "ja" if _HAN.search(beginning) else "en"


_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")


def _plain(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode()
    return f'<pre class="plain">{escape(readable)}</pre>'


def _rendered(text: str) -> str:
    return _clean(_markdown().render(text, {"until": monotonic() + SECONDS}))


# A prompt is read by every rater of each of its responses. Failures are not kept: they may be the machine's.
_rendered_before = lru_cache(maxsize=1024)(_rendered)


@cache
def _markdown() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST + 20}).enable(
        ["table", "strikethrough"]
    )
    md.inline.ruler.before("text", "limits", _limits_inline)
    md.block.ruler.before("table", "limits", _limits_block, {"alt": ["paragraph", "reference"]})
    md.block.ruler.before(
        "fence", "maths", _maths_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    md.inline.ruler.before("escape", "maths", _maths_inline)
    md.inline.ruler.at("emphasis", _emphasis)
    md.core.ruler.push("outline", _outline)
    md.add_render_rule("image", _image)
    md.add_render_rule("fence", _code_block)
    md.add_render_rule("code_block", _code_block)
    md.add_render_rule("maths", _maths)
    md.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    md.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return md


# --------------------------------------------------------------------- limits


def _limits_inline(state: StateInline, silent: bool) -> bool:
    if monotonic() > state.env["until"]:
        raise _Refused("time")
    return False


def _limits_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if monotonic() > state.env["until"]:
        raise _Refused("time")
    if state.level > _DEEPEST:
        raise _Refused("depth")
    return False


# ------------------------------------------------------------------- emphasis


def _is_cjk(char: str) -> bool:
    return char >= "\u1100" and (
        "\u2e80" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3" or "\uf900" <= char <= "\ufaff"
        or "\uff00" <= char <= "\uffef" or "\U0001f200" <= char <= "\U0001f2ff" or "\U00020000" <= char <= "\U0003ffff"
    )  # fmt: skip


def _emphasis(state: StateInline, silent: bool) -> bool:
    """`*` and `_`, with the rule of CommonMark amended for text without spaces between words.

    By the letter, `**「評定」**です` is not emphasis: the closing run stands between punctuation and a letter.
    Models write this all the time, so punctuation of Chinese, Japanese and Korean counts as a letter here, and
    a letter of theirs beside other punctuation as a space.
    """
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    start, end, stop = state.pos, state.pos, state.posMax
    while end < stop and state.src[end] == marker:
        end += 1
    before = state.src[start - 1] if start > 0 else " "
    after = state.src[end] if end < stop else " "
    blank_before, blank_after = _is_blank(before), _is_blank(after)
    cjk_before, cjk_after = _is_cjk(before), _is_cjk(after)
    marks_before = not cjk_before and _is_punctuation(before)
    marks_after = not cjk_after and _is_punctuation(after)
    left = not blank_after and (not marks_after or blank_before or marks_before or cjk_before)
    right = not blank_before and (not marks_before or blank_after or marks_after or cjk_after)
    opens, closes = left, right
    if marker == "_":  # not within a word
        opens = left and (not right or _is_punctuation(before))
        closes = right and (not left or _is_punctuation(after))
    for _ in range(end - start):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=end - start,
                token=len(state.tokens) - 1,
                end=-1,
                open=opens,
                close=closes,
            )
        )
    state.pos = end
    return True


def _is_blank(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _is_punctuation(char: str) -> bool:
    return isMdAsciiPunct(ord(char)) or isPunctChar(char)


# ---------------------------------------------------------------------- maths

_CLOSING = {r"\(": r"\)", r"\[": r"\]", "$$": "$$", "$": "$"}
_PROSE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,}")
_WRITTEN_OUT = re.compile(r"\\(?:text|textrm|textbf|mbox|mathrm|operatorname)\b")


def _maths_inline(state: StateInline, silent: bool) -> bool:
    source, start = state.src, state.pos
    if source[start] == "$":
        opening = "$$" if source.startswith("$$", start) else "$"
    elif source[start] == "\\" and source[start + 1 : start + 2] in ("(", "["):
        opening = source[start : start + 2]
    else:
        return False
    closing = _CLOSING[opening]
    inside = start + len(opening)
    end = source.find(closing, inside, min(state.posMax, inside + _LONGEST_FORMULA))
    while opening == "$" and end > 0 and source[end - 1] == "\\":  # \$ is a sign of money within a formula
        end = source.find(closing, end + 1, min(state.posMax, inside + _LONGEST_FORMULA))
    if end < 0:
        return False
    formula = source[inside:end]
    if not formula.strip() or (
        opening == "$" and not _is_formula(formula, source[start - 1 : start], source[end + 1 : end + 2])
    ):
        return False
    if not silent:
        token = state.push("maths", "math", 0)
        token.content, token.markup = formula.strip(), opening
        token.meta = {"block": opening in ("$$", r"\[")}
    state.pos = end + len(closing)
    return True


def _is_formula(inside: str, before: str, after: str) -> bool:
    """Whether what stands between two dollar signs is maths, not "$5 and $10"."""
    if inside[0].isspace() or inside[-1].isspace() or "\n\n" in inside:
        return False
    if (before.isascii() and before.isalnum()) or (after.isascii() and after.isalnum()):
        return False
    if _WRITTEN_OUT.search(inside):
        return True
    return not (_PROSE.search(inside) or _KANA.search(inside) or _HAN.search(inside))


def _maths_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`$$ … $$` or `\\[ … \\]` beginning a line, perhaps over several lines; nothing may follow on the last."""
    first = state.bMarks[start] + state.tShift[start]
    opening = state.src[first : first + 2]
    if opening not in ("$$", r"\[") or state.is_code_block(start):
        return False
    closing = _CLOSING[opening]
    lines: list[str] = []
    for line in range(start, min(end, start + 60)):
        at = state.bMarks[line] + state.tShift[line]
        if line > start and at < state.eMarks[line] and state.sCount[line] < state.blkIndent:
            return False  # out of the list or quote that it began in
        text = state.src[at : state.eMarks[line]]
        if line == start:
            text = text[2:]
        found = text.find(closing)
        if found >= 0:
            if text[found + 2 :].strip(" .,、。．，"):
                return False
            lines.append(text[:found])
            formula = "\n".join(lines).strip()
            if not formula or len(formula) > _LONGEST_FORMULA:
                return False
            if not silent:
                token = state.push("maths", "math", 0)
                token.block, token.content, token.markup = True, formula, opening
                token.meta, token.map = {"block": True, "alone": True}, [start, line + 1]
                state.line = line + 1
            return True
        lines.append(text)
    return False


def _maths(renderer: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:
    token = tokens[at]
    if monotonic() > env["until"]:
        raise _Refused("time")
    html = _mathml(token.content, token.meta["block"])
    if html is None:
        html = f'<code class="source">{escape(token.markup + token.content + _CLOSING[token.markup])}</code>'
    return f"<p>{html}</p>\n" if token.meta.get("alone") else html


@lru_cache(maxsize=2048)
def _mathml(formula: str, block: bool) -> str | None:
    """MathML, or None where the formula has something in it that is not known."""
    try:
        html = convert(formula, display="block" if block else "inline")
    except Exception:
        return None  # the converter raises whatever comes, KeyError and IndexError among them
    return None if _UNKNOWN_COMMAND.search(html) else html


_UNKNOWN_COMMAND = re.compile(r">\\[A-Za-z]+<")


# ----------------------------------------------------------------------- code

_NAMES = (
    "awk bash bat c clojure cmake console cpp c++ cs csharp css csv dart diff docker dockerfile elixir erlang fortran go golang"
    " graphql haskell hs html http ini java javascript js json jsonc jsx julia kotlin kt latex lisp lua make makefile matlab"
    " nginx objective-c ocaml pascal perl php powershell prolog protobuf py py3 python python3 pycon r rb ruby rs rust"
    " scala scheme scss sh shell sql swift tcl terraform tex toml ts tsx typescript vb vbnet verilog vhdl vim xml yaml yml"
    " zig zsh"
)
_LANGUAGES = frozenset(_NAMES.split())


def _code_block(renderer: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:
    token = tokens[at]
    name = token.info.split(maxsplit=1)[0].lower() if token.info.strip() else ""
    lexer = _lexer(name) if name in _LANGUAGES and _can_be_coloured(token.content) else None
    inside = "".join(_coloured(lexer, token.content, env["until"])) if lexer else escape(token.content)
    return f"<pre><code>{inside}</code></pre>\n"


_STUCK = re.compile(r"\s{200}")


def _can_be_coloured(code: str) -> bool:
    """Whether no lexer can hang on it: one match of an expression of theirs cannot be interrupted, and on a model
    that repeats itself (29,000 spaces in C) it takes minutes."""
    if len(code) > _LONGEST_CODE or _STUCK.search(code):
        return False
    return all(len(line) <= _LONGEST_LINE for line in code.split("\n"))


@cache
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _coloured(lexer: Lexer, code: str, until: float) -> Iterable[str]:
    for count, (kind, value) in enumerate(lexer.get_tokens(code)):
        if count % 16 == 0 and monotonic() > until:
            raise _Refused("time")
        while kind not in STANDARD_TYPES and kind.parent:
            kind = kind.parent
        name = STANDARD_TYPES.get(kind, "")
        # punctuation, names and spaces, more than half of all tokens, are of the colour of the text
        plain = name in ("", "p", "n", "w", "o")
        yield escape(value) if plain else f'<span class="{name}">{escape(value)}</span>'


# ------------------------------------------------------- headings, tables, images


def _outline(state: StateCore) -> None:
    """Headings of the text go below those of the page, without gaps; alignment of cells becomes a class."""
    above: list[int] = []
    for token in state.tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while above and above[-1] >= level:
                above.pop()
            above.append(level)
            token.tag = f"h{min(6, 2 + len(above))}"
        elif token.type == "heading_close":
            token.tag = f"h{min(6, 2 + len(above))}"
        elif token.type in ("th_open", "td_open") and token.attrs:
            style = str(token.attrs.pop("style", ""))
            if style.endswith("right"):
                token.attrSet("class", "num")
            elif style.endswith("center"):
                token.attrSet("class", "center")


def _image(renderer: Any, tokens: list[Token], at: int, options: Any, env: Any) -> str:
    token = tokens[at]
    address = str(token.attrs.get("src", ""))
    words = renderer.renderInlineAsText(token.children, options, env) or urlsplit(address).path or address
    return f'<a href="{escape(address)}">{escape(words)}</a>'
