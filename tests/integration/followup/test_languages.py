"""Messages are in the language that the recipient chose for the interface."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.services import create_person
from efir.hooks.actions import Context, Source
from efir.site_settings import current
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox.message_types import compose
from efir.telegram.updates import process_update
from tests.integration.telegram.test_updates import CHAT, token_for
from tests.support.telegram import classified, with_accepted_bot

pytestmark = pytest.mark.django_db


def choose(client: Client, language: str) -> None:
    client.post("/i18n/setlang/", {"language": language, "next": "/webinars/"})


def messages_to(person: Person) -> list[str]:
    rows = OutboxMessage.objects.filter(person=person).order_by("kind")
    return [compose([row]).text for row in rows]


def test_partner_and_candidate_each_get_their_own_language(as_role, make_person, make_webinar):
    partner = as_role(Role.PARTNER)
    choose(partner, "en")
    lead = make_person(invited_by=partner.person)
    classified(make_webinar("finished"), [lead], "stayed_to_end")
    (to_partner,) = messages_to(partner.person)
    assert "has ended" in to_partner
    assert "Кандидат" not in to_partner
    (to_lead,) = messages_to(lead)
    assert "спасибо" in to_lead


def test_choice_as_a_guest_is_kept_by_the_sign_up():
    client = Client()
    choose(client, "en")
    given = {"name": "Eva", "username": "eva@example.org", "password": "eva-password-2026", "consent": "on"}
    client.post("/signup/", given)
    assert Person.objects.get(login="eva@example.org").language == "en"


def test_login_on_another_device_shows_the_language_that_was_chosen(make_person):
    person = make_person(login="eva@example.org", password="eva-password-2026")
    Person.objects.filter(pk=person.pk).update(language="en")
    client = Client()
    client.post("/login/", {"username": person.login, "password": "eva-password-2026"})
    assert 'lang="en"' in client.get("/account/").content.decode()


def test_choice_on_this_device_stands_at_the_login(make_person):
    person = make_person(login="eva@example.org", password="eva-password-2026")
    client = Client()
    choose(client, "en")
    client.post("/login/", {"username": person.login, "password": "eva-password-2026"})
    assert Person.objects.get(pk=person.pk).language == "en"


def test_unknown_language_is_not_stored(as_role):
    client = as_role(Role.CANDIDATE)
    choose(client, "xx")
    assert Person.objects.get(pk=client.person.pk).language == ""


def test_cross_site_form_has_no_session():
    assert django_settings.SESSION_COOKIE_SAMESITE == "Lax"


def test_bot_answers_in_the_language_of_the_person(settings):
    with_accepted_bot(settings)
    person = create_person(
        login="eva@example.org", name="Eva", role=Role.CANDIDATE, password=None, consented=True, language="en"
    )
    token = token_for(person)

    def said(number: int, text: str) -> str:
        message = {"chat": {"id": CHAT, "type": "private"}, "text": text}
        reply = process_update({"update_id": number, "message": message})
        assert reply is not None
        return reply.text

    assert "Hello" not in said(1, "/start")
    assert "All set, Eva!" in said(2, f"/start {token}")
    assert "Thank you" in said(3, "good evening")


def test_default_is_the_sites_language(make_person, make_webinar):
    current.save({"language": "en"}, Context(None, Source.CLI))
    lead = make_person()
    classified(make_webinar("finished"), [lead], "stayed_to_end")
    (text,) = messages_to(lead)
    assert "thank you" in text.lower()
