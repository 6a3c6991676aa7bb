"""Outgoing messages: their length, and addresses that Telegram refuses in a button."""

from __future__ import annotations

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from efir.fake_botapi.markup import parse_html, utf16_length
from efir.telegram.outbox.message_types import OutgoingMessage


def test_address_without_a_dot_becomes_a_line():
    kept = ("Запись", "https://rutube.ru/1")
    composed = OutgoingMessage(
        "Привет", [("Контакты <друга>", "http://localhost:8000/?a=1&b=2"), kept]
    ).acceptable()
    assert composed.buttons == [kept]
    assert composed.text == "Привет\n\nКонтакты &lt;друга&gt;: http://localhost:8000/?a=1&amp;b=2"


def test_other_addresses_stay_buttons():
    composed = OutgoingMessage(
        "Привет", [("Контакты", "http://127.0.0.1:8000/"), ("Сайт", "https://efir.example/")]
    )
    assert composed.acceptable() is composed


@given(st.lists(st.tuples(st.booleans(), st.text(st.characters(codec="utf-8")))))
def test_length_is_as_telegram_counts(parts):
    texts = [f"<b>{escape(text)}</b>" if bold else escape(text, quote=False) for bold, text in parts]
    source = "\n".join(texts)
    assert OutgoingMessage(source).length == utf16_length(parse_html(source)[0])
