"""Claims, completion and recovery: no message is lost, and none is sent twice unless its outcome is unknown."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from efir.accounts.capabilities import Role
from efir.telegram.bot import lease
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
from efir.telegram.health import bot_health
from efir.telegram.models import DispatcherState, Kind, OutboxMessage, TelegramChat
from efir.telegram.outbox import claims, completion, resend
from efir.telegram.outbox.completion import complete, recover_orphaned
from efir.telegram.outbox.enqueue import expire
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.telegram import classified, held, linked, states_of, with_bot

pytestmark = pytest.mark.django_db

RECORDING = "https://video.example.org/1"


@pytest.fixture(autouse=True)
def _bot(settings):
    with_bot(settings)


@pytest.fixture
def webinar(clock, make_webinar):
    return make_webinar("finished")


@pytest.fixture
def lead(make_person):
    """A linked candidate without an inviter."""
    lead = make_person()
    linked(lead)
    return lead


@pytest.fixture
def claimed(webinar, lead):
    """The claim of a follow-up."""
    classified(webinar, [lead], "stayed_to_end")
    (claim,) = claims.claim(10, held())
    return claim


def row():
    return OutboxMessage.objects.get()


def test_claim_is_committed_as_sending_before_the_call(claimed, lead):
    assert (row().state, row().attempts, row().attempt_id) == ("sending", 1, claimed.attempt_id)
    assert (claimed.person_id, claimed.chat_id) == (lead.pk, 7000 + lead.pk)
    assert "спасибо" in claimed.compose().text


def test_nothing_is_claimed_twice(claimed):
    assert claims.claim(10, row().holder) == []


def test_nothing_is_claimed_without_the_lease(webinar, lead):
    classified(webinar, [lead], "stayed_to_end")
    holder = held()
    assert claims.claim(10, uuid4()) == []
    lease.release(holder)
    assert claims.claim(10, holder) == []


def test_nothing_is_claimed_before_it_is_due(clock, webinar, lead):
    classified(webinar, [lead], "stayed_to_end")
    OutboxMessage.objects.update(due_at=clock() + timedelta(seconds=5))
    holder = held()
    assert claims.claim(10, holder) == []
    clock.move(5)
    assert len(claims.claim(10, holder)) == 1


def test_claim_takes_one_message_per_person(webinar, make_person):
    partner = make_person(Role.PARTNER)
    linked(partner)
    leads = [make_person(invited_by=partner) for _ in range(3)]
    linked(leads[1])
    classified(webinar, leads, "stayed_to_end")
    holder = held()
    taken = claims.claim(10, holder)
    assert [(each.person_id, each.messages[0].kind) for each in taken] == [
        (partner.pk, "partner_attendance"),
        (leads[1].pk, "candidate_followup"),
    ]
    assert claims.claim(10, holder, [partner.pk, leads[1].pk]) == []
    assert [each.person_id for each in claims.claim(10, holder)] == [partner.pk]


def test_person_gets_messages_in_order_of_causes(clock, webinar, make_webinar, lead):
    """The recording of the first webinar is published last, but its cause is the earliest."""
    classified(webinar, [lead], "no_show")
    holder = held()
    complete(claims.claim(10, holder)[0], Sent(1))
    clock.move(1)
    classified(make_webinar("finished"), [lead], "stayed_to_end")
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    (claim,) = claims.claim(10, holder)
    assert [row.kind for row in claim.messages] == ["candidate_recording"]
    complete(claim, Sent(2))
    assert [row.kind for row in claims.claim(10, holder)[0].messages] == ["candidate_followup"]


def test_first_messages_go_before_second_messages(webinar, make_person):
    partners = [make_person(Role.PARTNER) for _ in range(3)]
    for partner in partners:
        linked(partner)
        count = 1 if partner is partners[2] else 3
        classified(webinar, [make_person(invited_by=partner) for _ in range(count)], "stayed_to_end")
    holder, received = held(), []
    while taken := claims.claim(2, holder):  # nobody is busy: who comes next is the queue's decision alone
        received += [claim.person_id for claim in taken]
        for claim in taken:
            complete(claim, Sent(1))
    first, second, third = (partner.pk for partner in partners)
    assert received == [first, second, third, first, second, first, second]


def test_follow_up_carries_a_due_recording(webinar, lead):
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    classified(webinar, [lead], "no_show")
    (claim,) = claims.claim(10, held())
    assert [each.kind for each in claim.messages] == ["candidate_followup", "candidate_recording"]
    complete(claim, Sent(77), "text")
    carrier, carried = OutboxMessage.objects.order_by("pk")
    assert (carrier.state, carried.state) == ("sent", "sent")
    assert carrier.message_id == carried.message_id == 77
    assert (carrier.carried_by_id, carried.carried_by_id) == (None, carrier.pk)


def test_recordings_of_two_webinars_are_not_mixed(webinar, make_webinar, lead):
    other = make_webinar("finished")
    for each in (webinar, other):
        classified(each, [lead], "no_show")
    OutboxMessage.objects.filter(webinar=other, kind=Kind.CANDIDATE_FOLLOWUP).update(state="sent")
    core.publish_recording(other.pk, RECORDING, SYSTEM)
    (claim,) = claims.claim(10, held())
    assert [(each.webinar_id, each.kind) for each in claim.messages] == [(webinar.pk, "candidate_followup")]


def test_a_recording_published_later_goes_by_itself(webinar, lead):
    classified(webinar, [lead], "no_show")
    holder = held()
    (first,) = claims.claim(10, holder)
    complete(first, Sent(1))
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    (second,) = claims.claim(10, holder)
    assert [each.kind for each in second.messages] == ["candidate_recording"]
    assert RECORDING in [url for _, url in second.compose().buttons]


def test_claim_moves_messages_of_unlinked_people_to_waiting(webinar, lead):
    classified(webinar, [lead], "stayed_to_end")
    TelegramChat.objects.all().delete()
    assert claims.claim(10, held()) == []
    assert states_of(lead) == {"candidate_followup": "waiting_link"}


def test_claim_moves_messages_without_recording_to_waiting(webinar, lead):
    core.publish_recording(webinar.pk, RECORDING, SYSTEM)
    classified(webinar, [lead], "no_show")
    OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP).update(state="sent")
    core.publish_recording(webinar.pk, "", SYSTEM)
    assert claims.claim(10, held()) == []
    assert states_of(lead)["candidate_recording"] == "waiting_recording"


def test_sent_message_stores_id_chat_and_text(clock, claimed, lead):
    complete(claimed, Sent(55), "Привет")
    sent = row()
    assert (sent.state, sent.message_id, sent.chat_id, sent.text) == ("sent", 55, 7000 + lead.pk, "Привет")
    assert sent.sent_at == clock()


@pytest.mark.parametrize(
    ("decision", "state", "delay_s"),
    [
        (MessageRefused("can't parse entities"), "failed", None),
        (ChatUnreachable("blocked", "Forbidden"), "failed", None),
        (RateLimited(30, "Too Many Requests"), "queued", 0),
        (TokenRejected("Unauthorized"), "queued", 0),
        (OutcomeUnknown("ReadTimeout"), "queued", completion.AFTER_UNKNOWN_S),
    ],
)
def test_outcome_sets_the_state(clock, claimed, decision, state, delay_s):
    complete(claimed, decision)
    assert (row().state, row().error) == (state, decision.error)
    if delay_s is not None:
        assert (row().due_at - clock()).total_seconds() == delay_s


def test_unreachable_chat_is_marked(claimed):
    complete(claimed, ChatUnreachable("blocked", "Forbidden: bot was blocked by the user"))
    chat = TelegramChat.objects.get()
    assert (chat.reachable, chat.unreachable_reason) == (False, "blocked")


SUPERGROUP = -1_002_000_000_001


def test_moved_chat_is_retried_at_once(clock, claimed, lead):
    complete(claimed, ChatMoved(SUPERGROUP, "upgraded"))
    assert TelegramChat.objects.get().chat_id == SUPERGROUP
    assert (row().state, row().due_at, row().uncertain_count) == ("queued", clock(), 0)
    (again,) = claims.claim(10, held_again())
    assert again.chat_id == SUPERGROUP


def test_chat_that_moves_again_fails(claimed):
    complete(claimed, ChatMoved(SUPERGROUP, "upgraded"))
    (again,) = claims.claim(10, held_again())
    complete(again, ChatMoved(SUPERGROUP - 1, "upgraded"))
    assert (row().state, row().attempts, row().error) == ("failed", 2, "upgraded")
    assert TelegramChat.objects.get().chat_id == SUPERGROUP - 1
    assert claims.claim(10, held_again()) == []
    resend.retry(OutboxMessage.objects.all(), SYSTEM)
    (once_more,) = claims.claim(10, held_again())
    complete(once_more, ChatMoved(SUPERGROUP, "upgraded"))
    assert row().state == "queued"


def test_chat_that_moved_to_somebody_elses_is_unreachable(claimed, lead, make_person):
    other = linked(make_person())
    complete(claimed, ChatMoved(other.chat_id, "upgraded"))
    assert row().state == "failed"
    other.refresh_from_db()
    assert other.reachable
    assert not TelegramChat.objects.get(person=lead).reachable


def test_chat_linked_anew_meanwhile_stays(claimed, lead):
    TelegramChat.objects.update(chat_id=5)
    complete(claimed, ChatMoved(SUPERGROUP, "upgraded"))
    assert TelegramChat.objects.get().chat_id == 5
    assert row().state == "queued"


def test_unknown_outcome_stores_chat_and_text(claimed):
    complete(claimed, OutcomeUnknown("ReadTimeout"), "Привет")
    assert (row().chat_id, row().text) == (claimed.chat_id, "Привет")


def test_429_pauses_the_queue_for_retry_after(clock, claimed):
    complete(claimed, RateLimited(30, "Too Many Requests: retry after 30"))
    assert (lease.paused_until() - clock()).total_seconds() == 30
    complete(claimed, RateLimited(5, ""))
    assert (lease.paused_until() - clock()).total_seconds() == 30


def test_not_sent_is_retried_with_backoff(clock, claimed):
    delays = []
    claim = claimed
    for _ in range(10):
        complete(claim, NotSent("ConnectError"))
        delays.append((row().due_at - clock()).total_seconds())
        clock.move(completion.LAST_RETRY_S)
        (claim,) = claims.claim(10, held_again())
    for failures, delay in enumerate(delays):
        longest = min(completion.LAST_RETRY_S, 2.0**failures)
        assert longest / 2 <= delay <= longest
    assert (row().failures, row().attempts, row().uncertain_count) == (10, 11, 0)


def held_again():
    holder = DispatcherState.objects.get().holder
    assert lease.acquire(holder)
    return holder


def test_rejected_token_fails_no_message(claimed):
    complete(claimed, TokenRejected("Unauthorized"))
    assert row().state == "queued"
    assert DispatcherState.objects.get().fault == "Unauthorized"
    lease.mark_token_accepted("efir_bot")
    assert DispatcherState.objects.get().fault == ""


def test_unknown_outcome_is_retried_once(clock, claimed):
    complete(claimed, OutcomeUnknown("ReadTimeout"))
    clock.move(completion.AFTER_UNKNOWN_S)
    (again,) = claims.claim(10, held_again())
    complete(again, OutcomeUnknown("ReadTimeout"))
    assert (row().state, row().uncertain_count, row().attempts) == ("uncertain", 1, 2)
    clock.move(3600)
    assert claims.claim(10, held_again()) == []


def test_recovered_call_has_an_unknown_outcome(clock, claimed):
    assert claims.mark_sending(claimed, "текст")
    clock.move(lease.TTL_S + 1)
    heir = held()
    assert recover_orphaned(heir) == 1
    (again,) = claims.claim(10, heir)
    assert claims.mark_sending(again, "текст")
    clock.move(lease.TTL_S + 1)
    assert recover_orphaned(held()) == 1
    assert (row().state, row().attempts) == ("uncertain", 2)
    assert again.attempt_id != claimed.attempt_id


def test_recovered_claim_without_text_is_requeued(clock, claimed):
    for _ in range(3):
        clock.move(lease.TTL_S + 1)
        heir = held()
        assert recover_orphaned(heir) == 1
        assert (row().state, row().uncertain_count, row().attempts) == ("queued", 0, 0)
        (again,) = claims.claim(10, heir)
    assert not claims.mark_sending(claimed, "текст")
    assert claims.mark_sending(again, "текст")


def test_recover_needs_the_lease(claimed):
    assert recover_orphaned(uuid4()) == 0
    assert recover_orphaned(row().holder) == 0
    assert row().state == "sending"


def test_late_success_is_written(clock, claimed):
    assert claims.mark_sending(claimed, "текст")
    clock.move(lease.TTL_S + 1)
    heir = held()
    recover_orphaned(heir)
    complete(claimed, Sent(9))
    assert (row().state, row().message_id) == ("sent", 9)
    assert claims.claim(10, heir) == []


@pytest.mark.parametrize("late", [Sent(9), MessageRefused("late"), NotSent("late"), OutcomeUnknown("late")])
def test_late_answer_does_not_touch_the_next_attempt(clock, claimed, late):
    assert claims.mark_sending(claimed, "текст")
    clock.move(lease.TTL_S + 1)
    heir = held()
    recover_orphaned(heir)
    (again,) = claims.claim(10, heir)
    complete(claimed, late)
    assert (row().state, row().attempt_id, row().error) == ("sending", again.attempt_id, row().error)
    assert "late" not in row().error


@pytest.mark.parametrize("late", [MessageRefused("late"), NotSent("late"), OutcomeUnknown("late")])
def test_late_failure_does_not_undo_a_recovery(clock, claimed, late):
    assert claims.mark_sending(claimed, "текст")
    clock.move(lease.TTL_S + 1)
    recover_orphaned(held())
    complete(claimed, late)
    assert (row().state, row().uncertain_count) == ("queued", 1)
    assert "late" not in row().error


def test_released_claim_counts_as_no_attempt(claimed):
    claims.release(claimed)
    assert (row().state, row().attempts, row().attempt_id) == ("queued", 0, None)


def test_lease_belongs_to_one_process_until_it_expires(clock):
    holder, other = held(), uuid4()
    assert not lease.acquire(other)
    clock.move(lease.TTL_S - 1)
    assert lease.acquire(holder)
    clock.move(lease.TTL_S)
    assert not lease.acquire(other)
    clock.move(0.1)
    assert lease.acquire(other)
    assert not lease.acquire(holder)


def test_lease_of_a_dead_holder_ends_although_the_clock_was_set_back(clock, monkeypatch):
    held()
    clock.move(-3600)
    other, observation, stopwatch = uuid4(), lease.Observation(), 1000.0
    monkeypatch.setattr(lease.time, "monotonic", lambda: stopwatch)
    assert not lease.acquire(other, observation)
    stopwatch += lease.TTL_S
    assert not lease.acquire(other, observation)
    stopwatch += 0.1
    assert lease.acquire(other, observation)
    assert bot_health().state == "clock_set_back"
    clock.move(3600)
    assert lease.acquire(other, observation)
    assert bot_health().state == "ok"


def test_living_holder_keeps_the_lease_whatever_the_clock(clock, monkeypatch):
    holder, other, observation, stopwatch = held(), uuid4(), lease.Observation(), 1000.0
    monkeypatch.setattr(lease.time, "monotonic", lambda: stopwatch)
    clock.move(-3600)
    for _ in range(10):
        assert lease.acquire(holder)
        clock.move(2)
        stopwatch += 2
        assert not lease.acquire(other, observation)


def test_pause_lasts_as_long_as_asked_although_the_clock_was_set_back(clock):
    holder = held()
    lease.pause(30)
    clock.move(-3600)
    assert lease.acquire(holder)
    assert lease.paused_until() == clock() + timedelta(seconds=30)


def test_queue_goes_on_although_the_clock_was_set_back(clock, webinar, lead):
    classified(webinar, [lead], "stayed_to_end")
    holder = held()
    clock.move(-3600)
    assert lease.acquire(holder)
    expire()
    (claim,) = claims.claim(10, holder)
    complete(claim, NotSent("ConnectError"))
    clock.move(-3600)
    expire()
    assert len(claims.claim(10, holder)) == 1


def test_delays_are_kept_while_the_clock_is_right(clock, webinar, lead):
    classified(webinar, [lead], "stayed_to_end")
    OutboxMessage.objects.update(due_at=clock() + timedelta(seconds=completion.LAST_RETRY_S))
    expire()
    assert claims.claim(10, held()) == []


def test_heartbeat_from_the_future_is_none(clock):
    held()
    assert bot_health().state == "ok"
    clock.move(-3600)
    assert bot_health().state == "dispatcher_down"


def test_released_lease_is_free_at_once(clock):
    holder, other = held(), uuid4()
    lease.release(other)
    assert not lease.acquire(other)
    lease.release(holder)
    assert lease.acquire(other)
