"""Batches: when messages go as one, which of them, and that they are completed together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.attendance.models import ClassificationChunk, Verdict
from efir.fake_botapi.markup import parse_html, utf16_length
from efir.followup.digest import MAX_SINGLE
from efir.room.models import CtaPress
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import MessageRefused, NotSent, OutcomeUnknown, RateLimited, Sent
from efir.telegram.models import DispatcherState, MessageBatch, OutboxMessage, TelegramChat
from efir.telegram.outbox import batching, claims, enqueue, resend
from efir.telegram.outbox.completion import AFTER_UNKNOWN_S, LAST_RETRY_S, complete, recover_orphaned
from efir.telegram.outbox.message_types import MAX_TEXT
from tests.conftest import SYSTEM
from tests.support.questions import asked
from tests.support.telegram import classified, held, linked, with_bot

pytestmark = pytest.mark.django_db

MANY = MAX_SINGLE + 1


@pytest.fixture(autouse=True)
def _bot(settings):
    with_bot(settings)


@pytest.fixture
def webinar(clock, make_webinar):
    return make_webinar("finished")


@pytest.fixture
def partner(make_person):
    partner = make_person(Role.PARTNER)
    linked(partner)
    return partner


@pytest.fixture
def verdicts(webinar, partner, make_person):
    """Give verdicts on so many candidates of the partner. The candidates are not linked."""

    def give(count, reason="stayed_to_end", *, names="Кандидат", about=webinar, to=partner):
        leads = [make_person(name=f"{names} {number:03}", invited_by=to) for number in range(count)]
        classified(about, leads, reason, 0 if reason == "no_show" else 600)
        return leads

    return give


@pytest.fixture
def claim():
    """Claim once more, as the same process."""
    holder = held()

    def again(limit=10):
        assert lease.acquire(holder)
        return claims.claim(limit, holder)

    return again


def to_partner():
    return OutboxMessage.objects.filter(kind="partner_attendance").order_by("pk")


def shown(claim):
    """Return the text that Telegram shows."""
    return parse_html(claim.compose().text)[0]


def test_up_to_five_messages_go_one_by_one(verdicts, claim):
    verdicts(MAX_SINGLE)
    for number in range(MAX_SINGLE):
        (one,) = claim()
        assert len(one.messages) == 1
        complete(one, Sent(number))
    assert claim() == []


def test_more_than_five_messages_go_as_one(verdicts, claim, partner):
    leads = verdicts(MANY)
    (one,) = claim()
    carrier, *carried = one.messages
    assert {row.lead_id for row in one.messages} == {lead.pk for lead in leads}
    complete(one, Sent(77), "text")
    rows = to_partner()
    assert {(row.state, row.message_id, row.text, row.attempts) for row in rows} == {("sent", 77, "text", 1)}
    assert {row.pk for row in rows.filter(carried_by=carrier.pk)} == {row.pk for row in carried}
    assert claim() == []


def test_messages_are_batched_per_webinar_and_partner(verdicts, claim, make_webinar, make_person):
    other_webinar, other_partner = make_webinar("finished"), make_person(Role.PARTNER)
    linked(other_partner)
    verdicts(MAX_SINGLE)
    verdicts(MAX_SINGLE, about=other_webinar)
    verdicts(MAX_SINGLE, to=other_partner)
    assert [len(each.messages) for each in claim()] == [1, 1]


@pytest.fixture
def more_to_come(webinar, partner):
    """Let the classification stop between two verdicts on the partner's candidates."""
    return ClassificationChunk.objects.create(
        webinar=webinar, number=1, lead_ids=[], continued_inviter=partner
    )


def test_batch_waits_until_all_verdicts_of_its_partner_are_there(verdicts, claim, more_to_come):
    verdicts(2)
    assert claim() == []
    more_to_come.delete()
    verdicts(4)
    (one,) = claim()
    assert len(one.messages) == 6


def test_partner_does_not_wait_for_verdicts_of_another(verdicts, claim, more_to_come, make_person):
    other = make_person(Role.PARTNER)
    linked(other)
    verdicts(1)
    verdicts(MANY, to=other)
    assert [(each.person_id, len(each.messages)) for each in claim()] == [(other.pk, MANY)]


