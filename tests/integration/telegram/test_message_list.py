"""The list of a webinar's messages: its texts, its access, and sending again."""

from __future__ import annotations

import json
import re
from argparse import Namespace

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from efir.accounts.capabilities import Role
from efir.ops.cli import commands
from efir.ops.cli.listings import outbox as outbox_lines
from efir.telegram.bot import lease
from efir.telegram.models import HELD_BY_RESTORE, OutboxMessage, TelegramChat
from tests.support.telegram import classified, linked, with_accepted_bot, with_bot

pytestmark = pytest.mark.django_db

HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def admin(as_role):
    return as_role(Role.ADMIN)


@pytest.fixture
def bot(settings, clock):
    with_accepted_bot(settings)


@pytest.fixture
def webinar(make_person, make_webinar):
    """Three candidates with two messages each; one message has failed, one has an unknown outcome, one was sent."""
    webinar = make_webinar("finished")
    leads = [make_person(name=f"Кандидат {name}") for name in "АБВ"]
    linked(leads[0])
    classified(webinar, leads, "no_show")
    put(leads[0], state="failed", error="Forbidden: bot was blocked by the user", attempts=1)
    put(leads[1], state="uncertain", error="ReadTimeout", attempts=2, uncertain_count=2)
    put(leads[2], state="sent")
    return webinar


def put(lead, **fields):
    OutboxMessage.objects.filter(lead=lead, kind="candidate_followup").update(**fields)


def the(state):
    return OutboxMessage.objects.get(state=state)


def page(client, webinar, query=""):
    answer = client.get(f"/admin_webinar/{webinar.pk}/{query}", **HTML)
    assert answer.status_code == 200
    return answer.content.decode()


def board(client, webinar, query=""):
    return page(client, webinar, query).split('id="messages"')[1].split("</section>")[0]


def rows(text):
    return text.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]


class TestBoard:
    def test_row_shows_state_reason_attempts_and_time(self, clock, admin, webinar):
        shown = {
            re.search(r"badge--(\w+)", row)[1]: row
            for row in rows(board(admin, webinar))
            if "сообщение кандидату" in row
        }
        assert "бот заблокирован в Telegram" in shown["failed"]
        assert "возможно, сообщение дошло" in shown["uncertain"]
        assert "попыток: 2<" in shown["uncertain"]
        assert "создано" in shown["sent"]
        assert ">23.11, 19:00</time>" in shown["sent"]
        assert "Когда, МСК" in board(admin, webinar)
        assert "попыток: 0" not in board(admin, webinar)
        assert "автоматически" in shown["sent"]

    def test_row_shows_what_a_message_waits_for(self, admin, make_person, make_webinar):
        webinar = make_webinar("finished")
        classified(webinar, [make_person(), lead := make_person()], "stayed_to_end")
        linked(lead, reachable=False)
        type(lead.telegramchat).objects.update(unreachable_reason="deactivated")
        shown = board(admin, webinar)
        assert "Telegram не привязан" in shown
        assert "аккаунт Telegram удалён" in shown

    def test_row_names_who_sent_it_again(self, admin, webinar):
        admin.post(f"/admin_webinar/{webinar.pk}/messages/retry")
        (row,) = [row for row in rows(board(admin, webinar)) if "ещё раз: " in row]
        assert f"ещё раз: {admin.person.name}" in row

    @pytest.mark.parametrize(
        ("state", "count"),
        [("failed", 1), ("uncertain", 1), ("waiting_link", 2), ("sent", 1), ("nonsense", 6)],
    )
    def test_filters_by_state(self, admin, webinar, state, count):
        assert len(rows(board(admin, webinar, f"?state={state}"))) == count

    def test_filter_without_messages_says_so(self, admin, webinar):
        OutboxMessage.objects.filter(state="failed").update(state="queued")
        shown = board(admin, webinar, "?state=failed")
        assert "Таких сообщений сейчас нет" in shown
        assert 'aria-current="true">не доставлено <b>0</b>' in shown

    def test_filter_keeps_other_query_parameters(self, admin, webinar):
        shown = board(admin, webinar, "?verdicts=2&messages=3&state=sent&x=%22%3E")
        addresses = re.findall(r'<a href="([^"]*)"', shown)
        assert "?verdicts=2&amp;state=failed&amp;x=%22%3E#messages" in addresses
        assert "?verdicts=2&amp;x=%22%3E#messages" in addresses  # all of them

    def test_pager_keeps_the_filter(self, admin, make_person, make_webinar):
        webinar = make_webinar("finished")
        classified(webinar, [make_person(name=f"Кандидат {n:02}") for n in range(60)], "stayed_to_end")
        shown = board(admin, webinar, "?verdicts=2&state=waiting_link")
        assert 'href="?messages=2&amp;verdicts=2&amp;state=waiting_link#messages"' in shown
        assert len(rows(board(admin, webinar, "?messages=2&state=waiting_link"))) == 10

    def test_list_has_a_constant_number_of_queries(self, admin, make_person, make_webinar):
        few, many = make_webinar("finished"), make_webinar("finished")
        classified(few, [make_person()], "no_show")
        classified(many, [make_person(invited_by=make_person(Role.PARTNER)) for _ in range(12)], "no_show")
        page(admin, few)
        costs = []
        for webinar in (few, many):
            with CaptureQueriesContext(connection) as queries:
                page(admin, webinar)
            costs.append(len(queries))
        assert costs[0] == costs[1]

    def test_progress_polls_while_messages_move(self, admin, webinar, bot):
        island = board(admin, webinar).split('id="messages-progress"')[1].split(">")[0]
        assert "data-island" in island
        assert "data-busy" not in island
        OutboxMessage.objects.filter(state="failed").update(state="queued")
        shown = board(admin, webinar).split('id="messages-progress"')[1]
        assert "data-busy" in shown.split(">")[0]
        assert '<progress max="6" value="1"' in shown

    def test_rejected_token_is_shown(self, admin, webinar, bot):
        assert "data-trouble" not in page(admin, webinar)
        lease.mark_token_rejected("Unauthorized")
        shown = board(admin, webinar)
        assert "Telegram не принимает токен бота" in shown.split('data-trouble="bot_rejected"')[1]
        assert "Telegram: Unauthorized" in shown

    def test_dispatcher_down_is_shown_if_messages_wait(self, admin, webinar, settings):
        with_bot(settings)
        assert "Отправка сейчас не работает" not in board(admin, webinar)
        OutboxMessage.objects.filter(state="failed").update(state="queued")
        assert "Отправка сейчас не работает" in board(admin, webinar)


