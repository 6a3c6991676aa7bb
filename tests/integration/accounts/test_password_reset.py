"""Password reset: the same answer for every login, and a link through the person's linked chat."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.telegram import notices
from efir.telegram.bot.outcomes import (
    ChatMoved,
    ChatUnreachable,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Sent,
    TokenRejected,
)
from efir.telegram.models import ChatNotice, Purpose, TelegramChat
from efir.web.rate_limit import LIMITS
from tests.conftest import PASSWORD, logged_in
from tests.support.telegram import linked, with_bot

pytestmark = pytest.mark.django_db

ADDRESS = "/login/forgotten/"


@pytest.fixture(autouse=True)
def _bot(clock, settings):
    with_bot(settings, public_url="https://efir.example.org")


@pytest.fixture
def person(make_person):
    return make_person(login="anna@example.ru", name="Анна <b>", password=PASSWORD)


@pytest.fixture
def chat(person):
    return linked(person)


def ask(login, client=None, **extra):
    return (client or Client()).post(ADDRESS, {"username": login}, **extra)


def link_in(message):
    ((_label, address),) = message.buttons
    assert address.startswith("https://efir.example.org/account/reset/")
    return address.removeprefix("https://efir.example.org")


class TestPage:
    def test_login_page_links_to_the_form(self):
        assert f'href="{ADDRESS}"' in Client().get("/login/").content.decode()
        page = Client().get(ADDRESS)
        assert 'name="username"' in page.content.decode()
        assert "no-store" in page["Cache-Control"]

    def test_every_login_gets_same_answer_and_queries(self, make_person, person, chat):
        linked(make_person(login="blocked@example.ru"), reachable=False)
        make_person(login="unlinked@example.ru")
        linked(closed := make_person(login="closed@example.ru"))
        type(closed).objects.filter(pk=closed.pk).update(is_active=False)
        logins = [
            "anna@example.ru",
            "blocked@example.ru",
            "unlinked@example.ru",
            "closed@example.ru",
            "nobody@x.ru",
        ]
        answers, costs = set(), set()
        for number, login in enumerate(logins):
            with CaptureQueriesContext(connection) as queries:
                answer = ask(login, REMOTE_ADDR=f"10.0.0.{number}")
            answers.add((answer.status_code, re.sub(r'value="\w{64}"', "", answer.content.decode())))
            costs.add(tuple(re.sub(r"'[^']*'|\d", "?", query["sql"]) for query in queries))
        assert len(answers) == 1
        assert len(costs) == 1
        assert "Если такой аккаунт есть" in answers.pop()[1]
        assert not any("accounts_person" in sql for sql in costs.pop())

    @pytest.mark.parametrize("login", ["", " ", "a\x00b", "x" * 300])
    def test_invalid_login_is_an_error(self, login):
        answer = ask(login)
        assert answer.status_code == 200
        assert 'class="error"' in answer.content.decode()
        assert not ChatNotice.objects.exists()

    def test_without_bot_there_is_no_form(self, settings, person):
        settings.EFIR = replace(settings.EFIR, telegram_token="")
        assert (
            "<form method" not in Client().get(ADDRESS).content.decode().split("<main")[1].split("</main")[0]
        )
        ask("anna@example.ru")
        assert not ChatNotice.objects.exists()

    def test_csrf_token_is_required(self):
        assert ask("anna@example.ru", Client(enforce_csrf_checks=True)).status_code == 403


class TestLimits:
    def test_requests_for_one_login_from_one_address_are_limited(self, person, chat):
        answers = [ask("anna@example.ru").status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        late = ask(" ANNA@example.ru ")
        assert (late.status_code, late["Retry-After"]) == (429, "900")
        assert ask("nobody@example.ru").status_code == 200
        assert ask("anna@example.ru", REMOTE_ADDR="10.0.0.9").status_code == 200

    def test_unknown_login_is_limited_alike(self):
        assert [ask("nobody@example.ru").status_code for _ in range(4)] == [200, 200, 200, 429]

    def test_address_is_never_refused(self, person, chat):
        """Its requests are slowed down by the edge: a hall of people may be behind it."""
        assert {ask(f"n{number}@example.ru").status_code for number in range(70)} == {200}
        ask(person.login)
        (claim,) = notices.claim_notices(1)
        assert claim.chat_id == chat.chat_id
        assert not ChatNotice.objects.exclude(login=person.login).exists()

    def test_links_for_one_login_are_limited_silently(self, person, chat):
        for number in range(12):
            assert ask("anna@example.ru", REMOTE_ADDR=f"10.0.1.{number}").status_code == 200
            ChatNotice.objects.all().delete()
        ask("anna@example.ru", REMOTE_ADDR="10.0.2.1")
        assert not ChatNotice.objects.exists()


class TestLink:
    def test_link_goes_to_the_chat_and_works_once(self, person, chat):
        ask("Anna@Example.ru")
        (claim,) = notices.claim_notices(10)
        assert claim.chat_id == chat.chat_id
        message = claim.compose()
        assert "Анна &lt;b&gt;" in message.text
        client = Client()
        address = link_in(message)
        assert client.get(address).status_code == 200
        new = {"new_password1": "совсем-новый-7", "new_password2": "совсем-новый-7"}
        assert client.post(address, new).url == "/login/"
        assert client.get(address).status_code == 404
        person.refresh_from_db()
        assert person.check_password("совсем-новый-7")

    def test_reset_lifts_the_login_limit(self, person, chat):
        client = Client()
        for _ in range(LIMITS["login_failures"].count + 1):
            client.post("/login/", {"username": person.login, "password": "не тот"})
        assert client.post("/login/", {"username": person.login, "password": PASSWORD}).status_code == 429
        ask(person.login)
        address = link_in(notices.claim_notices(1)[0].compose())
        client.post(address, {"new_password1": "совсем-новый-7", "new_password2": "совсем-новый-7"})
        answer = client.post("/login/", {"username": person.login, "password": "совсем-новый-7"})
        assert answer.status_code == 302

    def test_link_expires_after_a_day(self, clock, person, chat, monkeypatch):
        ask(person.login)
        address = link_in(notices.claim_notices(1)[0].compose())
        later = datetime.now() + timedelta(days=1, minutes=1)  # noqa: DTZ005  # naive, as in Django's generator
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _self: later)
        assert Client().get(address).status_code == 404

    @pytest.mark.parametrize("who", ["nobody", "unlinked", "blocked", "closed"])
    def test_unreachable_person_gets_no_link(self, person, who):
        if who == "blocked":
            linked(person, reachable=False)
        if who == "closed":
            linked(person)
            type(person).objects.update(is_active=False)
        ask("nobody@example.ru" if who == "nobody" else person.login)
        assert notices.claim_notices(10) == []
        assert not ChatNotice.objects.exists()

    def test_link_goes_to_the_chat_of_the_login_only(self, make_person, person, chat):
        other = linked(make_person(login="+79990000001"))
        ask("8 999 000 00 01")
        (claim,) = notices.claim_notices(10)
        assert claim.chat_id == other.chat_id

    def test_no_secret_is_stored_or_logged(self, person, chat, capfd):
        ask(person.login)
        stored = str(list(ChatNotice.objects.values()))
        (claim,) = notices.claim_notices(1)
        address = link_in(claim.compose())
        notices.complete_notice(claim, MessageRefused(f"Bad Request: button URL '{address}' is invalid"))
        logged = "".join(capfd.readouterr())
        token = address.rstrip("/").split("/")[-1]
        assert token not in stored + logged
        assert str(chat.chat_id) not in logged
        assert person.login not in logged


class TestOutcomes:
    @pytest.fixture
    def claim(self, person, chat):
        notices.request_test(person)
        (claim,) = notices.claim_notices(10)
        return claim

    def test_pending_notice_is_not_duplicated(self, person, chat):
        for _ in range(3):
            notices.request_test(person)
        assert len(notices.claim_notices(10)) == 1
        assert notices.claim_notices(10) == []

    @pytest.mark.parametrize("decision", [Sent(7), MessageRefused("no")])
    def test_settled_notice_is_deleted(self, claim, decision):
        notices.complete_notice(claim, decision)
        assert not ChatNotice.objects.exists()

    def test_unreachable_chat_is_marked(self, claim, chat):
        notices.complete_notice(claim, ChatUnreachable("blocked", "Forbidden"))
        chat.refresh_from_db()
        assert (chat.reachable, chat.unreachable_reason) == (False, "blocked")
        assert not ChatNotice.objects.exists()

    def test_moved_chat_is_followed(self, clock, claim, chat):
        notices.complete_notice(claim, ChatMoved(-1009, "moved"))
        clock.move(5)
        assert notices.claim_notices(10)[0].chat_id == -1009
        assert TelegramChat.objects.get().chat_id == -1009

    @pytest.mark.parametrize(
        ("decision", "wait_s"),
        [(RateLimited(30, "429"), 30), (NotSent("ConnectError"), 5), (TokenRejected("401"), 5)],
    )
    def test_unsent_notice_is_retried_until_it_expires(self, clock, claim, decision, wait_s):
        for _ in range(10):
            notices.complete_notice(claim, decision)
            assert notices.claim_notices(10) == []
            clock.move(wait_s)
            (claim,) = notices.claim_notices(10)
        notices.complete_notice(claim, decision)
        clock.move(15 * 60)
        assert notices.claim_notices(10) == []
        assert not ChatNotice.objects.exists()

    def test_uncertain_notice_is_sent_at_most_twice(self, clock, claim):
        notices.complete_notice(claim, OutcomeUnknown("ReadTimeout"))
        assert notices.claim_notices(10) == []
        clock.move(10)
        (again,) = notices.claim_notices(10)
        notices.complete_notice(again, OutcomeUnknown("ReadTimeout"))
        clock.move(10)
        assert notices.claim_notices(10) == []
        assert not ChatNotice.objects.exists()

    def test_notice_of_dead_process_is_taken_over(self, clock, claim):
        clock.move(60)
        (again,) = notices.claim_notices(10)
        assert again.tries == 2
        notices.complete_notice(
            claim, Sent(7)
        )  # the first was only slow: its answer is no longer this call's
        assert ChatNotice.objects.exists()

    def test_requeued_notice_does_not_count_as_try(self, claim):
        notices.requeue_notice(claim)
        (again,) = notices.claim_notices(10)
        assert again.tries == 1

    def test_expired_notice_is_replaced(self, clock, person, claim):
        clock.move(15 * 60)
        notices.request_test(person)
        assert ChatNotice.objects.get().created_at == clock.moment

    def test_purposes_are_independent(self, person, chat):
        notices.request_test(person)
        notices.request_password_reset(login=person.login)
        notices.notify_password_changed(person)
        notices.notify_password_link_made(person)
        notices.notify_codes_guessed(person)
        for action in notices.OF_SECOND_FACTOR:
            notices.notify_second_factor_changed(person, action)
        for old_chat in (Purpose.CHAT_MOVED, Purpose.CHAT_UNLINKED):
            notices.warn_owner(old_chat, person, chat.chat_id)
        assert {claim.purpose for claim in notices.claim_notices(20)} == set(Purpose)


class TestTestMessage:
    """«Проверить: прислать сообщение» on the account page."""

    ADDRESS = "/account/telegram/test"

    @pytest.fixture
    def browser(self, person):
        return logged_in(person)

    def test_test_message_goes_to_own_chat(self, browser, make_person, person, chat):
        linked(make_person(Role.PARTNER))
        assert browser.post(self.ADDRESS, {"login": "someone@else.ru"}).status_code == 202
        (claim,) = notices.claim_notices(10)
        assert claim.chat_id == chat.chat_id
        assert "всё в порядке" in claim.compose().text

    def test_answer_explains_what_happens_next(self, browser, chat):
        answer = browser.post(self.ADDRESS, follow=True, headers={"accept": "text/html"})
        assert "через несколько секунд" in answer.content.decode()

    @pytest.mark.parametrize("has_chat", [False, True])
    def test_reachable_chat_is_required(self, browser, person, has_chat):
        if has_chat:
            linked(person, reachable=False)
        answer = browser.post(self.ADDRESS)
        assert (answer.status_code, answer.json()["error"]) == (409, "not_linked")
        assert not ChatNotice.objects.exists()

    def test_test_messages_are_limited_per_person(self, browser, make_person, chat):
        assert [browser.post(self.ADDRESS).status_code for _ in range(4)] == [202, 202, 202, 429]
        other = logged_in(linked(make_person()).person)
        assert other.post(self.ADDRESS).status_code == 202

    def test_login_post_and_csrf_token_are_required(self, client, browser, chat):
        assert client.post(self.ADDRESS).url == "/login/?next=/account/"
        assert browser.get(self.ADDRESS).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        assert strict.post(self.ADDRESS).status_code == 403
