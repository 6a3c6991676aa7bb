"""The dispatcher against the Bot API's double over HTTP: what it sends, when, and which failures it survives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from urllib.parse import quote

import pytest
from django.db import OperationalError, connection

from efir.accounts.capabilities import Role
from efir.fake_botapi import FakeBotApi, ResponseKind, running
from efir.telegram.bot import client, lease
from efir.telegram.dispatcher import poller, replies, sender
from efir.telegram.dispatcher.dispatcher import Dispatcher
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.dispatcher.rate_limiter import CHAT_GAP_S, RateLimiter
from efir.telegram.health import BotHealth, BotState, bot_health
from efir.telegram.link_tokens import chat_of
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.telegram.outbox import claims, completion
from efir.telegram.outbox.queries import release_from_future
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.ports import free_port
from tests.support.site import eventually
from tests.support.telegram import TOKEN, classified, linked, new_payload, with_bot

pytestmark = pytest.mark.django_db(transaction=True)

RECORDING = "https://video.example.org/1"


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    return FakeBotApi(tokens={TOKEN})


@pytest.fixture
def bot_api(fake_bot_api, settings) -> Iterator[str]:
    with running(fake_bot_api) as address:
        with_bot(settings, telegram_api=address, telegram_rate=100.0)
        yield address


@contextmanager
def dispatching() -> Iterator[Callable[[], None]]:
    """Run a dispatcher in a thread with an event loop of its own. Yield the function that stops it."""
    loop, dispatcher = asyncio.new_event_loop(), Dispatcher()
    thread = threading.Thread(target=loop.run_until_complete, args=(dispatcher.run(),), daemon=True)
    thread.start()

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(dispatcher.stop)
            thread.join(20)
            assert not thread.is_alive()
            loop.close()

    try:
        yield stop
    finally:
        stop()


@pytest.fixture
def audience(fake_bot_api, make_person, make_webinar):
    """Create a finished webinar with this many linked candidates who stayed and have no inviter."""

    def gather(count=1, reason="stayed_to_end"):
        webinar = make_webinar("finished")
        leads = [make_person() for _ in range(count)]
        for lead in leads:
            fake_bot_api.people.add(linked(lead).chat_id, lead.name)
        classified(webinar, leads, reason)
        return webinar, leads

    return gather


def settled(*states: str) -> bool:
    """Return whether every message is in one of these states."""
    return set(OutboxMessage.objects.values_list("state", flat=True)) <= set(states or ("sent",))


def sends(fake_bot_api):
    return [call for call in fake_bot_api.calls if call.method == "sendMessage"]


def test_queued_message_is_sent_and_completed(fake_bot_api, bot_api, audience):
    webinar, _ = audience()
    with dispatching():
        eventually(settled)
        assert bot_health().state == "ok"
    row = OutboxMessage.objects.get()
    (sent,) = fake_bot_api.sent
    assert (row.message_id, row.chat_id) == (sent.message["message_id"], sent.message["chat"]["id"])
    assert (row.text, row.attempts, row.error) == (sent.params["text"], 1, "")
    assert f"«{webinar.title}»" in sent.message["text"]
    assert bot_health().state == "dispatcher_down"


def test_inviter_and_candidate_get_their_messages(fake_bot_api, bot_api, make_person, make_webinar):
    partner = make_person(Role.PARTNER)
    lead = make_person(name="Ева", invited_by=partner)
    for person in (partner, lead):
        fake_bot_api.people.add(linked(person).chat_id, person.name)
    webinar = make_webinar("finished")
    classified(webinar, [lead], "left_early", 600)
    with dispatching():
        eventually(lambda: settled("sent", "waiting_recording"))
        core.publish_recording(webinar.pk, RECORDING, SYSTEM)
        eventually(settled)
    texts = {sent.message["chat"]["id"]: [] for sent in fake_bot_api.sent}
    for sent in fake_bot_api.sent:
        texts[sent.message["chat"]["id"]].append(sent.message)
    (to_partner,) = texts[7000 + partner.pk]
    followup, recording = texts[7000 + lead.pk]
    assert "Кандидат: Ева" in to_partner["text"]
    assert "жаль" in followup["text"]
    assert recording["reply_markup"]["inline_keyboard"][0][0]["url"] == RECORDING


def test_published_recording_goes_with_the_follow_up(fake_bot_api, bot_api, audience):
    webinar, _ = audience(reason="no_show")
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    with dispatching():
        eventually(settled)
    assert len(fake_bot_api.sent) == 1
    assert OutboxMessage.objects.count() == 2
    assert len(set(OutboxMessage.objects.values_list("message_id"))) == 1


def test_dispatcher_sends_messages_queued_while_it_runs(fake_bot_api, bot_api, audience):
    with dispatching():
        eventually(lambda: bot_health().state == "ok")
        audience()
        eventually(settled)
    assert len(fake_bot_api.sent) == 1


TROUBLE = {
    "misdirected": (
        {"official": "misdirected"},
        "bot_rejected",
        "Misdirected Request: unallowed token specified",
    ),
    "page_401": ({"kind": ResponseKind.HTML, "status": 401}, "bot_unreachable", "HTTP 401"),
    "page_502": ({"kind": ResponseKind.HTML}, "bot_unreachable", "HTTP 502"),
    "server_error": ({"official": "server_error"}, "bot_unreachable", "Internal Server Error"),
    "drop": ({"kind": ResponseKind.DROP}, "bot_unreachable", "RemoteProtocolError"),
    "foreign": ({"kind": ResponseKind.FOREIGN}, "bot_unreachable", "a malformed result (bool)"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_health_says_why_nothing_can_be_sent(fake_bot_api, bot_api, audience, monkeypatch, trouble):
    answer, state, fault = TROUBLE[trouble]
    monkeypatch.setattr(sender, "VERIFY_AGAIN_S", 0.1)
    with dispatching():
        eventually(lambda: fake_bot_api.is_polling)
        fake_bot_api.respond_with(times=None, **answer)
        fake_bot_api.people.add(1, "Кто-то")
        fake_bot_api.people.say(1, "ends the poll")
        eventually(lambda: (bot_health().state, bot_health().fault) == (state, fault))
        audience()
        fake_bot_api.clear_responses()
        eventually(settled)
        eventually(lambda: bot_health().state == "ok")
    # While it was known that nothing can be sent, no message was tried.
    assert OutboxMessage.objects.get().attempts == 1


def test_health_says_that_the_address_refuses(fake_bot_api, settings):
    with ExitStack() as server:
        with_bot(settings, telegram_api=server.enter_context(running(fake_bot_api)))
        with dispatching():
            eventually(lambda: bot_health().state == "ok")
            server.close()
            # The call that was in progress may end otherwise.
            eventually(lambda: bot_health() == BotHealth(BotState.BOT_UNREACHABLE, "ConnectError"))


def test_messages_go_on_after_the_clock_is_set_back(fake_bot_api, bot_api, audience, clock):
    with dispatching():
        eventually(lambda: bot_health().state == "ok")
        clock.move(3600)  # renewed at least once with it
        eventually(lambda: bot_health().state == "ok")
        audience(5)
        OutboxMessage.objects.update(due_at=clock.move(0.5))
        clock.move(-3600)
        eventually(lambda: bot_health().state == "clock_set_back")
        release_from_future(clock())
        eventually(settled)
        assert bot_health().state == "clock_set_back"
        clock.move(3600)
        eventually(lambda: bot_health().state == "ok")
    assert len(fake_bot_api.sent) == 5


def test_chat_moves_after_yes_is_pressed(fake_bot_api, bot_api, make_person):
    owner, other = make_person(name="Ева"), make_person(name="Адам")
    chat_id = linked(owner).chat_id
    fake_bot_api.people.add(chat_id, "Ева")
    with dispatching():
        eventually(lambda: bot_health().state == "ok")
        fake_bot_api.people.start(chat_id, new_payload(other))
        eventually(lambda: fake_bot_api.sent)
        assert chat_of(owner).chat_id == chat_id
        fake_bot_api.people.press(chat_id, "Да, привязать")
        eventually(lambda: len(fake_bot_api.sent) == 2)
        eventually(lambda: any(call.method == "answerCallbackQuery" for call in fake_bot_api.calls))
    assert chat_of(owner) is None
    assert chat_of(other).chat_id == chat_id


def test_empty_answers_at_once_are_asked_for_once_a_second(fake_bot_api, bot_api):
    fake_bot_api.respond_with(
        method="getUpdates", times=None, kind=ResponseKind.RAW, body='{"ok":true,"result":[]}'
    )
    with dispatching():
        eventually(lambda: len([call for call in fake_bot_api.calls if call.method == "getUpdates"]) > 3)
    moments = [call.received_at for call in fake_bot_api.calls if call.method == "getUpdates"]
    assert min(later - earlier for earlier, later in pairwise(moments)) >= 0.95


def test_blocked_chat_does_not_delay_others(fake_bot_api, bot_api, audience):
    _, leads = audience(3)
    fake_bot_api.respond_with(403, method="sendMessage", chat_id=7000 + leads[1].pk, times=None)
    with dispatching():
        eventually(lambda: settled("sent", "failed"))
    failed = OutboxMessage.objects.get(state="failed")
    assert (failed.person_id, failed.attempts) == (leads[1].pk, 1)
    assert "blocked" in failed.error
    assert [chat.person_id for chat in TelegramChat.objects.filter(reachable=False)] == [leads[1].pk]


def test_429_pauses_the_whole_queue(fake_bot_api, bot_api, audience):
    audience(12)
    fake_bot_api.respond_with(429, method="sendMessage", parameters={"retry_after": 3})
    with dispatching():
        eventually(settled)
    calls = sends(fake_bot_api)
    told = next(call for call in calls if call.status == 429)
    # Calls that were made before the answer arrived cannot be called back. None is made afterwards.
    later = [call for call in calls if call.received_at > told.received_at + 1]
    assert min(call.received_at for call in later) - told.received_at >= 3
    assert len(fake_bot_api.sent) == 12
    assert {sent.message["chat"]["id"] for sent in fake_bot_api.sent} == set(
        TelegramChat.objects.values_list("chat_id", flat=True)
    )


def test_pause_survives_the_process(fake_bot_api, bot_api, audience):
    audience(1)
    fake_bot_api.respond_with(429, method="sendMessage", parameters={"retry_after": 3})
    with dispatching():
        eventually(lambda: sends(fake_bot_api) and lease.paused_until())
    with dispatching():
        eventually(settled)
    first, second = sends(fake_bot_api)
    assert second.received_at - first.received_at >= 3


@pytest.mark.parametrize("rate", [10.0, 25.0])
def test_rate_limit_is_kept(bot_api, settings, audience, monkeypatch, rate):
    with_bot(settings, telegram_api=bot_api, telegram_rate=rate)
    audience(int(rate * 1.5))
    moments = []

    def note_call(limiter: RateLimiter, name: str, value: float) -> None:
        object.__setattr__(limiter, name, value)
        if name == "_latest_call" and value:
            moments.append(value)

    # The moments given to the calls, not their arrivals: on a busy machine calls wait for each other on the way.
    monkeypatch.setattr(RateLimiter, "__setattr__", note_call)
    with dispatching():
        eventually(settled)
    assert len(moments) == int(rate * 1.5)
    busiest = max(sum(start <= moment < start + 0.95 for moment in moments) for start in moments)
    assert busiest <= rate


def test_chat_gets_one_message_a_second(fake_bot_api, bot_api, make_person, make_webinar):
    partner = make_person(Role.PARTNER)
    fake_bot_api.people.add(linked(partner).chat_id, partner.name)
    classified(make_webinar("finished"), [make_person(invited_by=partner) for _ in range(3)], "stayed_to_end")
    with dispatching():
        eventually(lambda: settled("sent", "waiting_link"))
    moments = [call.received_at for call in sends(fake_bot_api)]
    assert len(moments) == 3
    assert min(later - earlier for earlier, later in pairwise(moments)) >= 1


def test_wrong_token_fails_no_message_and_shows_in_health(fake_bot_api, bot_api, audience, monkeypatch):
    monkeypatch.setattr(sender, "VERIFY_AGAIN_S", 0.1)
    fake_bot_api.respond_with(401, description="Unauthorized", times=None)
    audience()
    with dispatching():
        eventually(lambda: bot_health().state == "bot_rejected")
        assert settled("queued")
        fake_bot_api.clear_responses()
        eventually(settled)
        assert bot_health().state == "ok"
    assert len(fake_bot_api.sent) == 1


def test_revoked_token_stops_the_queue(fake_bot_api, bot_api, audience, monkeypatch):
    monkeypatch.setattr(sender, "VERIFY_AGAIN_S", 0.1)
    with dispatching():
        eventually(lambda: bot_health().state == "ok")
        fake_bot_api.respond_with(401, description="Unauthorized", times=None)
        audience(3)
        eventually(lambda: bot_health().state == "bot_rejected")
        assert settled("queued", "sending")
        fake_bot_api.clear_responses()
        eventually(settled)
    assert len(fake_bot_api.sent) == 3


@pytest.mark.parametrize("answer", [{"kind": ResponseKind.HTML}, {"kind": ResponseKind.CUT}, {"status": 500}])
def test_unknown_outcome_is_retried_once_then_uncertain(fake_bot_api, bot_api, audience, monkeypatch, answer):
    monkeypatch.setattr(completion, "AFTER_UNKNOWN_S", 0.1)
    _, leads = audience(2)
    fake_bot_api.respond_with(method="sendMessage", chat_id=7000 + leads[0].pk, times=None, **answer)
    fake_bot_api.respond_with(method="sendMessage", chat_id=7000 + leads[1].pk, delivered=True, **answer)
    with dispatching():
        eventually(lambda: settled("sent", "uncertain"))
    rows = {row.person_id: row for row in OutboxMessage.objects.all()}
    assert (rows[leads[0].pk].state, rows[leads[0].pk].attempts) == ("uncertain", 2)
    assert (rows[leads[1].pk].state, rows[leads[1].pk].attempts) == ("sent", 2)
    assert len(sends(fake_bot_api)) == 4


def test_dispatcher_waits_for_telegram_at_start(fake_bot_api, settings, audience, monkeypatch):
    monkeypatch.setattr(sender, "VERIFY_AGAIN_S", 0.1)
    port = free_port()
    with_bot(settings, telegram_api=f"http://127.0.0.1:{port}")
    audience(2)
    with dispatching():
        eventually(lambda: lease.state().exclude(holder=None).exists())
        with running(fake_bot_api, port=port):
            eventually(settled)
    assert len(fake_bot_api.sent) == 2


def test_dispatcher_survives_an_outage_of_telegram(fake_bot_api, settings, audience, monkeypatch):
    monkeypatch.setattr(completion, "FIRST_RETRY_S", 0.2)
    port = free_port()
    with_bot(settings, telegram_api=f"http://127.0.0.1:{port}")
    with dispatching():
        with running(fake_bot_api, port=port):
            eventually(lambda: bot_health().state == "ok" and fake_bot_api.is_polling)
        audience(2)
        eventually(lambda: OutboxMessage.objects.filter(failures__gt=1).count() == 2)
        back = FakeBotApi(tokens={TOKEN})
        for chat in TelegramChat.objects.all():
            back.people.add(chat.chat_id, "Кто-то")
        with running(back, port=port):
            eventually(settled)
    assert len(back.sent) == 2
    assert not OutboxMessage.objects.exclude(uncertain_count=0).exists()


def away(times, work):
    """Return `work` with the database unreachable during the first `times` calls."""
    left = [times]

    def tried(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            raise OperationalError("the database is away")
        return work(*args, **kwargs)

    return tried


def test_dispatcher_survives_an_outage_of_the_database(fake_bot_api, bot_api, audience, monkeypatch):
    monkeypatch.setattr(sender, "RECOVER_S", 0.05)
    monkeypatch.setattr(claims, "claim", away(3, claims.claim))
    monkeypatch.setattr(sender, "complete", away(3, sender.complete))
    monkeypatch.setattr(lease, "mark_token_accepted", away(2, lease.mark_token_accepted))
    monkeypatch.setattr(lease, "acquire", away(1, lease.acquire))
    audience(2)
    with dispatching():
        eventually(settled)
    assert len(sends(fake_bot_api)) == 2


def test_message_that_cannot_be_composed_fails_alone(fake_bot_api, bot_api, audience):
    webinar, leads = audience(2)
    webinar.verdicts.filter(lead=leads[0]).delete()
    with dispatching():
        eventually(lambda: settled("sent", "failed"))
    failed = OutboxMessage.objects.get(state="failed")
    assert (failed.person_id, failed.error) == (leads[0].pk, "not composed: DoesNotExist")


def test_stop_finishes_calls_and_releases_claims(fake_bot_api, bot_api, settings, audience):
    with_bot(settings, telegram_api=bot_api, telegram_rate=4.0)
    fake_bot_api.latency_s = 0.5
    audience(8)
    with dispatching() as stop:
        eventually(lambda: sends(fake_bot_api))
        stop()
        assert settled("sent", "queued")
        assert len(fake_bot_api.sent) == OutboxMessage.objects.filter(state="sent").count() > 0
        assert not OutboxMessage.objects.filter(state="queued").exclude(attempts=0).exists()
    fake_bot_api.latency_s = 0
    with dispatching():
        eventually(settled)
    assert len(fake_bot_api.sent) == 8


def test_stop_does_not_wait_for_the_webhook(fake_bot_api, bot_api, monkeypatch):
    monkeypatch.setattr(client, "READ_S", 3600.0)
    fake_bot_api.respond_with(409, method="getUpdates", description="Conflict: webhook is active", times=None)
    fake_bot_api.respond_with(method="deleteWebhook", kind=ResponseKind.HANG, times=None)
    with dispatching():
        eventually(lambda: fake_bot_api.hanging)


def test_unused_slot_is_not_waited_for():
    async def scenario():
        limiter, term = RateLimiter(rate=0.01), LeaseTerm()
        assert await limiter.acquire(1, term)
        waiting = asyncio.create_task(limiter.acquire(2, term))
        await asyncio.sleep(0)
        term.end()
        return await waiting, limiter.seconds_until_idle <= CHAT_GAP_S

    assert asyncio.run(scenario()) == (False, True)


def test_second_dispatcher_takes_over_at_once(fake_bot_api, bot_api, audience):
    with dispatching() as stop_first:
        eventually(lambda: bot_health().state == "ok")
        (first,) = lease.state().values_list("holder", flat=True)
        with dispatching():
            audience(3)
            eventually(settled)
            assert lease.state().values_list("holder", flat=True)[0] == first
            stop_first()
            audience(2)
            eventually(settled, within=5)
            assert lease.state().values_list("holder", flat=True)[0] not in (first, None)
    assert len(fake_bot_api.sent) == 5


def test_call_of_a_killed_dispatcher_is_repeated_once(fake_bot_api, bot_api, audience):
    audience()
    fake_bot_api.respond_with(method="sendMessage", kind=ResponseKind.HANG)
    process = subprocess.Popen([sys.executable, "-c", _RUN], env=os.environ | _environment(bot_api))
    try:
        eventually(lambda: fake_bot_api.hanging)
        assert settled("sending")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with dispatching():
        eventually(settled)
    row = OutboxMessage.objects.get()
    assert (row.attempts, row.uncertain_count) == (2, 1)
    assert len(sends(fake_bot_api)) == 2


_RUN = (
    "import django, asyncio; django.setup(); from efir.telegram.dispatcher.dispatcher import Dispatcher; "
    "asyncio.run(Dispatcher().run())"
)


def _environment(bot_api: str) -> dict[str, str]:
    """Return the environment of another process with this test's database and Bot API."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        user = quote(database["USER"]) + (f":{quote(database['PASSWORD'])}" if database["PASSWORD"] else "")
        url = f"postgresql://{user}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
    return {
        "DJANGO_SETTINGS_MODULE": "efir.settings",
        "EFIR_DATABASE_URL": url,
        "EFIR_TELEGRAM_API": bot_api,
        "EFIR_TELEGRAM_TOKEN": TOKEN,
    }