class TestAccess:
    ACTIONS = ("messages/retry", "messages/{}/retry", "messages/{}/resolve")

    def test_buttons_need_the_capability(self, as_role, webinar):
        mine, theirs = board(as_role(Role.ADMIN), webinar), board(as_role(Role.SPEAKER), webinar)
        assert mine.count("<form") == 3
        assert "data-confirm" in mine
        assert "<form" not in theirs
        assert "Кандидат А" in theirs

    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER, Role.SPEAKER])
    def test_retry_needs_the_capability(self, as_role, webinar, role, action):
        address = f"/admin_webinar/{webinar.pk}/{action.format(the('failed').pk)}"
        client = as_role(role)
        answer = client.post(address, {"delivered": "true"})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert client.post(address, **HTML).status_code == 403
        assert the("failed")
        assert the("uncertain")

    @pytest.mark.parametrize("action", ACTIONS)
    def test_guest_is_sent_to_login(self, webinar, action):
        address = f"/admin_webinar/{webinar.pk}/{action.format(the('failed').pk)}"
        assert Client().post(address).status_code == 403
        assert Client().post(address, **HTML).url.startswith("/login/?next=")

    @pytest.mark.parametrize("action", ACTIONS)
    def test_retry_needs_post_and_csrf_token(self, as_role, webinar, action):
        address = f"/admin_webinar/{webinar.pk}/{action.format(the('failed').pk)}"
        client = as_role(Role.ADMIN, enforce_csrf_checks=True)
        assert client.post(address).status_code == 403
        assert client.get(address).status_code == 405
        assert the("failed")

    @pytest.mark.parametrize("action", ACTIONS)
    def test_message_of_another_webinar_is_not_found(self, admin, webinar, make_webinar, action):
        other = make_webinar("finished")
        for number in (other.pk, 999):
            address = f"/admin_webinar/{number}/{action.format(the('failed').pk)}"
            answer = admin.post(address, {"delivered": "true"})
            if action == "messages/retry" and number == other.pk:
                assert answer.json() == {"webinar_id": other.pk, "retried": 0}
            else:
                assert (answer.status_code, answer.json()["error"]) == (404, "webinar_not_found")
                assert admin.post(address, {"delivered": "true"}, **HTML).status_code == 404
        assert the("failed")


