"""The order of messages: batches for many verdicts, and fairness between people."""

# ruff: noqa: F811  # fixtures of test_dispatcher, as arguments
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
from django.db import OperationalError

from efir.accounts.capabilities import Role
from efir.fake_botapi import ResponseKind
from efir.telegram.bot import lease
from efir.telegram.bot.client import BotApi
from efir.telegram.dispatcher import sender
from efir.telegram.health import bot_health
from efir.telegram.models import Kind, OutboxMessage, TelegramChat
from efir.telegram.outbox import claims
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.e2e.test_dispatcher import (  # noqa: F401  # fixtures
    _RUN,
    RECORDING,
    _environment,
    bot_api,
    dispatching,
    fake_bot_api,
    sends,
    settled,
)
from tests.support.site import eventually
from tests.support.telegram import classified, linked, with_bot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def add(fake_bot_api, make_person):
    """Create a person with a chat."""

    def add(role=Role.CANDIDATE, **fields):
        person = make_person(role, **fields)
        fake_bot_api.people.add(linked(person).chat_id, person.name)
        return person

    return add


@pytest.fixture
def partner_of(add, make_person):
    """Create a partner with this many candidates who have no chat."""

    def gather(count):
        partner = add(Role.PARTNER)
        return partner, [make_person(invited_by=partner) for _ in range(count)]

    return gather


@pytest.fixture
def slow_bot(settings, bot_api):
    """Send so slowly that everything is queued before the first messages are sent."""
    with_bot(settings, telegram_api=bot_api, telegram_rate=20.0)


@pytest.fixture
def called(monkeypatch):
    """Record for whom each call is made, in order. On a busy machine calls may arrive in another order."""
    people, send = [], BotApi.send

    async def recorded(self, chat_id, *args, **kwargs):
        people.append(chat_id - 7000)
        return await send(self, chat_id, *args, **kwargs)

    monkeypatch.setattr(BotApi, "send", recorded)
    return people


@pytest.mark.usefixtures("slow_bot")
def test_partners_go_first_then_follow_ups_then_recordings(add, make_webinar, called):
    earlier, webinar = make_webinar("finished"), make_webinar("finished")
    absent = [add() for _ in range(5)]
    classified(earlier, absent, "no_show")
    OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP).update(state="sent")
    core.publish_recording(earlier.pk, RECORDING, SYSTEM)
    partners = [add(Role.PARTNER) for _ in range(5)]
    leads = [add(invited_by=partner) for partner in partners]
    classified(webinar, leads, "stayed_to_end")
    with dispatching():
        eventually(settled)
    assert called == [person.pk for person in [*partners, *leads, *absent]]


@pytest.mark.usefixtures("slow_bot")
def test_partner_with_many_candidates_delays_nobody(fake_bot_api, partner_of, make_webinar, called):
    """The queue starts with two partners of 200 candidates; 30 partners of five come next, then one of one."""
    webinar = make_webinar("finished")
    many = [partner_of(200) for _ in range(2)]
    several = [partner_of(5) for _ in range(30)]
    one = partner_of(1)
    for _, leads in (*many, *several, one):
        classified(webinar, leads, "stayed_to_end")
    with dispatching():
        eventually(lambda: settled("sent", "waiting_link"))
    order = called
    everybody = {partner.pk for partner, _ in (*many, *several, one)}
    assert set(order[: len(everybody)]) == everybody, "everybody got one message before anybody got two"
    for partner, _ in many:
        texts = [
            sent.message["text"]
            for sent in fake_bot_api.sent
            if sent.message["chat"]["id"] == 7000 + partner.pk
        ]
        assert 2 <= len(texts) <= 4
        assert sum(text.count("✅ Имя") for text in texts) == 200
    assert len(order) == len(fake_bot_api.sent) < 30 * 5 + 1 + 2 * 4 + 1


def test_one_call_carries_a_batch(fake_bot_api, bot_api, partner_of, make_webinar):
    partner, leads = partner_of(6)
    classified(make_webinar("finished"), leads, "left_early", 600)
    with dispatching():
        eventually(lambda: settled("sent", "waiting_link"))
    (sent,) = fake_bot_api.sent
    assert all(lead.name in sent.message["text"] for lead in leads)
    rows = OutboxMessage.objects.filter(person=partner)
    assert set(rows.values_list("message_id", "text", "attempts")) == {
        (sent.message["message_id"], sent.params["text"], 1)
    }
    assert rows.exclude(carried_by=None).count() == 5