def test_start_links_and_sends_waiting_messages(fake_bot_api, bot_api, make_person, make_webinar):
    lead = make_person(name="Ева")
    classified(make_webinar("finished"), [lead], "stayed_to_end")
    assert settled("waiting_link")
    with dispatching():
        eventually(lambda: lease.state().exclude(username="").exists())
        fake_bot_api.people.add(321, "Ева", chat=False)
        fake_bot_api.people.start(321, new_payload(lead))
        eventually(settled)
        eventually(lambda: len(fake_bot_api.sent) == 2)
    texts = [sent.message["text"] for sent in fake_bot_api.sent]
    assert any("Готово, Ева!" in text for text in texts)
    assert any("спасибо" in text for text in texts)
    assert chat_of(lead).chat_id == 321


def test_block_and_unblock_are_noticed(fake_bot_api, bot_api, make_person):
    person = make_person()
    fake_bot_api.people.add(linked(person).chat_id, person.name)
    with dispatching():
        fake_bot_api.people.block(7000 + person.pk)
        eventually(lambda: not chat_of(person).reachable)
        fake_bot_api.people.unblock(7000 + person.pk)
        eventually(lambda: chat_of(person).reachable)


def test_talkative_strangers_are_answered_once(fake_bot_api, bot_api, audience, make_person, monkeypatch):
    monkeypatch.setattr(replies, "SELDOM_S", 3600.0)
    strangers = range(1, 31)
    for number in strangers:
        fake_bot_api.people.add(number, "Кто-то")
    for number in [*strangers] * 5:
        fake_bot_api.people.say(number, "привет")
    fake_bot_api.people.add(321, "Ева", chat=False)
    audience(3)
    with dispatching():
        eventually(settled)
        fake_bot_api.people.start(321, new_payload(make_person(name="Ева")))
        eventually(lambda: len(fake_bot_api.sent) == len(strangers) + 3 + 1)
    assert set(Counter(sent.message["chat"]["id"] for sent in fake_bot_api.sent).values()) == {1}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 409, "description": "Conflict: can't use getUpdates method while webhook is active"},
        {"status": 409, "description": "Conflict: terminated by other getUpdates request"},
        {"status": 429, "parameters": {"retry_after": 1}},
        {"kind": ResponseKind.HTML},
        {"kind": ResponseKind.CUT},
        {"kind": ResponseKind.MALFORMED},
    ],
)
def test_polling_survives_errors(fake_bot_api, bot_api, make_person, monkeypatch, answer):
    monkeypatch.setattr(poller, "TROUBLE_S", 0.1)
    monkeypatch.setattr(poller, "RECOVER_S", 0.1)
    person = make_person()
    fake_bot_api.people.add(linked(person).chat_id, person.name)
    fake_bot_api.respond_with(method="getUpdates", times=2, **answer)
    with dispatching():
        fake_bot_api.people.say(7000 + person.pk, "/stop")
        eventually(lambda: chat_of(person) is None)
    webhook = [call for call in fake_bot_api.calls if call.method == "deleteWebhook"]
    assert bool(webhook) is ("webhook" in answer.get("description", ""))


def test_log_has_nothing_personal(fake_bot_api, bot_api, audience, caplog):
    _, (lead,) = audience()
    with dispatching():
        eventually(settled)
        fake_bot_api.people.say(7000 + lead.pk, "мой телефон +79991234567")
        eventually(lambda: len(fake_bot_api.sent) == 2)
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    told = json.dumps([record.getMessage() for record in ours], ensure_ascii=False)
    assert "message_settled" in told
    for secret in (TOKEN.partition(":")[2], str(7000 + lead.pk), lead.name, "спасибо", "+79991234567"):
        assert secret not in told
