"""Telephone numbers as people paste and type them."""

from __future__ import annotations

import pytest

from efir.accounts.models import normalize_login
from efir.lib.phone import normalize_phone

ONE = "+79011112233"


@pytest.mark.parametrize(
    "typed",
    [
        "\u200e+79011112233",
        "\u202d+7 901 111-22-33\u202c",
        "\u2068+7 901 111-22-33\u2069",
        *(f"+7 901 111{dash}22{dash}33" for dash in "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"),
        "+7\ufe0e 901 111-22-33",
        "+7\ufe0f901\u034f1112233",
        "+7 901\u200b 111-22-33",
        "+7 901\u200d111\u200c22\u206033",
        "\ufeff+79011112233",
        "+7901\u00ad1112233",
        "+7\u00a0901\u202f111\u300022 33",
        "+7\u3164901\u2800111-22-33",
        "＋７（９０１）１１１－２２－３３",
        "tel:+79011112233",
        "TEL:+7-901-111-22-33",
        "tel:89011112233",
        "<+79011112233>,",
        "8 (901) 111-22-33",
        "8.901.111.22.33",
        "8·901·111·22·33",
        "«+7 [901] 111_22_33».",
        "7 901 111 22 33",
        "901 111 22 33",
        "+89011112233",
        "+8 901 111-22-33",
        "0079011112233",
        "00 7 901 111-22-33",
        "+0079011112233",
        "81079011112233",
        "8 10 7 901 111-22-33",
        "+8 10 7 901 111-22-33",
        "+7 (0)901 111-22-33",
    ],
)
def test_one_number_has_one_spelling(typed):
    assert normalize_phone(typed) == ONE
    assert normalize_login(typed) == ONE


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+49 (0)30 1234567", "+49301234567"),
        ("+49 030 1234567", "+49301234567"),
        ("0049 (0) 30 1234567", "+49301234567"),
        ("810 49 30 123456789", "+4930123456789"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+380 (0)67 123-45-67", "+380671234567"),
        ("+81 090-1234-5678", "+819012345678"),
        ("+39 06 1234 5678", "+390612345678"),  # in Italy the zero is part of the number
        ("+8 701 111-22-33", "+77011112233"),
        ("+8613812345678", "+8613812345678"),
    ],
)
def test_foreign_number_has_one_spelling(typed, number):
    assert normalize_phone(typed) == number
    assert normalize_phone(number) == number


@pytest.mark.parametrize(
    "typed",
    [
        *("+7901111223", "+790111122334", "8901111223", "901111223", "+0901111223", "00901"),
        *("4951234567", "+٧٩٠١١١١٢٢٣٣", "٧٩٠١١١١٢٢٣٣", "", "+", "звоните 901 111 22 33", "810790111122"),
    ],
)
def test_incomplete_number_is_none(typed):
    assert normalize_phone(typed) == ""


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        ("\u200eAnna@Example.ru\u2069", "anna@example.ru"),
        ("anna@exam\u00adple.ru", "anna@example.ru"),
        ("anna\u2011p@example.ru", "anna-p@example.ru"),
        ("anna@e\u200dxample.ru\ufe0f", "anna@example.ru"),
        ("ａｎｎａ＠example.ru", "anna@example.ru"),
        ("<anna@example.ru>,", "anna@example.ru"),
        ("«anna@example.ru».", "anna@example.ru"),
        ("mailto:anna@example.ru", "anna@example.ru"),
    ],
)
def test_one_address_has_one_spelling(typed, login):
    assert normalize_login(typed) == login
