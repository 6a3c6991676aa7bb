"""What Telegram would refuse in a button goes into the text, and nobody goes without it."""

from __future__ import annotations

from efir.telegram.kinds import Composed


def test_an_address_without_a_dot_becomes_a_line():
    kept = ("Запись", "https://rutube.ru/1")
    composed = Composed("Привет", [("Контакты <друга>", "http://localhost:8000/?a=1&b=2"), kept]).acceptable()
    assert composed.buttons == [kept]
    assert composed.text == "Привет\n\nКонтакты &lt;друга&gt;: http://localhost:8000/?a=1&amp;b=2"


def test_other_addresses_stay_buttons():
    composed = Composed("Привет", [("Контакты", "http://127.0.0.1:8000/"), ("Сайт", "https://efir.example/")])
    assert composed.acceptable() is composed