def test_verdicts_to_come_delay_no_other_webinar(verdicts, claim, more_to_come, make_webinar):
    verdicts(1)
    other = make_webinar("finished")
    verdicts(1, about=other)
    assert [each.messages[0].webinar_id for each in claim()] == [other.pk]


def test_batch_is_made_with_its_last_verdict(verdicts, more_to_come):
    """A claim that makes it takes the longer, the more messages there are."""
    verdicts(MANY)
    assert set(to_partner().values_list("batch", flat=True)) == {None}
    more_to_come.delete()
    verdicts(1)
    (batch,) = set(to_partner().values_list("batch", flat=True))
    assert MessageBatch.objects.get(pk=batch).summary == {"total": MANY + 1, "attended": MANY + 1}


def test_batch_without_a_summary_is_counted(verdicts, claim):
    verdicts(MANY)
    MessageBatch.objects.all().delete()  # as an earlier release leaves it
    (one,) = claim()
    assert f"участие засчитано — {MANY}, не засчитано — 0" in shown(one)


def test_candidates_do_not_wait_for_other_verdicts(verdicts, claim, more_to_come):
    (lead,) = verdicts(1)
    linked(lead)
    enqueue.release_for_link(lead)
    assert [each.messages[0].kind for each in claim()] == ["candidate_followup"]


def test_verdicts_decided_later_make_a_new_batch(verdicts, claim):
    verdicts(MANY)
    complete(claim()[0], Sent(1))
    verdicts(1, "no_show", names="Позже")
    (one,) = claim()
    assert [row.lead.name for row in one.messages] == ["Позже 000"]
    assert "Кандидат: Позже 000" in shown(one)
    complete(one, Sent(2))
    verdicts(MANY, "no_show", names="Ещё позже")
    assert [len(each.messages) for each in claim()] == [MANY]


