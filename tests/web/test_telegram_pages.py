"""Linking from the account page, what pages show of Telegram, and its health."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils.dateparse import parse_datetime

from efir.accounts.capabilities import Role
from efir.telegram import lease
from efir.telegram.health import telegram_health
from efir.telegram.models import LinkToken, OutboxMessage, TelegramChat
from tests.telegram_kit import classified, held, linked, with_bot

pytestmark = pytest.mark.django_db

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def browser(person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def bot(settings):
    with_bot(settings)
    held()
    lease.trust("efir_test_bot")


def test_a_program_gets_the_link_as_json(browser, bot):
    answer = browser.post("/account/telegram/link", headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["url"].startswith("https://t.me/efir_test_bot?start=")
    assert LinkToken.objects.count() == 1


def test_a_person_is_sent_into_telegram(browser, bot):
    answer = browser.post("/account/telegram/link", headers=HTML)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "https://t.me/efir_test_bot")


@pytest.mark.parametrize(("headers", "status", "to"), [(JSON, 503, None), (HTML, 302, "/account/")])
def test_without_a_bot_it_says_so(browser, headers, status, to):
    answer = browser.post("/account/telegram/link", headers=headers)
    assert (answer.status_code, answer.get("Location")) == (status, to)


@pytest.mark.parametrize("path", ["/account/telegram/link", "/account/telegram/unlink"])
def test_only_those_who_are_logged_in_may_post(path, client, browser, bot):
    assert client.post(path)["Location"].startswith("/login/")
    assert browser.get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(path).status_code == 403


def test_unlinking_forgets_the_chat(browser, person):
    linked(person)
    assert browser.post("/account/telegram/unlink", headers=JSON).json() == {"linked": False}
    assert browser.post("/account/telegram/unlink", headers=HTML)["Location"] == "/account/"
    assert not TelegramChat.objects.exists()


def panel(person):
    request = RequestFactory().get("/account/")
    request.user = person
    page = Template("{% load telegram_panels %}{% telegram_link_panel %}")
    return page.render(Context({"request": request, "csrf_token": "csrf-of-the-page"}))


def test_the_panel_offers_the_link(person, bot):
    shown = panel(person)
    assert 'action="/account/telegram/link"' in shown
    assert "csrf-of-the-page" in shown
    assert "Привязать Telegram" in shown


def test_the_panel_shows_a_link_and_how_to_undo_it(person, bot):
    linked(person)
    shown = panel(person)
    assert "badge--sent" in shown
    assert 'action="/account/telegram/unlink"' in shown


def test_the_panel_says_why_nobody_is_reached(person, bot):
    linked(person, reachable=False)
    TelegramChat.objects.update(unreachable_reason="blocked")
    shown = panel(person)
    assert "бот заблокирован в Telegram" in shown
    assert 'action="/account/telegram/link"' in shown


def test_the_panel_says_that_there_is_no_bot(person):
    assert "<form" not in panel(person)


def table(webinar, number=""):
    request = RequestFactory().get("/", {"messages": number} if number else {})
    return Template("{% load telegram_panels %}{% telegram_messages webinar %}").render(
        Context({"webinar": webinar, "request": request})
    )


def test_the_table_shows_where_each_message_stands(make_person, make_webinar):
    webinar = make_webinar("finished")
    lead = make_person(name="<Ева>", invited_by=make_person(Role.PARTNER, name="Пётр"))
    linked(lead)
    assert "Сообщений пока нет" in table(webinar)
    classified(webinar, [lead], "no_show")
    OutboxMessage.objects.filter(kind="candidate_followup").update(
        state="sent", attempts=2, sent_at=parse_datetime("2026-11-23T16:05:00Z")
    )
    OutboxMessage.objects.filter(kind="partner_attendance").update(
        state="failed", error="Forbidden: <blocked>"
    )
    shown = table(webinar)
    assert "&lt;Ева&gt;" in shown
    assert "Пётр" in shown
    assert "badge--waiting_recording" in shown
    assert 'datetime="2026-11-23T19:05:00+03:00"' in shown
    assert "Forbidden: &lt;blocked&gt;" in shown


def test_the_table_costs_two_queries(make_person, make_webinar, django_assert_num_queries):
    webinar = make_webinar("finished")
    classified(webinar, [make_person() for _ in range(5)], "no_show")
    with django_assert_num_queries(2):
        table(webinar)


def test_the_table_comes_in_pages_of_fifty(make_person, make_webinar):
    webinar = make_webinar("finished")
    classified(webinar, [make_person(name=f"Кандидат {n:02}") for n in range(30)], "no_show")
    shown = table(webinar)
    assert shown.count("<tr>") == 51
    assert 'href="?messages=2#messages"' in shown
    rest = table(webinar, "2")
    assert rest.count("<tr>") == 11
    assert "Кандидат 29" in rest
    assert "Кандидат 00" not in rest
    assert table(webinar, "x").count("<tr>") == 51


def test_the_table_says_how_far_sending_is(make_person, make_webinar):
    webinar = make_webinar("finished")
    linked(lead := make_person(invited_by=make_person(Role.PARTNER)))
    classified(webinar, [lead], "no_show")
    assert "Отправлено 0 из 3 · ждут: 3" in table(webinar)
    assert "data-recent" in table(webinar)  # the page looks again by itself
    OutboxMessage.objects.filter(kind="candidate_followup").update(state="sent")
    OutboxMessage.objects.filter(kind="partner_attendance").update(state="failed")
    shown = table(webinar)
    assert '<progress max="3" value="1"' in shown
    assert "Отправлено 1 из 3 · ждут: 1 · не доставлено: 1" in shown
    assert "data-recent" not in shown


def test_health_tells_the_truth(clock, settings):
    assert telegram_health() == "not_configured"
    with_bot(settings)
    assert telegram_health() == "dispatcher_down"
    holder = held()
    assert telegram_health() == "ok"
    lease.accuse("Unauthorized")
    assert telegram_health() == "bot_rejected"
    lease.trust("efir_test_bot")
    clock.move(15)
    assert telegram_health() == "dispatcher_down"
    lease.acquire(holder)
    assert telegram_health() == "ok"
    lease.release(holder)
    assert telegram_health() == "dispatcher_down"
