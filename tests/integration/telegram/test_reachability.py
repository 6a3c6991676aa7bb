"""The counts of people whom a message can reach, on the speaker's page."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.telegram.bot import lease
from efir.telegram.reachability import LinkCounts, inviters, seat_holders
from efir.webinars import core
from tests.conftest import logged_in
from tests.support.telegram import held, linked, with_bot

pytestmark = pytest.mark.django_db


def seated(webinar, person, link=None):
    core.book_seat(webinar.pk, person)
    if link is not None:
        linked(person, reachable=link)
    return person


def page(person, webinar):
    client = logged_in(person)
    return client.get(f"/admin_webinar/{webinar.pk}/", headers={"accept": "text/html"}).content.decode()


def test_seat_holders_and_their_inviters_are_counted_once(make_person, make_webinar):
    webinar, other = make_webinar(), make_webinar()
    first, second, third = (make_person(Role.PARTNER) for _ in range(3))
    linked(first)
    linked(second, reachable=False)
    for link in (True, True, False, None):
        seated(webinar, make_person(invited_by=first), link)
    seated(webinar, make_person(invited_by=second))
    seated(webinar, make_person())
    seated(other, make_person(invited_by=third), True)
    assert seat_holders(webinar) == LinkCounts(reachable=2, blocked=1, not_linked=3)
    assert inviters(webinar) == LinkCounts(reachable=1, blocked=1, not_linked=0)
    assert (seat_holders(other).total, inviters(other)) == (1, LinkCounts(0, 0, 1))


@pytest.mark.parametrize(
    ("state", "shown"), [("draft", 0), ("scheduled", 1), ("live", 1), ("paused", 1), ("finished", 0)]
)
def test_reachability_is_shown_until_the_stop(make_person, make_webinar, state, shown):
    assert page(make_person(Role.SPEAKER), make_webinar(state)).count('id="reachability"') == shown


def test_reachability_has_a_constant_number_of_queries(make_person, make_webinar):
    speaker, costs = make_person(Role.SPEAKER), []
    few, many = make_webinar(), make_webinar()
    for webinar, number in ((few, 1), (many, 12)):
        for _ in range(number):
            seated(webinar, make_person(invited_by=make_person(Role.PARTNER)), True)
    page(speaker, few)
    for webinar in (few, many):
        with CaptureQueriesContext(connection) as queries:
            shown = page(speaker, webinar)
        costs.append(len(queries))
        assert "С местом на вебинаре" in shown
    assert costs[0] == costs[1]


def test_reachability_shows_the_bots_health(make_person, make_webinar, settings):
    speaker, webinar = make_person(Role.SPEAKER), make_webinar()
    assert "Telegram не подключён к сайту" in page(speaker, webinar)
    with_bot(settings)
    assert "Отправка сейчас не работает" in page(speaker, webinar)
    held()
    lease.mark_token_accepted("efir_test_bot")
    assert "data-trouble" not in page(speaker, webinar)
    lease.mark_token_rejected("Unauthorized")
    assert "Telegram не принимает токен бота" in page(speaker, webinar)
