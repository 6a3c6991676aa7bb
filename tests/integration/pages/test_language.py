"""The message catalogs: each text has an English translation, each plural three Russian forms."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.test import Client
from django.utils import translation

import efir
from efir.webinars.templatetags.webinar_labels import minutes

LOCALE = Path(efir.__file__).parent / "locale"


def catalogue(language: str):
    with (LOCALE / language / "LC_MESSAGES/django.po").open("rb") as file:
        return [message for message in read_po(file, locale=language) if message.id]


def test_every_text_is_translated_to_english():
    assert [message.id for message in catalogue("en") if not message.string or not all(message.string)] == []


def test_plurals_have_three_russian_forms():
    plurals = [message for message in catalogue("ru") if message.pluralizable]
    assert plurals
    assert {len(message.string) for message in plurals} == {3}
    assert all(all(message.string) for message in plurals)


def test_translations_keep_placeholders():
    for message in catalogue("en"):
        for mark in ("%(name)s", "%(title)s", "%(count)s", "%(count)d", "<b>"):
            source = message.id[0] if message.pluralizable else message.id
            texts = message.string if message.pluralizable else [message.string]
            assert all((mark in source) == (mark in text) for text in texts), source


@pytest.mark.parametrize("language", ["ru", "en"])
def test_compiled_catalog_is_up_to_date(language):
    with (LOCALE / language / "LC_MESSAGES/django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in catalogue(language):
        if message.pluralizable:
            assert compiled.ngettext(*message.id, 1) == message.string[0]
        elif message.string:
            assert compiled.gettext(message.id) == message.string


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 минута"), (2, "2 минуты"), (5, "5 минут"), (21, "21 минута"), (60, "60 минут")],
)
def test_russian_plurals_of_minutes(count, words):
    with translation.override("ru"):
        assert minutes(count) == words


def test_schedule_in_english(make_webinar):
    make_webinar()
    client = Client()
    client.post("/i18n/setlang/", {"language": "en", "next": "/webinars/"})
    page = client.get("/webinars/").content.decode()
    assert "Book your seat" in page
    assert "60 minutes" in page
