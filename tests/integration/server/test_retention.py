"""What the retention job deletes, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from efir.accounts.models import Session
from efir.attendance import classifier
from efir.attendance.evidence import live_time_of, timeline_of
from efir.attendance.models import Classification, Verdict
from efir.attendance.report.csv_export import presence
from efir.attendance.report.stats import Funnel, curve_of, funnel_of
from efir.audit.models import AuditAddress, AuditEntry
from efir.hooks.actions import Context, Source
from efir.hooks.models import JournalEntry
from efir.room.models import PlaybackTrouble, PresenceInterval, Recorder
from efir.room.playback import record_playback
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.server import retention
from efir.server.retention import RetentionJob, prune_batch
from efir.talk.models import Kind, Message, Mute
from efir.talk.moderation import mute
from efir.talk.writing import write_message
from efir.telegram.models import OutboxMessage
from efir.webinars import core
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db
DAY_S = 24 * 3600


@pytest.fixture
def keep(settings):
    def days(**fields):
        forever = {"evidence_days": 0, "text_days": 0, "talk_days": 0, "address_days": 0, "trace_days": 0}
        settings.EFIR = replace(settings.EFIR, **(forever | fields))

    return days


def test_talk_is_deleted_in_time(keep, member, make_webinar, clock):
    room = make_webinar("live")
    write_message(room.pk, member.person, "Давно", Kind.MESSAGE, uuid4())
    clock.move(10 * DAY_S)
    write_message(room.pk, member.person, "Недавно", Kind.MESSAGE, uuid4())
    keep(talk_days=5)
    prune_batch()
    assert [message.text for message in Message.objects.all()] == ["Недавно"]
    keep()
    clock.move(1000 * DAY_S)
    prune_batch()
    assert Message.objects.count() == 1


def test_mutes_go_some_days_after_the_webinar(keep, member, make_webinar, clock):
    rooms = make_webinar("live"), make_webinar("live")
    for room in rooms:
        mute(room.pk, member.person.pk, True, SYSTEM)
    clock.move(10 * DAY_S)
    core.core_webinar_set_status(rooms[0].pk, "stop", SYSTEM)
    clock.move(6 * DAY_S)
    keep(talk_days=5)
    prune_batch()
    assert [each.webinar for each in Mute.objects.all()] == [rooms[1]]


def test_pictures_that_did_not_come_are_forgotten_after_a_day(keep, member, make_webinar, clock):
    room = make_webinar("live")
    keep()
    record_playback(room, member.person, playing=False)
    clock.move(DAY_S - 60)
    prune_batch()
    assert PlaybackTrouble.objects.count() == 1
    clock.move(120)
    prune_batch()
    assert PlaybackTrouble.objects.count() == 0


@pytest.fixture
def archived(make_webinar, make_person, clock):
    """An archived webinar: one stayed, one left early, one did not come."""
    webinar, begun = make_webinar("live"), clock()
    stayed, left, absent = (make_person() for _ in range(3))
    core.book_seat(webinar.pk, absent)
    end = clock.move(600)
    recorder = RecorderRow(uuid4(), begun - timedelta(hours=1), end + timedelta(minutes=5))
    rows = (
        IntervalRow(recorder.id, webinar.pk, stayed.pk, begun, end),
        IntervalRow(recorder.id, webinar.pk, left.pk, begun, begun + timedelta(minutes=1)),
    )
    write(Pending((recorder,), rows))
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    clock.move(400)
    while classifier.classify_due():
        pass
    OutboxMessage.objects.update(state="sent", text="Здравствуйте")
    return core.archive(webinar.pk, SYSTEM)


def test_pruned_evidence_leaves_verdicts_reproducible(archived, keep, clock):
    keep(evidence_days=100, trace_days=100)
    clock.move(99 * DAY_S)
    prune_batch()
    assert PresenceInterval.objects.count() == 2
    facts = list(JournalEntry.objects.values_list("pk", flat=True))
    now = clock.move(2 * DAY_S)
    prune_batch()
    assert not PresenceInterval.objects.exists()
    assert Classification.objects.get().evidence_pruned_at == now
    assert list(JournalEntry.objects.values_list("pk", flat=True)) == facts
    verdicts = list(Verdict.objects.select_related("webinar"))
    assert {verdict.reason for verdict in verdicts} == {"stayed_to_end", "left_early", "no_show"}
    for verdict in verdicts:
        judged = classifier.recompute(verdict, live_time_of(archived, archived.finished_at))
        assert (judged.attended, judged.reason) == (verdict.attended, verdict.reason)


def test_pruned_evidence_leaves_reports_unchanged(archived, keep, clock):
    timeline = timeline_of(archived)
    before = funnel_of(archived, timeline), curve_of(archived, timeline), presence(archived).batch(0)
    assert before[0] == Funnel(seats=1, entered=2, walk_ins=2, saw_cta=None, stayed=1)
    keep(evidence_days=1)
    clock.move(2 * DAY_S)
    prune_batch()
    assert not PresenceInterval.objects.exists()
    assert (
        funnel_of(archived, timeline),
        curve_of(archived, timeline),
        presence(archived).batch(0),
    ) == before


def test_zero_days_keep_everything(archived, keep, clock):
    keep()
    clock.move(3650 * DAY_S)
    prune_batch()
    assert PresenceInterval.objects.count() == 2
    assert OutboxMessage.objects.exclude(text="").exists()


def test_evidence_of_finished_webinars_is_kept(make_webinar, make_person, keep, clock):
    webinar = make_webinar("finished")
    recorder = Recorder.objects.create(started_at=clock(), pulsed_at=clock())
    PresenceInterval.objects.create(
        recorder=recorder, webinar=webinar, person=make_person(), began_at=clock()
    )
    keep(evidence_days=1, trace_days=1)
    clock.move(10 * DAY_S)
    prune_batch()
    assert PresenceInterval.objects.exists()


def test_texts_are_cleared_and_messages_kept(archived, keep, clock):
    keep(text_days=10)
    OutboxMessage.objects.filter(kind="candidate_recording").update(state="uncertain")
    clock.move(11 * DAY_S)
    prune_batch()
    assert not OutboxMessage.objects.filter(state="sent").exclude(text="").exists()
    assert not OutboxMessage.objects.filter(state="uncertain", text="").exists()  # a person still decides


def test_addresses_are_deleted_and_audit_entries_kept(make_webinar, keep, clock):
    webinar = make_webinar("draft")
    context = Context(None, Source.SYSTEM, address="203.0.113.9")
    core.update(webinar.pk, {"title": "Новое"}, context)
    entries = AuditEntry.objects.count()
    keep(address_days=5)
    clock.move(6 * DAY_S)
    assert AuditAddress.objects.exists()
    prune_batch()
    assert not AuditAddress.objects.exists()
    assert AuditEntry.objects.count() == entries


def test_recorders_are_kept_if_they_are_evidence(archived, keep, clock):
    keep(evidence_days=1, trace_days=1)
    evidence = set(PresenceInterval.objects.values_list("recorder", flat=True))
    idle = Recorder.objects.create(started_at=clock(), pulsed_at=clock.move(60))
    clock.move(3 * DAY_S)
    prune_batch()
    prune_batch()
    assert not Recorder.objects.filter(pk=idle.pk).exists()
    assert set(Recorder.objects.filter(pk__in=evidence).values_list("pk", flat=True)) == evidence


def test_job_continues_while_there_is_more_then_rests(keep, clock, monkeypatch):
    keep()
    monkeypatch.setattr(retention, "BATCH", 2)
    run_out = clock() - timedelta(days=1)
    Session.objects.bulk_create(
        Session(session_key=f"s{n}", session_data="", expire_date=run_out) for n in range(3)
    )
    job = RetentionJob()
    counts = []
    for _ in range(3):
        job.prune()
        counts.append(Session.objects.count())
    assert counts == [1, 0, 0]
    Session.objects.create(session_key="late", session_data="", expire_date=run_out)
    job.prune()
    assert Session.objects.count() == 1
