"""A session cookie alone is not enough to take over an account: password prompts, invalidated links, notifications."""

from __future__ import annotations

import itertools
import re

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.services import close_account
from efir.audit.models import AuditEntry
from efir.telegram import linking, notices, updates
from efir.telegram.models import LinkToken, TelegramChat
from tests.conftest import PASSWORD, SYSTEM, logged_in
from tests.support.telegram import linked, with_accepted_bot

pytestmark = pytest.mark.django_db

NEW = "sovsem-novyj-7"
LINK, QR, UNLINK = "/account/telegram/link", "/account/telegram/qr", "/account/telegram/unlink"
MINUTE, HOUR = 60, 3600
CHAT = 900_000_000_001
HTML = {"accept": "text/html"}
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _bot(clock, settings):
    with_accepted_bot(settings, public_url="https://efir.example.org")


@pytest.fixture
def person(make_person):
    return make_person(login="anna@example.ru", name="Анна", password=PASSWORD)


@pytest.fixture
def browser(person):
    return logged_in(person)


def start(token, chat_id=CHAT):
    """Press Start in a chat, and say yes if the bot asks. Return the last answer's text."""
    message = {"chat": {"id": chat_id, "type": "private"}, "text": f"/start {token}"}
    reply = updates.process_update({"update_id": next(_numbers), "message": message})
    return reply.text if reply else ""


def token_of(browser, **fields):
    return browser.post(LINK, fields).json()["url"].partition("?start=")[2]


def entries():
    """Return the audit log without the consents with which people begin: (action, id of the person affected)."""
    found = AuditEntry.objects.exclude(action="consent_given").order_by("pk")
    return list(found.values_list("action", "person_id"))


def actions():
    return [action for action, _ in entries()]


def told():
    """Return what the bot would send now: purpose → chat."""
    return {claim.purpose: claim.chat_id for claim in notices.claim_notices(10)}


class TestPasswordAgain:
    @pytest.mark.parametrize("address", [LINK, QR])
    def test_fresh_login_is_not_asked(self, browser, clock, address):
        clock.move(9 * MINUTE)
        assert browser.post(address, headers=HTML).status_code in (200, 302)
        assert LinkToken.objects.count() == 1

    @pytest.mark.parametrize("address", [LINK, QR])
    def test_older_login_is_asked(self, browser, clock, address):
        clock.move(11 * MINUTE)
        page = browser.post(address, headers=HTML)
        assert 'name="password"' in page.content.decode()
        wrong = browser.post(address, {"password": "x"}, headers=HTML)
        assert "Пароль не подходит." in wrong.content.decode()
        assert browser.post(address).json()["error"] == "password_required"
        assert not LinkToken.objects.exists()

    def test_right_password_goes_on_and_counts_for_ten_minutes(self, browser, clock):
        clock.move(11 * MINUTE)
        answer = browser.post(LINK, {"password": PASSWORD}, headers=HTML)
        assert answer["Location"].startswith("https://t.me/")
        clock.move(9 * MINUTE)
        assert browser.post(LINK).status_code == 200
        clock.move(2 * MINUTE)
        assert browser.post(LINK).status_code == 403

    def test_login_in_another_browser_does_not_count(self, browser, person, clock):
        clock.move(11 * MINUTE)
        Client().post("/login/", {"username": person.login, "password": PASSWORD})
        assert browser.post(LINK).status_code == 403

    def test_session_of_the_release_before_is_asked(self, browser):
        session = browser.session
        del session["password_typed_at"]
        session.save()
        assert browser.post(LINK).status_code == 403

    def test_guessing_is_limited(self, browser, clock):
        clock.move(11 * MINUTE)
        codes = [browser.post(LINK, {"password": "x"}).status_code for _ in range(21)]
        assert codes == [403] * 20 + [429]

    @pytest.mark.parametrize(
        ("address", "fields"),
        [
            (
                "/account/people/",
                {"name": "Вор", "login": "thief@example.ru", "role": "admin", "inviter": ""},
            ),
            ("/account/people/{own}/password_reset", {}),
            ("/account/people/{other}/password_reset", {}),
            ("/account/people/{other}/role", {"role": "admin", "confirmed": "yes"}),
        ],
    )
    def test_admin_is_asked_before_giving_access_away(self, make_person, clock, address, fields):
        admin, other = make_person(Role.ADMIN, password=PASSWORD), make_person()
        client, address = logged_in(admin), address.format(own=admin.pk, other=other.pk)
        clock.move(11 * MINUTE)
        page = client.post(address, fields, headers=HTML)
        assert 'name="password"' in page.content.decode()
        assert not re.search("/account/reset/", page.content.decode())
        assert Person.objects.get(pk=other.pk).role == "candidate"
        assert not Person.objects.filter(login="thief@example.ru").exists()
        # What was typed comes along to the page that asks.
        for name, value in fields.items():
            assert f'name="{name}" value="{value}"' in page.content.decode()
        client.post(address, fields | {"password": PASSWORD, "confirmed": "yes"}, headers=HTML)
        assert set(actions()) & {"person_added", "role_assigned", "password_link_made"}


