"""Log lines connect an action with the messages that it caused or released."""

from __future__ import annotations

import pytest

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.attendance.models import Verdict
from efir.hooks.actions import Context, Source
from efir.hooks.models import JournalEntry
from efir.telegram.bot.outcomes import MessageRefused, Sent
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox import claims, enqueue, resend
from efir.telegram.outbox.completion import complete
from efir.webinars import core
from efir.webinars.models import LedgerEntry
from tests.conftest import SYSTEM
from tests.support.telegram import classified, held, linked, with_bot

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _bot(settings):
    with_bot(settings)


@pytest.fixture
def webinar(clock, make_webinar):
    return make_webinar("finished")


@pytest.fixture
def admin(make_person):
    return Context(make_person(Role.ADMIN).pk, Source.WEB)


@pytest.fixture
def lines(caplog):
    """Return a function that lists the log lines of an event, in order."""

    def lines(event):
        logged = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [line for line in logged if line["event"] == event]

    return lines


@pytest.fixture
def settle_all():
    """Return a function that completes all due messages with an outcome."""
    holder = held()

    def settle_all(decision):
        for claim in claims.claim(100, holder):
            complete(claim, decision)

    return settle_all


def stop_of(webinar):
    return f"ledger:{LedgerEntry.objects.get(webinar=webinar, to_status='finished').pk}"


def held_verdict(webinar, lead):
    fields = {"attended": None, "reason": "unknown", "rule": "", "intervals": [], "present_s": 0}
    Verdict.objects.create(webinar=webinar, lead=lead, classified_at=webinar.finished_at, **fields)


def test_messages_name_their_cause(webinar, admin, make_person, lines, settle_all):
    judged, doubtful = (linked(make_person()).person for _ in range(2))
    classified(webinar, [judged], "stayed_to_end")
    held_verdict(webinar, doubtful)
    classifier.resolve_verdict(webinar.pk, doubtful.pk, True, admin)
    settle_all(Sent(1))
    (decided,) = lines("verdict_decided")
    fact = JournalEntry.objects.get(event="client_webinar_attendance_classified", lead_id=doubtful.pk)
    assert decided["cause"] == f"journal:{fact.pk}"
    causes = {line["person_id"]: line["cause"] for line in lines("message_settled")}
    assert causes == {judged.pk: stop_of(webinar), doubtful.pk: decided["cause"]}


def test_call_with_two_causes_logs_two_lines(webinar, admin, make_person, lines, settle_all):
    partner = linked(make_person(Role.PARTNER)).person
    leads = [make_person(invited_by=partner) for _ in range(12)]
    held_verdict(webinar, leads[0])
    classifier.resolve_verdict(webinar.pk, leads[0].pk, True, admin)
    classified(webinar, leads[1:], "stayed_to_end")
    settle_all(Sent(1))
    stopped, decided = sorted(lines("message_settled"), key=lambda line: -len(line["message_ids"]))
    assert stopped["cause"] == stop_of(webinar)
    assert decided["cause"] == lines("verdict_decided")[0]["cause"]
    assert decided["message_ids"] == [OutboxMessage.objects.get(lead=leads[0], person=partner).pk]
    assert len(stopped["message_ids"]) == 11


def test_retry_logs_the_message_ids(webinar, admin, make_person, lines, settle_all):
    leads = [linked(make_person()).person for _ in range(2)]
    classified(webinar, leads, "stayed_to_end")
    settle_all(MessageRefused("too long"))
    first = OutboxMessage.objects.get(person=leads[0])
    resend.retry(OutboxMessage.objects.filter(pk=first.pk), admin)
    settle_all(Sent(1))
    assert [line["message_ids"] for line in lines("retried")] == [[first.pk]]
    again = lines("message_settled")[-1]
    assert (again["message_ids"], again["retried_by_ids"]) == ([first.pk], [admin.actor_id])
    assert again["cause"] == stop_of(webinar)


def test_resolve_logs_the_message_ids(webinar, admin, make_person, lines):
    classified(webinar, [linked(make_person()).person], "stayed_to_end")
    OutboxMessage.objects.update(state="uncertain")
    resend.resolve(OutboxMessage.objects.all(), True, admin)
    assert lines("resolved")[0]["message_ids"] == [OutboxMessage.objects.get().pk]


def test_published_recording_logs_released_messages(webinar, make_person, lines):
    classified(webinar, [linked(make_person()).person for _ in range(2)], "no_show")
    waiting = OutboxMessage.objects.filter(state="waiting_recording").order_by("pk")
    numbers = list(waiting.values_list("pk", flat=True))
    core.publish_recording(webinar.pk, "https://rutube.ru/video/1/", SYSTEM)
    assert [line["message_ids"] for line in lines("released")] == [numbers]
    assert len(numbers) == 2


def test_many_ids_are_split_over_lines(lines, monkeypatch):
    monkeypatch.setattr(enqueue, "IDS_IN_A_LINE", 2)
    enqueue.log_message_ids(enqueue.log, "released", [1, 2, 3])
    enqueue.log_message_ids(enqueue.log, "released", [])
    assert [(line["count"], line["message_ids"]) for line in lines("released")] == [
        (2, [1, 2]),
        (1, [3]),
        (0, []),
    ]
