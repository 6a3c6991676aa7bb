"""A flood is refused at the edge; those who moderate, and forms without script, go on to Django."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.conf import settings
from django.test import Client

from efir.accounts.capabilities import Role
from efir.room import hub as hub_module
from efir.talk import rate_limiter
from efir.talk.writing import MAX_ACCEPTED_PER_SECOND
from tests.support.edge import Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(make_webinar, make_person, clock, monkeypatch):
    """Return a function that posts into a room: the status, the body, and how often Django was asked."""
    monkeypatch.setattr(hub_module, "_hub", None)
    room = make_webinar("live")

    def post(role, *, accept="application/json", accepted=MAX_ACCEPTED_PER_SECOND, language="ru"):
        client, key = Client(), ""
        if role:
            client.force_login(make_person(role))
            key = client.cookies[settings.SESSION_COOKIE_NAME].value
        for person in range(accepted):
            with rate_limiter.reserved(room.pk, person):
                pass

        async def scenario():
            site = Site()
            path = f"/account/webinar_room/{room.pk}/messages"
            answer = await site.get(path, key, method="POST", accept=accept, accept_language=language)
            return answer.status, answer.text, site.by_django

        return asyncio.run(scenario())

    return post


@pytest.mark.parametrize(("language", "word"), [("ru", "Отправьте снова"), ("en", "Send it again")])
def test_flood_is_refused_without_django(post, language, word):
    status, text, by_django = post(Role.CANDIDATE, language=language)
    answer = json.loads(text)
    assert (status, answer["error"], by_django) == (429, "talk_busy", 0)
    assert word in answer["detail"]


@pytest.mark.parametrize(
    ("role", "case"),
    [
        (Role.CANDIDATE, {"accepted": MAX_ACCEPTED_PER_SECOND - 1}),
        (Role.CANDIDATE, {"accept": "text/html"}),
        (Role.SPEAKER, {}),
        (None, {}),
    ],
)
def test_all_others_are_left_to_django(post, role, case):
    assert post(role, **case)[2] == 1
