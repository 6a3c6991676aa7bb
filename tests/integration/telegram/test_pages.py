"""Linking from the account page, what pages show of Telegram, and its health."""

from __future__ import annotations

import re

import pytest
import segno
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test import Client
from django.utils.dateparse import parse_datetime

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.fake_botapi import FakeBotApi, ResponseKind, running
from efir.telegram.bot import lease
from efir.telegram.health import bot_health
from efir.telegram.link_tokens import hash_of
from efir.telegram.message_list import list_messages
from efir.telegram.models import LinkToken, OutboxMessage, TelegramChat
from efir.telegram.reachability import link_status
from tests.conftest import logged_in
from tests.support.telegram import classified, held, linked, with_accepted_bot, with_bot

pytestmark = pytest.mark.django_db

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html"}


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def browser(person):
    return logged_in(person)


@pytest.fixture
def bot(settings):
    with_accepted_bot(settings)


def test_link_as_json(browser, bot):
    answer = browser.post("/account/telegram/link", headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["url"].startswith("https://t.me/efir_test_bot?start=")
    assert LinkToken.objects.count() == 1


def test_link_redirects_to_telegram(browser, bot):
    answer = browser.post("/account/telegram/link", headers=HTML)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "https://t.me/efir_test_bot")


@pytest.mark.parametrize(("headers", "status", "to"), [(JSON, 503, None), (HTML, 302, "/account/")])
def test_no_link_without_a_bot(browser, headers, status, to):
    answer = browser.post("/account/telegram/link", headers=headers)
    assert (answer.status_code, answer.get("Location")) == (status, to)


