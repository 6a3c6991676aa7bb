"""The demo in English: nothing that somebody reads in it is Russian."""

from __future__ import annotations

import re
from argparse import Namespace

import pytest
from django.test import Client

from efir.accounts.models import Person
from efir.demo import seed
from efir.demo.texts import ENGLISH, RUSSIAN
from efir.ops.cli import server
from efir.ops.cli.parser import build_parser
from efir.site_settings.models import SiteSettings
from efir.talk.models import Message
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import compose
from efir.webinars.models import Webinar

CYRILLIC = re.compile("[А-Яа-яЁё]+")
# The switch of languages names each in its own; the zone is the site's.
STAY = {"Русский", "МСК"}


def russian_in(text: str) -> set[str]:
    return set(CYRILLIC.findall(text)) - STAY


@pytest.mark.slow
@pytest.mark.django_db
def test_english_demo_has_no_russian():
    seed.seed("en")
    stored = [
        *Person.objects.values_list("name", flat=True),
        *Message.objects.values_list("text", flat=True),
        *SiteSettings.objects.values_list("contact_name", flat=True),
    ]
    for webinar in Webinar.objects.all():
        stored += [webinar.title, webinar.description, webinar.speaker_name]
    assert russian_in(" ".join(stored)) == set()
    messages = list(OutboxMessage.objects.all())
    assert messages
    for message in messages:
        assert russian_in(str(compose([message]))) == set(), compose([message])
    for login, paths in {
        "speaker": ["/admin_webinar/", f"/admin_webinar/{Webinar.objects.earliest('pk').pk}/"],
        "partner": ["/account/"],
        "candidate1": ["/webinars/", "/account/webinars/"],
    }.items():
        client = Client(HTTP_ACCEPT_LANGUAGE="en")
        client.force_login(Person.objects.get(login=login))
        for path in paths:
            page = client.get(path, HTTP_ACCEPT="text/html").content.decode()
            assert russian_in(page) == set(), path


def test_both_languages_say_the_same_things():
    assert RUSSIAN.names.keys() == ENGLISH.names.keys() == seed.PEOPLE.keys()
    assert len(RUSSIAN.later) == len(ENGLISH.later) == len(seed.LATER_IN)


@pytest.mark.parametrize(
    ("words", "locale", "language"),
    [
        ([], "", "ru"),
        ([], "C.UTF-8", "ru"),
        ([], "ru_RU.UTF-8", "ru"),
        ([], "en_GB.UTF-8", "en"),
        (["--language", "en"], "ru_RU.UTF-8", "en"),
        (["--language", "ru"], "en_GB.UTF-8", "ru"),
    ],
)
def test_language_is_the_options_or_the_locales(monkeypatch, words, locale, language):
    asked: list[str] = []
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    monkeypatch.setattr(server.seed, "prepare", lambda **given: asked.append(given["language"]))
    monkeypatch.setattr(server.secret_key, "confirm", lambda: None)
    monkeypatch.setattr(server.processes, "web_component", lambda *_: None)  # which takes the port
    monkeypatch.setattr(server.processes, "run_components", lambda *_: 0)
    options: Namespace = build_parser().parse_args(["demo", *words])
    assert (server.demo(options), asked) == (0, [language])