class TestLinkToken:
    @pytest.mark.parametrize(
        "end", ["password", "reset", "logout", "end_sessions", "unlink", "minutes", "closed"]
    )
    def test_token_expires(self, browser, person, clock, end):
        token = token_of(browser)
        match end:
            case "password":
                new = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
                assert browser.post("/account/password/", new).status_code == 302
            case "reset":
                person.set_password(NEW)
                person.save()
            case "logout":
                browser.post("/logout/")
            case "end_sessions":
                logged_in(person).post("/account/sessions/end")
            case "unlink":
                browser.post(UNLINK)
            case "minutes":
                clock.move(15 * MINUTE)
            case "closed":
                close_account(person, SYSTEM)
        start(token)
        assert not TelegramChat.objects.exists()

    def test_token_lives_for_its_minutes(self, browser, clock):
        token = token_of(browser)
        clock.move(14 * MINUTE)
        start(token)
        assert TelegramChat.objects.get().chat_id == CHAT

    def test_stop_in_the_chat_ends_tokens(self, browser, person):
        chat, token = linked(person), token_of(browser)
        message = {"chat": {"id": chat.chat_id, "type": "private"}, "text": "/stop"}
        updates.process_update({"update_id": next(_numbers), "message": message})
        start(token)
        assert not TelegramChat.objects.exists()

    def test_no_session_key_is_stored(self, browser):
        token_of(browser)
        assert browser.session.session_key not in str(LinkToken.objects.values().get())


class TestMovedChat:
    def test_old_chat_is_told_of_a_move(self, browser, person):
        old = linked(person)
        start(token_of(browser))
        assert TelegramChat.objects.get().chat_id == CHAT
        (claim,) = notices.claim_notices(10)
        assert (claim.purpose, claim.chat_id) == ("chat_moved", old.chat_id)
        assert "другой чат" in claim.compose().text

    def test_old_chat_is_told_of_an_unlink(self, browser, person):
        old = linked(person)
        browser.post(UNLINK)
        assert told() == {"chat_unlinked": old.chat_id}

    def test_each_old_chat_is_told(self, browser, person):
        linked(person)
        for chat_id in (CHAT, CHAT + 1, CHAT + 2):
            start(token_of(browser), chat_id)
        assert len(notices.claim_notices(10)) == 3

    def test_notice_waits_for_a_bot_that_is_down(self, browser, person, clock):
        old = linked(person)
        browser.post(UNLINK)
        clock.move(2 * HOUR)
        assert told() == {"chat_unlinked": old.chat_id}

    @pytest.mark.parametrize("way", ["move", "unlink", "stop"])
    def test_no_reset_by_chat_for_a_day(self, browser, person, clock, way):
        old = linked(person)
        if way == "unlink":
            browser.post(UNLINK)
        if way == "stop":
            message = {"chat": {"id": old.chat_id, "type": "private"}, "text": "/stop"}
            updates.process_update({"update_id": next(_numbers), "message": message})
        start(token_of(browser))
        assert "24" in browser.get("/account/").content.decode()  # 24 November, the day after
        notices.claim_notices(10)
        Client().post("/login/forgotten/", {"username": person.login})
        (claim,) = notices.claim_notices(10)
        message = claim.compose()
        assert claim.chat_id == CHAT
        assert "/account/reset/" not in str(message)
        assert "24 ноября в 19:00" in message.text
        assert "администратор" in message.text
        notices.requeue_notice(claim)
        clock.move(24 * HOUR)
        Client().post("/login/forgotten/", {"username": person.login})
        (claim,) = notices.claim_notices(10)
        assert "/account/reset/" in str(claim.compose())

    def test_first_link_allows_a_reset_at_once(self, browser, person):
        start(token_of(browser))
        Client().post("/login/forgotten/", {"username": person.login})
        (claim,) = notices.claim_notices(10)
        assert "/account/reset/" in str(claim.compose())

    def test_same_chat_again_is_no_move(self, browser, person):
        linked(person)
        TelegramChat.objects.update(chat_id=CHAT)
        start(token_of(browser))
        assert not notices.claim_notices(10)
        assert not TelegramChat.objects.get().reset_from