def test_standby_takes_over_within_ten_seconds(
    fake_bot_api,
    bot_api,
    partner_of,
    make_webinar,
):
    partner, leads = partner_of(6)
    classified(make_webinar("finished"), leads, "stayed_to_end")
    fake_bot_api.respond_with(method="sendMessage", kind=ResponseKind.HANG)
    process = subprocess.Popen([sys.executable, "-c", _RUN], env=os.environ | _environment(bot_api))
    try:
        eventually(lambda: fake_bot_api.hanging)
        with dispatching():
            process.send_signal(signal.SIGKILL)
            died_at = time.time()
            eventually(lambda: settled("sent", "waiting_link"))
    finally:
        process.kill()
        process.wait()
    first, second = sends(fake_bot_api)
    assert second.received_at - died_at < 10
    assert first.params["text"] == second.params["text"]
    rows = OutboxMessage.objects.filter(person=partner)
    assert set(rows.values_list("attempts", "uncertain_count")) == {(2, 1)}


def test_takeover_keeps_the_chat_gap(
    fake_bot_api,
    bot_api,
    partner_of,
    make_webinar,
):
    with dispatching() as stop_first:
        eventually(lambda: bot_health().state == "ok")
        with dispatching():
            _, leads = partner_of(2)
            classified(make_webinar("finished"), leads, "stayed_to_end")
            eventually(lambda: fake_bot_api.sent)
            stop_first()
            eventually(lambda: settled("sent", "waiting_link"))
    moments = [call.received_at for call in sends(fake_bot_api)]
    assert [later - earlier >= 1 for earlier, later in pairwise(moments)] == [True]


def test_chat_is_left_after_second_migration(fake_bot_api, bot_api, add, make_webinar):
    lead = add()
    fake_bot_api.respond_with(400, method="sendMessage", parameters={"migrate_to_chat_id": -1009}, times=None)
    classified(make_webinar("finished"), [lead], "stayed_to_end")
    with dispatching():
        eventually(lambda: settled("failed"))
    assert [int(call.params["chat_id"]) for call in sends(fake_bot_api)] == [7000 + lead.pk, -1009]
    assert TelegramChat.objects.get().chat_id == -1009


@pytest.mark.parametrize("method", ["getMe", "getUpdates", "sendMessage"])
def test_429_to_any_call_pauses_the_next_process(fake_bot_api, bot_api, add, make_webinar, method):
    person = add()
    fake_bot_api.respond_with(429, method=method, parameters={"retry_after": 3})
    if method == "sendMessage":
        fake_bot_api.people.say(
            7000 + person.pk, "Привет"
        )  # the bot replies, which is no message of the outbox
    with dispatching():
        eventually(lease.paused_until)
    classified(make_webinar("finished"), [person], "stayed_to_end")
    with dispatching():
        eventually(settled)
    told = next(call for call in fake_bot_api.calls if call.status == 429)
    follow_up = next(call for call in sends(fake_bot_api) if "спасибо, что были" in call.params["text"])
    assert follow_up.received_at - told.received_at >= 3


def test_claim_whose_commit_seemed_to_fail_is_recovered(
    fake_bot_api,
    bot_api,
    add,
    make_webinar,
    monkeypatch,
):
    real, left = claims.claim, [2]

    def unheard(*args):
        taken = real(*args)
        if taken and left[0]:
            left[0] -= 1
            raise OperationalError("the connection broke")
        return taken

    monkeypatch.setattr(sender, "RECOVER_S", 0.05)
    monkeypatch.setattr(claims, "claim", unheard)
    classified(make_webinar("finished"), [add(), add()], "stayed_to_end")
    with dispatching():
        eventually(settled)
    assert not left[0]
    assert len(sends(fake_bot_api)) == 2
    assert set(OutboxMessage.objects.values_list("attempts", "uncertain_count")) == {(1, 0)}
