"""The language of the interface."""

from __future__ import annotations

import pytest
from django.test import Client

from efir.web.locale import language_of


@pytest.mark.parametrize(
    ("chosen", "accepts", "language"),
    [
        ("", "", "ru"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "en", "en"),
        ("", "en-GB,en;q=0.9", "en"),
        ("", "EN-us", "en"),
        ("", "en;q=0.3, ru;q=0.7", "ru"),
        ("", "uk,en;q=0.5,ru;q=0.4", "en"),
        ("", "fr-FR,fr;q=0.9", "ru"),
        ("", "fr,en;q=0", "ru"),
        ("", "*", "ru"),
        ("", "not a header;;", "ru"),
        ("", "e" * 1000, "ru"),
        ("ru", "en", "ru"),
        ("en", "ru", "en"),
        ("fr", "en", "en"),
        ("../../etc", "", "ru"),
    ],
)
def test_language_is_chosen_then_the_browsers_then_russian(chosen, accepts, language):
    cookies = {"django_language": chosen} if chosen else {}
    assert language_of(cookies, accepts) == language


@pytest.mark.django_db
def test_chosen_language_outlives_the_session():
    client = Client(headers={"accept-language": "en"})
    assert '<html lang="en">' in client.get("/webinars/").content.decode()
    client.post("/i18n/setlang/", {"language": "ru", "next": "/webinars/"})
    assert '<html lang="ru">' in client.get("/webinars/").content.decode()
    assert client.cookies["django_language"]["max-age"] > 300 * 24 * 3600


@pytest.mark.django_db
def test_pages_vary_by_language():
    vary = Client().get("/webinars/")["Vary"]
    assert {"Accept-Language", "Cookie"} <= set(vary.split(", "))