class TestAuditLog:
    def test_link_move_and_unlink_are_recorded(self, browser):
        start(token_of(browser))
        start(token_of(browser), CHAT + 1)
        browser.post(UNLINK)
        start(token_of(browser), CHAT + 2)
        message = {"chat": {"id": CHAT + 2, "type": "private"}, "text": "/stop"}
        updates.process_update({"update_id": next(_numbers), "message": message})
        linked_again = ["telegram_linked", "telegram_unlinked"]
        assert actions() == ["telegram_linked", "telegram_moved", "telegram_unlinked", *linked_again]
        assert set(AuditEntry.objects.values_list("person_id", flat=True)) == {Person.objects.get().pk}
        assert str(CHAT) not in str(list(AuditEntry.objects.values()))

    def test_chat_taken_by_another_account_is_recorded_for_both(self, person, make_person):
        other = make_person()
        TelegramChat.objects.create(person=other, chat_id=CHAT)
        linking.link(person, CHAT)
        assert entries() == [("telegram_unlinked", other.pk), ("telegram_linked", person.pk)]

    def test_password_changes_are_recorded(self, browser, person, make_person):
        new = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
        browser.post("/account/password/", new)
        page = logged_in(make_person(Role.ADMIN)).post(f"/account/people/{person.pk}/password_reset")
        link = re.search(r"https://efir.example.org(/account/reset/[^\"]+)", page.content.decode())[1]
        Client().post(link, {"new_password1": PASSWORD, "new_password2": PASSWORD})
        assert actions() == ["password_changed", "password_link_made", "password_reset"]

    def test_audit_page_names_them(self, browser, make_person):
        start(token_of(browser))
        start(token_of(browser), CHAT + 1)
        browser.post(UNLINK)
        page = logged_in(make_person(Role.ADMIN)).get("/account/audit/").content.decode()
        for label in ("привязка Telegram", "перенос Telegram в другой чат", "отвязка Telegram"):
            assert label in page


class TestPasswordChange:
    NEW = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    def test_chat_is_told(self, browser, person):
        chat = linked(person)
        browser.post("/account/password/", self.NEW)
        assert told() == {"password_changed": chat.chat_id}

    def test_chat_is_told_of_an_admins_link(self, person, make_person):
        chat = linked(person)
        logged_in(make_person(Role.ADMIN)).post(f"/account/people/{person.pk}/password_reset")
        (claim,) = notices.claim_notices(10)
        assert (claim.purpose, claim.chat_id) == ("password_link_made", chat.chat_id)
        assert "администратор" in claim.compose().text

    def test_other_sessions_end(self, browser, person):
        other = logged_in(person)
        browser.post("/account/password/", self.NEW)
        assert [each.get("/account/").status_code for each in (browser, other)] == [200, 302]
