"""Telegram's HTML: entities in UTF-16 units, official error messages."""

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
        ("AT&T &nbsp; &lter;", "AT&T &nbsp; &lter;", []),
        ("😀<b>x</b>", "😀x", [entity("bold", 2, 1)]),
        ("<B>x</B>", "x", [entity("bold", 0, 1)]),
        ("<b>x</>", "x", [entity("bold", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<b>x</b >", "x", [entity("bold", 0, 1)]),
        ("<b>a<i>b</i></b>", "ab", [entity("bold", 0, 2), entity("italic", 1, 1)]),
        (
            "<a href='https://x.y/?a=1&amp;b'>l</a>",
            "l",
            [entity("text_link", 0, 1, url="https://x.y/?a=1&b")],
        ),
        ("<pre>x</pre>", "x", [entity("pre", 0, 1)]),
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
    ],
)
def test_wrong_markup_is_refused(source: str, error: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_html(source)
    assert (caught.value.status, caught.value.description) == (
        400,
        f"Bad Request: can't parse entities: {error}",
    )


def test_length_is_in_utf16_units() -> None:
    assert utf16_length("aя😀") == 4
