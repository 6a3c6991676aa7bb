"""Messages before a webinar: only to those who asked, each occasion once, and nothing that is out of date."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from efir.accounts.capabilities import Role
from efir.hooks.actions import ActionRefused
from efir.hooks.models import JournalEntry
from efir.telegram import reminders
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import NotSent, Sent
from efir.telegram.models import MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import claims, completion, enqueue
from efir.telegram.outbox.message_types import IncompleteMessage, compose
from efir.telegram.reminders import enqueue_due, set_reminders
from efir.webinars import core
from efir.webinars.models import Seat, Webinar
from tests.conftest import SYSTEM
from tests.support.telegram import classified, held, linked

pytestmark = pytest.mark.django_db
MINUTE = 60.0


@pytest.fixture
def webinar(clock, make_webinar):
    """A webinar in three hours."""
    webinar = make_webinar("scheduled")
    move(webinar, clock() + timedelta(hours=3))
    return Webinar.objects.get(pk=webinar.pk)


@pytest.fixture
def asked(webinar, make_person):
    """Return a function that makes somebody with a seat, a chat and reminders."""

    def make(**kwargs):
        person = make_person(**kwargs)
        core.book_seat(webinar.pk, person)
        linked(person)
        set_reminders(webinar.pk, person, on=True)
        return person

    return make


def move(webinar, starts_at):
    core.update(webinar.pk, {"starts_at": starts_at}, SYSTEM)


def messages(person):
    rows = OutboxMessage.objects.filter(person=person).order_by("pk")
    return [(row.kind, row.state) for row in rows]


def queued_kinds(person):
    rows = OutboxMessage.objects.filter(person=person, state=MessageState.QUEUED).order_by("pk")
    return [row.kind for row in rows]


def send_all(clock):
    """Deliver what is due. Return (person, first line) of each."""
    delivered, holder = [], held()
    while calls := claims.claim(10, holder):
        for call in calls:
            text = call.compose().text
            claims.mark_sending(call, text)
            completion.complete(call, Sent(1), text)
            delivered.append((call.person_id, text.partition("\n")[0]))
    lease.release(holder)
    return delivered


def test_reminder_goes_out_once_an_hour_before_the_start(clock, webinar, asked):
    person = asked()
    assert enqueue_due() == 0
    clock.move(2 * 60 * MINUTE)
    assert enqueue_due() == 1
    assert enqueue_due() == 0
    ((receiver, text),) = send_all(clock)
    assert receiver == person.pk
    assert "скоро начнётся" in text
    assert JournalEntry.objects.count() == 0


def test_only_people_who_asked_get_reminders(clock, webinar, make_person):
    person = make_person()
    core.book_seat(webinar.pk, person)
    linked(person)
    clock.move(2.5 * 60 * MINUTE)
    move(webinar, webinar.starts_at + timedelta(hours=1))
    enqueue_due()
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    enqueue_due()
    assert messages(person) == []


def test_late_reminder_request_gets_only_the_start(clock, webinar, asked):
    clock.move(2.5 * 60 * MINUTE)
    person = asked()
    assert enqueue_due() == 0
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    assert enqueue_due() == 1
    assert queued_kinds(person) == ["seat_on_air"]


def test_start_is_told_for_ten_minutes_and_once(clock, webinar, asked):
    person = asked()
    clock.move(3 * 60 * MINUTE)
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    assert enqueue_due() == 1
    assert "начался" in send_all(clock)[0][1]
    clock.move(5 * MINUTE)
    late = asked()
    assert enqueue_due() == 1
    clock.move(6 * MINUTE)
    assert send_all(clock) == []
    enqueue.expire()
    assert messages(late) == [("seat_on_air", "expired")]
    assert messages(person) == [("seat_on_air", "sent")]


def test_each_new_time_is_told_once_and_allows_a_new_reminder(clock, webinar, asked):
    person = asked()
    clock.move(2.5 * 60 * MINUTE)
    enqueue_due()
    send_all(clock)
    move(webinar, clock() + timedelta(hours=5))
    assert enqueue_due() == 1
    assert enqueue_due() == 0
    assert "состоится" in send_all(clock)[0][1]
    clock.move(4 * 60 * MINUTE)
    assert enqueue_due() == 1
    assert messages(person) == [
        ("seat_reminder", "sent"),
        ("seat_moved", "sent"),
        ("seat_reminder", "queued"),
    ]


def test_unsent_news_is_replaced_by_newer_news(clock, webinar, asked):
    person = asked()
    for hours in (4, 5, 6):
        move(webinar, clock() + timedelta(hours=hours))
        enqueue_due()
    assert messages(person) == [
        ("seat_moved", "expired"),
        ("seat_moved", "expired"),
        ("seat_moved", "queued"),
    ]
    assert len(send_all(clock)) == 1


def test_withdrawal_and_return_are_told(clock, webinar, asked):
    asked()
    core.update(webinar.pk, {"withdrawn": True}, SYSTEM)
    enqueue_due()
    assert "не состоится" in send_all(clock)[0][1]
    core.update(webinar.pk, {"withdrawn": False}, SYSTEM)
    enqueue_due()
    assert "состоится" in send_all(clock)[0][1]
    assert OutboxMessage.objects.filter(kind="seat_moved", state="sent").count() == 2


def test_time_that_changes_after_the_claim_is_not_told_wrongly(clock, webinar, asked):
    person = asked()
    move(webinar, clock() + timedelta(hours=4))
    enqueue_due()
    (call,) = claims.claim(10, held())
    move(webinar, clock() + timedelta(hours=5))
    with pytest.raises(IncompleteMessage):
        call.compose()
    claims.release(call)
    enqueue_due()
    assert messages(person) == [("seat_moved", "expired"), ("seat_moved", "queued")]


def test_switched_off_is_not_written_to(clock, webinar, asked):
    person = asked()
    clock.move(2 * 60 * MINUTE)
    enqueue_due()
    set_reminders(webinar.pk, person, on=False)
    assert send_all(clock) == []
    assert OutboxMessage.objects.get(person=person).error == "not_wanted"
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    assert enqueue_due() == 0


def test_reminder_waits_for_the_link_until_the_start(clock, webinar, make_person):
    person = make_person()
    core.book_seat(webinar.pk, person)
    set_reminders(webinar.pk, person, on=True)
    clock.move(2 * 60 * MINUTE)
    enqueue_due()
    assert messages(person) == [("seat_reminder", "waiting_link")]
    clock.move(60 * MINUTE)
    TelegramChat.objects.create(person=person, chat_id=77)
    enqueue.release_for_link(person)
    assert send_all(clock) == []
    enqueue.expire()
    assert messages(person) == [("seat_reminder", "expired")]


def test_failed_call_is_not_repeated_after_the_deadline(clock, webinar, asked):
    asked()
    clock.move(2 * 60 * MINUTE + 59 * MINUTE)
    enqueue_due()
    holder = held()
    (call,) = claims.claim(10, holder)
    claims.mark_sending(call, call.compose().text)
    completion.complete(call, NotSent("connection refused"))
    clock.move(2 * MINUTE)
    assert claims.claim(10, held()) == []


def test_seat_and_message_change_together(clock, webinar, asked, monkeypatch):
    person = asked()
    move(webinar, clock() + timedelta(hours=4))

    def fail(_messages):
        raise RuntimeError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(reminders, "enqueue", fail)
        with pytest.raises(RuntimeError), transaction.atomic():
            enqueue_due()
    assert messages(person) == []
    assert enqueue_due() == 1
    assert Seat.objects.get(person=person).announcements == 1


def test_partners_news_go_first(clock, webinar, asked, make_person, make_webinar):
    partner = make_person(Role.PARTNER)
    linked(partner)
    asked()
    clock.move(2 * 60 * MINUTE)
    enqueue_due()
    classified(make_webinar("finished"), [make_person(invited_by=partner)], "stayed_to_end")
    (first,) = claims.claim(1, held())
    assert first.messages[0].kind == "partner_attendance"


def test_recordings_go_last(clock, webinar, asked, make_person, make_webinar):
    over, missed = make_webinar("finished"), make_person()
    linked(missed)
    classified(over, [missed], "no_show")
    assert len(send_all(clock)) == 1  # the follow-up
    core.publish_recording(over.pk, "https://rutube.ru/video/1/", SYSTEM)
    asked()
    clock.move(2 * 60 * MINUTE)
    enqueue_due()
    kinds = [call.messages[0].kind for call in claims.claim(2, held())]
    assert kinds == ["seat_reminder", "candidate_recording"]


@pytest.mark.parametrize("seated", [True, False])
def test_reminders_need_a_seat_and_a_webinar_ahead(make_person, make_webinar, seated):
    webinar, person = make_webinar("finished" if seated else "scheduled"), make_person()
    if seated:
        Seat.objects.create(webinar=webinar, person=person)
    with pytest.raises(ActionRefused):
        set_reminders(webinar.pk, person, on=True)


def test_every_text_fits_and_has_its_way_out(clock, webinar, asked):
    asked()
    core.update(webinar.pk, {"title": "<" * 200}, SYSTEM)
    clock.move(2 * 60 * MINUTE)
    enqueue_due()
    move(webinar, clock() + timedelta(hours=1))
    enqueue_due()
    core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
    enqueue_due()
    rows = OutboxMessage.objects.exclude(state=MessageState.EXPIRED)
    for message in map(compose, ([row] for row in rows)):
        assert message.length < 4096
        assert "&lt;" * 200 in message.text
        assert f"/account/seats/{webinar.pk}/" in str(message.buttons) + message.text