def test_list_starts_with_attended_and_has_everybody(verdicts, claim, webinar):
    verdicts(2, "no_show", names="Пропавший")
    verdicts(2, "left_early", names="Ушедший")
    verdicts(2, "stayed_to_end", names="Бывший")
    (one,) = claim()
    assert [address for _, address in one.compose().buttons] == [
        "http://127.0.0.1:8000/account/?show=attended#candidates"
    ]
    assert shown(one).splitlines() == [
        f"Вебинар «{webinar.title}» завершён.",
        "Ваши кандидаты: участие засчитано — 2, не засчитано — 4.",
        "Сверху те, кому лучше позвонить раньше: кто спросил и не получил ответа, кто нажал кнопку связи, чьё участие "
        "засчитано ✅.",
        "",
        "✅ Бывший 000 — до конца, 10 минут",
        "✅ Бывший 001 — до конца, 10 минут",
        "• Ушедший 000 — выход раньше времени, 10 минут",
        "• Ушедший 001 — выход раньше времени, 10 минут",
        "• Пропавший 000 — без входа в эфир",
        "• Пропавший 001 — без входа в эфир",
        "",
        "Самое время связаться, пока впечатления свежи.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("names", ["Кандидат", "🎈" * 100, "<&>" * 40])
def test_long_list_is_split_at_telegrams_limit(verdicts, claim, names):
    leads = verdicts(100, names=names)
    listed, lengths = [], []
    while batch := claim():
        (one,) = batch
        lengths.append(utf16_length(shown(one)))
        listed += [row.lead_id for row in one.messages]
        complete(one, Sent(len(lengths)), one.compose().text)
    assert sorted(listed) == sorted(lead.pk for lead in leads)
    assert max(lengths) <= MAX_TEXT
    # No call could have carried one line more.
    assert all(length > MAX_TEXT - utf16_length(names) - 40 for length in lengths[:-1])
    assert set(to_partner().values_list("state", flat=True)) == {"sent"}
    assert to_partner().filter(carried_by=None).count() == len(lengths)


def test_list_is_ordered_by_whom_to_call_first(verdicts, claim, webinar):
    verdicts(2, "stayed_to_end", names="Бывший")
    (pressed, *_) = verdicts(2, "left_early", names="Ушедший")
    (absent, has_asked) = verdicts(2, "no_show", names="Пропавший")
    for person in (pressed, has_asked):
        CtaPress.objects.create(webinar=webinar, person=person, pressed_at=webinar.started_at)
    asked(webinar, absent, "Сколько это стоит?")
    asked(webinar, has_asked, "Где запись?", at=webinar.started_at + timedelta(seconds=150))
    (one,) = claim()
    assert [row.lead.name for row in one.messages] == [
        "Пропавший 001",
        "Пропавший 000",
        "Ушедший 000",
        "Бывший 000",
        "Бывший 001",
        "Ушедший 001",
    ]
    lines = shown(one).splitlines()
    assert lines[4:7] == [
        "• Пропавший 001 — без входа в эфир, кнопка связи нажата",
        "спросил: Где запись? (минута 2)",
        "• Пропавший 000 — без входа в эфир",
    ]


def test_list_with_long_questions_is_split_at_telegrams_limit(verdicts, claim, webinar):
    leads = verdicts(30, names="🎈" * 100)
    for lead in leads:
        for number in range(3):
            asked(webinar, lead, f"{number}" + "<🎈&" * 160)
    listed, lengths = [], []
    while batch := claim():
        lengths.append(utf16_length(shown(batch[0])))
        assert "и ещё вопросов: 1" in shown(batch[0])
        listed += [row.lead_id for row in batch[0].messages]
        complete(batch[0], Sent(len(lengths)), batch[0].compose().text)
    assert sorted(listed) == sorted(lead.pk for lead in leads)
    assert max(lengths) <= MAX_TEXT


def test_rest_of_a_long_list_goes_as_one(verdicts, claim):
    verdicts(25, names="И" * 145)
    sizes = []
    while batch := claim():
        sizes.append(len(batch[0].messages))
        assert f"В этом сообщении: {sizes[-1]} из 25." in shown(batch[0])
        complete(batch[0], Sent(len(sizes)))
    assert sum(sizes) == 25
    assert len(sizes) == 2
    assert 1 < sizes[1] <= MAX_SINGLE


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (MessageRefused("can't parse entities"), "failed"),
        (RateLimited(3, "Too Many Requests"), "queued"),
        (NotSent("ConnectError"), "queued"),
        (OutcomeUnknown("ReadTimeout"), "queued"),
    ],
)
def test_batch_is_completed_together(verdicts, claim, decision, state):
    verdicts(MANY)
    complete(claim()[0], decision, "text")
    assert {(row.state, row.error) for row in to_partner()} == {(state, decision.error)}


def test_retried_batch_stays_together(verdicts, claim, clock):
    verdicts(MANY)
    (first,) = claim()
    complete(first, NotSent("ConnectError"))
    verdicts(2, names="Новый")
    clock.move(LAST_RETRY_S)
    (again,) = claim()
    assert [row.pk for row in again.messages] == [row.pk for row in first.messages]
    complete(again, Sent(1))
    assert [len(each.messages) for each in claim()] == [1]


def test_unknown_outcome_of_a_batch_is_retried_once(verdicts, claim, clock):
    verdicts(MANY)
    for _ in range(2):
        (one,) = claim()
        assert len(one.messages) == MANY
        complete(one, OutcomeUnknown("ReadTimeout"), "text")
        clock.move(AFTER_UNKNOWN_S)
    assert {(row.state, row.attempts, row.text) for row in to_partner()} == {("uncertain", 2, "text")}
    assert claim() == []


def test_next_holder_recovers_the_whole_batch(verdicts, claim, clock):
    verdicts(MANY)
    (first,) = claim()
    assert claims.mark_sending(first, "текст")
    clock.move(lease.TTL_S + 1)
    heir = held()
    assert recover_orphaned(heir) == MANY
    (again,) = claims.claim(10, heir)
    assert [row.pk for row in again.messages] == [row.pk for row in first.messages]
    complete(first, Sent(1))  # too late: another call is in progress
    complete(again, Sent(2))
    assert set(to_partner().values_list("message_id", flat=True)) == {2}