@pytest.mark.parametrize("result", ["7", "[]", "null", '{"id":42}', '{"username":7}', "[" * 100_000])
def test_no_link_if_the_bot_answers_strangely(browser, settings, result):
    strange = FakeBotApi()
    strange.respond_with(kind=ResponseKind.RAW, body=f'{{"ok":true,"result":{result}}}')
    with running(strange) as address:
        with_bot(settings, telegram_api=address)
        answer = browser.post("/account/telegram/link", headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (503, "telegram_not_available")
    assert LinkToken.objects.count() == 0


def test_link_is_rate_limited_per_person(browser, make_person, bot):
    paths = ["/account/telegram/link", "/account/telegram/qr"] * 6
    answers = [browser.post(path, headers=JSON) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert (answers[-1]["Retry-After"], answers[-1].json()["error"]) == ("600", "too_often")
    assert LinkToken.objects.count() == 10
    page = browser.post("/account/telegram/link", headers=HTML)
    assert (page.status_code, page["Retry-After"]) == (429, "600")
    assert "откройте последнюю или возьмите новую через 10 минут" in page.content.decode()
    other = logged_in(make_person())
    assert other.post("/account/telegram/link", headers=JSON).status_code == 200


class TestQr:
    def test_qr_code_holds_the_shown_link(self, browser, bot):
        answer = browser.post("/account/telegram/qr", headers=HTML)
        page = answer.content.decode()
        url = re.search(r'value="(https://t\.me/[^"]+)"', page)[1]
        assert url.startswith("https://t.me/efir_test_bot?start=")
        assert modules_of(page) == [list(row) for row in segno.make(url, error="m", micro=False).matrix]
        assert LinkToken.objects.get().token_hash == hash_of(url.partition("?start=")[2])

    def test_qr_page_is_not_cached_and_has_nothing_inline(self, browser, bot):
        answer = browser.post("/account/telegram/qr", headers=HTML)
        assert "no-store" in answer["Cache-Control"]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", answer.content.decode())
        assert 'name="next" value="/account/"' in answer.content.decode()

    def test_each_qr_code_is_a_new_link(self, browser, bot):
        pages = {browser.post("/account/telegram/qr").content for _ in range(2)}
        assert len(pages) == 2
        assert LinkToken.objects.count() == 2

    def test_no_link_without_a_bot(self, browser):
        assert browser.post("/account/telegram/qr", headers=HTML).url == "/account/"


def modules_of(page):
    """The dark modules of the code as the page draws it: the strokes of one path, row by row."""
    drawn = page.split('stroke="#000" d="')[1].split('"')[0]
    size = int(re.search(r'viewBox="0 0 (\d+)', page)[1])
    matrix = [[0] * size for _ in range(size)]
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", drawn):
        values = [float(number) for number in numbers.split()]
        if command == "h":
            matrix[int(y)][int(x) : int(x + values[0])] = [1] * int(values[0])
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    return [row[4:-4] for row in matrix[4:-4]]


OWN = ["link", "qr", "unlink", "test"]


@pytest.mark.parametrize("path", [f"/account/telegram/{name}" for name in OWN])
def test_buttons_need_login_and_post(path, client, browser, bot):
    assert client.post(path)["Location"] == "/login/?next=/account/"
    assert browser.get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert strict.post(path).status_code == 403


def test_unlink_deletes_the_chat(browser, person):
    linked(person)
    assert browser.post("/account/telegram/unlink", headers=JSON).json() == {"linked": False}
    assert browser.post("/account/telegram/unlink", headers=HTML)["Location"] == "/account/"
    assert not TelegramChat.objects.exists()


def panel(person):
    context = {"telegram": link_status(person), "csrf_token": "csrf-of-the-page"}
    return render_to_string("telegram/link_panel.html", context)


def test_panel_offers_the_link(person, bot):
    shown = panel(person)
    assert 'action="/account/telegram/link"' in shown
    assert "csrf-of-the-page" in shown
    assert "Привязать Telegram" in shown
    assert 'action="/account/telegram/qr"' in shown


def test_panel_comes_first_after_sign_up(client, bot):
    form = {"name": "Ева", "username": "eva@example.ru", "password": "kandidat-2026", "consent": "on"}
    page = client.post("/signup/", form, follow=True).content.decode()
    assert page.count('id="telegram"') == 1
    assert page.index("Привяжите Telegram") < page.index('id="next-webinar"')
    linked(Person.objects.get(login="eva@example.ru"))
    page = client.get("/account/").content.decode()
    assert page.count('id="telegram"') == 1
    assert page.index('id="telegram"') > page.index('id="next-webinar"')


def test_panel_of_a_linked_person_offers_unlink(person, bot):
    linked(person)
    shown = panel(person)
    assert "badge--sent" in shown
    assert 'action="/account/telegram/unlink"' in shown
    assert 'action="/account/telegram/test"' in shown


def test_panel_says_why_the_chat_is_unreachable(person, bot):
    linked(person, reachable=False)
    TelegramChat.objects.update(unreachable_reason="blocked")
    shown = panel(person)
    assert "бот заблокирован в Telegram" in shown
    assert 'action="/account/telegram/link"' in shown


def test_panel_says_that_there_is_no_bot(person):
    assert "<form" not in panel(person)


def table(webinar, number=""):
    query = QueryDict(f"messages={number}" if number else "")
    return render_to_string("telegram/messages.html", {"message_list": list_messages(webinar, query)})


def test_table_shows_the_state_of_each_message(make_person, make_webinar):
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
    assert 'datetime="2026-11-23T16:05:00Z"' in shown
    assert "Forbidden: &lt;blocked&gt;" in shown


def test_table_needs_four_queries(make_person, make_webinar, django_assert_num_queries, bot):
    webinar = make_webinar("finished")
    classified(webinar, [make_person() for _ in range(5)], "no_show")
    with django_assert_num_queries(4):
        table(webinar)


def test_table_has_pages_of_fifty(make_person, make_webinar):
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


def test_table_shows_progress(make_person, make_webinar, bot):
    webinar = make_webinar("finished")
    linked(lead := make_person(invited_by=make_person(Role.PARTNER)))
    classified(webinar, [lead], "no_show")
    assert "Отправлено 0 из 3 · ждут: 3" in table(webinar)
    assert "data-busy" in table(webinar)  # the page looks again by itself
    OutboxMessage.objects.filter(kind="candidate_followup").update(state="sent")
    OutboxMessage.objects.filter(kind="partner_attendance").update(state="failed")
    shown = table(webinar)
    assert '<progress max="3" value="1"' in shown
    assert "Отправлено 1 из 3 · ждут: 1 · не доставлено: 1" in shown
    assert "data-busy" not in shown


def test_bot_health(clock, settings):
    assert bot_health().state == "not_configured"
    with_bot(settings)
    assert bot_health().state == "dispatcher_down"
    holder = held()
    assert bot_health().state == "ok"
    lease.mark_token_rejected("Unauthorized")
    assert bot_health().state == "bot_rejected"
    lease.mark_token_accepted("efir_test_bot")
    clock.move(15)
    assert bot_health().state == "dispatcher_down"
    lease.acquire(holder)
    assert bot_health().state == "ok"
    lease.release(holder)
    assert bot_health().state == "dispatcher_down"
