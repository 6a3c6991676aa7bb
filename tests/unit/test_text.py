"""Cleaning and folding of what people paste and type."""

from __future__ import annotations

from time import process_time
from unicodedata import category, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efir.lib.text import clean_line, clean_text, clean_token, clean_url, fold

BLANK = [
    *("", " ", "\u200b", "\u2060\u00ad", "\u3164", "\u2800", "\u200e\u200f", "\ufe0f", "\u034f"),
    *(
        "\u115f\u1160",
        "\uffa0",
        "\ufeff",
        "\u200c\u200d",
        "\u180e",
        "\u2028\u2029",
        "\u00a0\u3000",
        "\u2061\u2064",
    ),
    *(
        "\u2066\u2069",
        "\u061c",
        "\U000e0001\U000e0061",
        "\U000e0100",
        "\ufff9\ufffb",
        "\ufffc",
        "\u17b4\u17b5",
    ),
    *("\u0301", "\u20dd", " \u0308 ", "\x00\x1b", "\u2800\ufe0f", "\ud800"),
]
POSSIBLE = [
    *("Thiện Nguyễn", "สมชาย", "น้ำผึ้ง", "मोहित", "क्षत्रिय", "שָׁלוֹם", "مُحَمَّد", "မြန်မာ", "བསྒྲུབས", "ខ្មែរ", "李"),
    *(
        "علی\u200cرضا",
        "ක්\u200dෂ",
        "ശ്രീമാന്\u200d",
        "Ёлка 👩\u200d🚀",
        "❤\ufe0f",
        "👩\u200d❤\ufe0f\u200d👨",
        "🙂\u200d↔\ufe0f",
    ),
    *("ᾂ", "α\u0313\u0300\u0345"),
    *("Jean-François O’Neill, 3", "«Ёж — №1…»", "Σωκράτης", "x̂ и ŷ"),
]


@pytest.mark.parametrize("text", BLANK)
def test_blank_to_the_eye_is_empty(text):
    for clean in (clean_line, clean_text, clean_token, clean_url, fold):
        assert clean(text) == ""
    assert clean_text(f"{text}\n\n{text}") == ""


@pytest.mark.parametrize("text", POSSIBLE)
def test_canonical_spelling_is_unchanged(text):
    assert clean_line(text) == normalize("NFC", text)
    assert clean_text(f"{text}\n{text}") == normalize("NFC", f"{text}\n{text}")


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        ("\u202eрифЭ", "рифЭ"),
        ("Эфир\nо главном", "Эфир о главном"),
        ("Эфир\r\n\u2028о\x0bглавном\t", "Эфир о главном"),
        ("И\u0306ван", "Йван"),
        ("И\u200b\u0306ван", "Йван"),
        ("о\u00adбо\u200dл\u200cочка", "оболочка"),
        ("какой\u2011то", "какой-то"),
        ("два\u00a0\u2003слова", "два слова"),
        ("Анна\ufe0f\ufe0e", "Анна"),
        ("x\u20dd\u20dd", "x\u20dd"),
        ("A\U000e0041\U000e0042", "A"),
    ],
)
def test_clean_line_removes_invisible_characters(typed, clean):
    assert clean_line(typed) == clean


@pytest.mark.parametrize(
    "text",
    [
        "З" + "".join(map(chr, range(0x300, 0x338))),
        "Й" + "\u0306" * 50,
        "A" + "\u20dd" * 20,
        "З" + "\u0e47" * 20,
        "З" + "".join(f"{chr(mark)}\u200d\u034f" for mark in range(0x300, 0x330)),
        "З" + "".join(map(chr, range(0x591, 0x5AF))),
    ],
)
def test_few_marks_stay_on_a_letter(text):
    marks = [char for char in clean_line(text) if category(char) in ("Mn", "Me")]
    assert len(marks) <= 4
    assert len(clean_line(text)) <= 5


@pytest.mark.parametrize(
    "text",
    [
        "\u200d" * 20_000,
        "ع" + "\u200d" * 20_000 + "ع",
        "З" + "\u0301\u0316" * 10_000,
        "👩\u200d" * 10_000,
        "\u202e" * 20_000,
    ],
)
def test_cleaning_takes_time_by_length(text):
    began = process_time()
    for clean in (clean_line, clean_text, clean_token, clean_url, fold):
        clean(text)
    assert process_time() - began < 2


def test_clean_text_keeps_lines():
    assert clean_text("  Раз\u200b  \r\n\r\n\u3164два\u2028три\t\n") == "Раз\n\nдва\nтри"


def test_clean_url_reads_full_width():
    assert clean_url("\u2068ｈｔｔｐｓ：／／youtu.be/ID\u2069\n") == "https://youtu.be/ID"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("МАРИЯ ПЕТРОВА", "мария петрова"),
        ("Анна Семёнова", "анна семенова"),
        ("Семе\u0308нова", "семенова"),
        ("ЁЛКИН", "елкин"),
        ("И\u0306ван", "йван"),
        ("Straße ﬁ Ａ", "strasse fi a"),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded
    assert fold(folded) == folded


SIGNS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\u200b\u200d\u200c\u0306\u0308\u20dd\u094d\u3164\u2800\ufe0f👩🚀Йеक ع\n\t"),
    ),
    max_size=12,
)


@given(SIGNS)
def test_cleaning_twice_changes_nothing_more(text):
    for clean in (clean_line, clean_text, clean_token, clean_url, fold):
        assert clean(clean(text)) == clean(text)
    assert "\n" not in clean_line(text)