def test_late_success_restores_the_carrier(verdicts, claim, clock):
    verdicts(MANY)
    (first,) = claim()
    assert claims.mark_sending(first, "текст")
    clock.move(lease.TTL_S + 1)
    recover_orphaned(held())
    complete(first, Sent(1), "text")
    assert to_partner().filter(state="sent", carried_by=first.messages[0].pk).count() == MANY - 1


def test_message_that_cannot_be_composed_does_not_stop_its_batch(verdicts, claim, webinar):
    leads = verdicts(MANY)
    Verdict.objects.filter(lead=leads[2]).delete()
    told, refused = [], []
    while batch := claim():
        (one,) = batch
        lead_ids = [row.lead_id for row in one.messages]
        try:
            one.compose()
        except Verdict.DoesNotExist:
            refused += lead_ids
            complete(one, MessageRefused("not composed"))
        else:
            told += lead_ids
            complete(one, Sent(len(told)))
    assert refused == [leads[2].pk]
    assert told == [lead.pk for lead in leads if lead != leads[2]]


@pytest.mark.slow
def test_claim_costs_the_same_however_many_wait(verdicts, claim, webinar):
    costs = []
    for count in (150, 420):
        verdicts(count)
        claim()  # assigns the batch
        OutboxMessage.objects.filter(state="sending").update(state="queued")
        with CaptureQueriesContext(connection) as queries:
            (one,) = claim()
        costs.append(len(queries))
        assert len(one.messages) < 150
        OutboxMessage.objects.update(state="sent")
    few, many = costs
    assert many == few


def test_nothing_is_composed_while_the_lease_is_locked(verdicts, claim, monkeypatch):
    verdicts(MANY)
    held_locks = []
    real = batching._fit_to_limit
    depth = len(connection.savepoint_ids)
    monkeypatch.setattr(
        batching,
        "_fit_to_limit",
        lambda *args: held_locks.append(len(connection.savepoint_ids) > depth) or real(*args),
    )
    claim()
    assert held_locks
    assert not any(held_locks)


def test_late_link_releases_one_batch(verdicts, claim, partner):
    TelegramChat.objects.all().delete()
    verdicts(MANY)
    linked(partner)
    enqueue.release_for_link(partner)
    assert [len(each.messages) for each in claim()] == [MANY]


def test_resent_messages_go_together(verdicts, claim):
    verdicts(MANY)
    complete(claim()[0], MessageRefused("too long"))
    failed = to_partner().filter(state="failed")
    assert resend.retry(failed.filter(pk__in=list(failed.values_list("pk", flat=True)[:3])), SYSTEM) == 3
    (one,) = claim()
    assert len(one.messages) == 3
    assert f"В этом сообщении: 3 из {MANY}." in shown(one)


def test_claim_is_limited_in_rows(verdicts, claim, make_person, monkeypatch):
    monkeypatch.setattr(claims, "ROW_BATCH", MANY)
    for _ in range(2):
        other = make_person(Role.PARTNER)
        linked(other)
        verdicts(MANY, to=other)
    assert [len(each.messages) for each in claim()] == [MANY]
    assert to_partner().filter(state="queued").count() == MANY
    assert [len(each.messages) for each in claim()] == [MANY]


def test_recover_requeues_a_claim_nobody_heard_of(verdicts, claim, clock):
    """The database did the commit, and the connection broke before it said so."""
    verdicts(MANY)
    (lost,) = claim()
    holder = DispatcherState.objects.get().holder
    assert claims.recover(holder, [lost.attempt_id]) == 0
    assert claims.recover(holder, []) == MANY
    assert {(row.state, row.attempts, row.uncertain_count) for row in to_partner()} == {("queued", 0, 0)}
    assert len(claim()[0].messages) == MANY


def test_failing_message_delays_later_ones_for_a_while(verdicts, claim, clock):
    verdicts(2)
    first, second = to_partner()
    OutboxMessage.objects.filter(pk=first.pk).update(failures=1, due_at=clock() + timedelta(minutes=1))
    assert claim() == []
    OutboxMessage.objects.filter(pk=first.pk).update(failures=9)
    assert [row.pk for each in claim() for row in each.messages] == [second.pk]