class TestSendingAgain:
    def test_retry_one_failed_message(self, admin, webinar):
        message = the("failed")
        address = f"/admin_webinar/{webinar.pk}/messages/{message.pk}/retry"
        body = {"webinar_id": webinar.pk, "message_id": message.pk}
        assert admin.post(address).json() == body | {"changed": True}
        message.refresh_from_db()
        assert (message.state, message.retried_by) == ("queued", admin.person)
        assert admin.post(address).json() == body | {"changed": False}
        assert "уже разобрались" in admin.post(address, follow=True, **HTML).content.decode()

    def test_retry_all_failed_messages(self, admin, webinar):
        address = f"/admin_webinar/{webinar.pk}/messages/retry"
        assert admin.post(address).json() == {"webinar_id": webinar.pk, "retried": 1}
        assert the("uncertain")
        assert "Повторять нечего" in admin.post(address, follow=True, **HTML).content.decode()

    def test_retry_says_how_many_and_keeps_the_page(self, admin, webinar):
        address = f"/admin_webinar/{webinar.pk}/messages/retry?state=failed&messages=2&next=//evil.example"
        answer = admin.post(address, **HTML)
        assert answer.url == (
            f"/admin_webinar/{webinar.pk}/?state=failed&messages=2&next=%2F%2Fevil.example#messages"
        )
        assert "Снова в очереди: 1 сообщение." in admin.get(answer.url).content.decode()

    @pytest.mark.parametrize(("delivered", "state"), [("true", "sent"), ("false", "queued")])
    def test_resolve_uncertain_message(self, admin, webinar, delivered, state):
        message = the("uncertain")
        address = f"/admin_webinar/{webinar.pk}/messages/{message.pk}/resolve"
        assert admin.post(address, {"delivered": delivered}).json()["changed"] is True
        message.refresh_from_db()
        assert message.state == state
        assert admin.post(address, {"delivered": delivered}).json()["changed"] is False

    @pytest.mark.parametrize("delivered", ["", "yes", "1"])
    def test_resolve_needs_true_or_false(self, admin, webinar, delivered):
        address = f"/admin_webinar/{webinar.pk}/messages/{the('uncertain').pk}/resolve"
        answer = admin.post(address, {"delivered": delivered})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_delivered")
        assert the("uncertain")

    def test_failed_is_not_resolved_and_uncertain_not_retried(self, admin, webinar):
        base = f"/admin_webinar/{webinar.pk}/messages"
        assert not admin.post(f"{base}/{the('failed').pk}/resolve", {"delivered": "true"}).json()["changed"]
        assert not admin.post(f"{base}/{the('uncertain').pk}/retry").json()["changed"]


def reason_of(webinar, **fields):
    message = OutboxMessage.objects.filter(webinar=webinar).earliest("pk")
    OutboxMessage.objects.filter(pk=message.pk).update(**{"error": "", "uncertain_count": 0} | fields)
    (line,) = (each for each in outbox_lines(webinar.pk) if each["id"] == message.pk)
    return line["reason"], line["reason_text"]


class TestCommandLine:
    @pytest.mark.parametrize(
        ("fields", "reason", "russian", "english"),
        [
            ({"state": "waiting_recording"}, "recording_not_published", "запись", "recording"),
            ({"state": "expired"}, "waited_too_long", "слишком долго", "too long"),
            ({"state": "expired", "error": "replaced"}, "replaced", "заменено", "replaced"),
            ({"state": "expired", "error": "no_access"}, "no_access", "доступа", "access"),
            ({"state": "queued", "uncertain_count": 1}, "outcome_unknown", "неизвестен", "unknown"),
            ({"state": "uncertain", "error": HELD_BY_RESTORE}, "held_by_restore", "копии", "backup"),
            ({"state": "queued", "error": "ConnectError"}, "no_connection", "нет связи", "reached"),
            ({"state": "failed", "error": "Forbidden: bot was kicked"}, "kicked", "исключили", "removed"),
            (
                {"state": "failed", "error": "Bad Request: no"},
                "refused_by_telegram",
                "Bad Request",
                "Bad Request",
            ),
        ],
    )
    def test_reason_is_a_code_and_words_of_the_language(self, webinar, fields, reason, russian, english):
        code, words = reason_of(webinar, **fields)
        assert (code, russian in words) == (reason, True), words
        with translation.override("en"):
            code, words = reason_of(webinar, **fields)
            assert (code, english in words) == (reason, True), words

    def test_message_that_is_due_or_sent_has_no_reason(self, webinar):
        assert reason_of(webinar, state="queued") == reason_of(webinar, state="sent") == (None, None)

    def test_unlinked_and_unreachable_chats_are_told_apart(self, webinar):
        first = OutboxMessage.objects.filter(webinar=webinar).earliest("pk").person
        TelegramChat.objects.filter(person=first).update(unreachable_reason="blocked")
        assert reason_of(webinar, state="waiting_link")[0] == "blocked"
        TelegramChat.objects.filter(person=first).delete()
        assert reason_of(webinar, state="waiting_link")[0] == "not_linked"

    @pytest.mark.parametrize(
        ("language", "word"), [("ru_RU.UTF-8", "дважды"), ("en_US.UTF-8", "twice"), ("C", "twice")]
    )
    def test_terminal_speaks_the_operators_language(self, webinar, monkeypatch, capsys, language, word):
        for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("LANG", language)
        assert commands.outbox(Namespace(webinar=webinar.pk, state="uncertain")) == 0
        assert word in json.loads(capsys.readouterr().out)["reason_text"]

    def test_outbox_command_prints_the_same_facts(self, clock, admin, webinar):
        admin.post(f"/admin_webinar/{webinar.pk}/messages/{the('failed').pk}/retry")
        (line,) = outbox_lines(webinar.pk, "queued")
        assert (line["attempts"], line["retried_by"]) == (1, admin.person.login)
        assert line["created_at"] == line["due_at"] == "2026-11-23T16:00:00Z"
        (line,) = outbox_lines(webinar.pk, "uncertain")
        assert line["reason"] == "not_answered_twice"
        assert line["reason_text"] == "Telegram дважды не ответил: возможно, сообщение дошло"
        assert not {"text", "chat_id"} & line.keys()
        assert len(list(outbox_lines(webinar.pk))) == 6
