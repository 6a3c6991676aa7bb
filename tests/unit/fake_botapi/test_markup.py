"""Telegram's HTML: entities in UTF-16 units, errors in the official words."""

from __future__ import annotations

from typing import Any

import pytest

from efir.fake_botapi.errors import ApiError
from efir.fake_botapi.markup import parse_html, utf16_length


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length} | more


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain", "plain", []),
        ("a &lt;b&gt; &amp;&quot;&#33;&#x1F600;", 'a <b> &"!😀', []),
        ("AT&T &nbsp; &#0; &lter;", "AT&T &nbsp; &#0; &lter;", []),
        ("😀<b>x</b>", "😀x", [entity("bold", 2, 1)]),
        ("<B>x</B>", "x", [entity("bold", 0, 1)]),
        ("<b>x</>", "x", [entity("bold", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<b>a<i>b</i></b>", "ab", [entity("bold", 0, 2), entity("italic", 1, 1)]),
        (
            "<a href='https://x.y/?a=1&amp;b'>l</a>",
            "l",
            [entity("text_link", 0, 1, url="https://x.y/?a=1&b")],
        ),
        ("<a>https://x.y/</a>", "https://x.y/", [entity("text_link", 0, 12, url="https://x.y/")]),
        ("<pre>x</pre>", "x", [entity("pre", 0, 1)]),
        ('<code class="language-c">x</code>', "x", [entity("code", 0, 1)]),
        ('<pre><code class="language-c">x</code></pre>', "x", [entity("pre", 0, 1, language="c")]),
        ("<pre><b>x</b></pre>", "x", [entity("pre", 0, 1), entity("bold", 0, 1)]),
        ('<span class="tg-spoiler">x</span>', "x", [entity("spoiler", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [entity("blockquote", 0, 1)]),
        ("<blockquote>x</blockquote >", "x", [entity("blockquote", 0, 1)]),
    ],
)
def test_markup_becomes_text_and_entities(source: str, text: str, entities: list[Any]) -> None:
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("я<br>", 'Unsupported start tag "br" at byte offset 2'),
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<i><b>x</b>", 'Can\'t find end tag corresponding to start tag "i"'),
        (
            "<a href>x</a>",
            'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0',
        ),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        (
            "&#xD800;",
            "Text contains invalid Unicode characters after decoding HTML entities, "
            "check for unmatched surrogate code units",
        ),
    ],
)
def test_wrong_markup_is_refused(source: str, error: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_html(source)
    assert (caught.value.status, caught.value.description) == (
        400,
        f"Bad Request: can't parse entities: {error}",
    )


def test_lengths_are_in_utf16_units() -> None:
    assert utf16_length("aя😀") == 4
