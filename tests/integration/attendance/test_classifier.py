"""From recorded presence to the verdict and the journal, with a clock that the test moves."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from efir.accounts.capabilities import Role
from efir.accounts.roles import assign_role
from efir.attendance import classifier, tracker
from efir.attendance.evidence import late_results, live_time_of
from efir.attendance.labels import unknown_label
from efir.attendance.models import (
    Classification,
    ClassificationChunk,
    Participation,
    UnknownReason,
    Verdict,
    inviters_with_verdicts_to_come,
)
from efir.hooks.actions import ActionRefused, Context, Source
from efir.hooks.models import JournalEntry
from efir.ops.verify import verdicts, verify
from efir.room.models import PresenceInterval
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.webinars import core
from tests.conftest import SYSTEM, start, stop

pytestmark = pytest.mark.django_db


class Evening:
    """A live webinar with one recording process; times are seconds after its start."""

    def __init__(self, clock, make_webinar):
        self.clock = clock
        self.webinar = make_webinar("scheduled")
        self.zero = clock()
        self.recorder = RecorderRow(uuid4(), self.zero - timedelta(hours=1), self.zero)
        start(self.webinar.pk, SYSTEM)

    def at(self, second):
        return self.zero + timedelta(seconds=second)

    def seen(self, person, came, went=None, recorder=None):
        row = IntervalRow(
            (recorder or self.recorder).id,
            self.webinar.pk,
            person.pk,
            self.at(came),
            None if went is None else self.at(went),
        )
        write(Pending((recorder or self.recorder,), (row,)))

    def pulse(self, second, *, closed=False):
        moment = self.at(second)
        self.recorder = RecorderRow(
            self.recorder.id, self.recorder.started_at, moment, moment if closed else None
        )
        write(Pending((self.recorder,), ()))

    def stop(self, second=3600, *, settle=True):
        self.clock.moment = self.at(second)
        stop(self.webinar.pk, SYSTEM)
        if settle:
            self.pulse(second + 1)
            self.clock.move(60)

    def verdicts(self):
        while classifier.classify_due():
            pass
        return {verdict.lead_id: (verdict.attended, verdict.reason) for verdict in Verdict.objects.all()}


@pytest.fixture
def evening(clock, make_webinar):
    return Evening(clock, make_webinar)


def events(name):
    return list(JournalEntry.objects.filter(event=name).values_list("lead_id", flat=True))


def test_classifies_a_whole_evening(evening, make_person):
    partner = make_person(Role.PARTNER)
    stayed, left, absent, stranger = (make_person(invited_by=partner) for _ in range(4))
    for person in (stayed, absent):
        core.book_seat(evening.webinar.pk, person)
    evening.seen(stayed, -100, 3600)
    evening.seen(left, 10, 600)
    evening.seen(partner, 0, 3600)
    evening.stop()
    assert evening.verdicts() == {
        stayed.pk: (True, "stayed_to_end"),
        left.pk: (False, "left_early"),
        absent.pk: (False, "no_show"),
    }
    assert events("client_webinar_entered") == [stayed.pk, left.pk]
    assert events("client_webinar_completed") == [stayed.pk]
    assert sorted(events("client_webinar_attendance_classified")) == [stayed.pk, left.pk, absent.pk]
    assert stranger.pk not in evening.verdicts()


class TestClockSet:
    """Start and stop are times of that clock, so nothing between them can be known."""

    @pytest.fixture
    def people(self, evening, make_person):
        stayed, absent = make_person(), make_person()
        for person in (stayed, absent):
            core.book_seat(evening.webinar.pk, person)
        evening.seen(stayed, -100)
        evening.pulse(600)
        evening.clock.moment = evening.at(600)
        tracker.record_new_entries()
        return stayed, absent

    @pytest.mark.parametrize("stopped_at", [-1800, 300])
    def test_holds_every_verdict_reproducibly(self, evening, people, stopped_at):
        back = evening.at(-3000)
        after = RecorderRow(uuid4(), back, evening.at(stopped_at + 1), repeats_until=evening.at(600))
        evening.seen(people[0], -3000, recorder=after)
        evening.stop(stopped_at, settle=False)
        evening.clock.move(60)
        held = {person.pk: (None, "unknown") for person in people}
        assert evening.verdicts() == held
        assert {verdict.why_unknown for verdict in Verdict.objects.all()} == {"clock_moved"}
        assert not events("client_webinar_attendance_classified")
        *notes, summary = verify()
        assert [str(note)[:16] for note in notes] == ["note: webinar id"] * (stopped_at < 0)
        assert str(summary).startswith("OK")

    def test_holds_verdicts_of_people_without_a_seat(self, evening, people, make_person):
        # They came after the clock was set back: by their times, before the start.
        walk_in, speaker = make_person(), make_person(Role.SPEAKER)
        after = RecorderRow(uuid4(), evening.at(-3000), evening.at(301), repeats_until=evening.at(600))
        for person in (walk_in, speaker):
            evening.seen(person, -3000, -2000, recorder=after)
        evening.stop(300, settle=False)
        evening.clock.move(60)
        assert evening.verdicts() == {person.pk: (None, "unknown") for person in (*people, walk_in)}
        assert list(verdicts.issues()) == []

    def test_holds_every_verdict_if_the_clock_was_set_ahead(self, evening, people):
        # Half an hour of the live time never came, so nobody can have watched it.
        ahead = RecorderRow(uuid4(), evening.at(2400), evening.at(3001), skipped_from=evening.at(600))
        evening.seen(people[0], 2400, recorder=ahead)
        evening.stop(3000, settle=False)
        evening.clock.move(60)
        assert evening.verdicts() == {person.pk: (None, "unknown") for person in people}
        assert {verdict.why_unknown for verdict in Verdict.objects.all()} == {"clock_moved"}
        assert list(verdicts.issues()) == []

    def test_repeated_time_before_the_start_changes_nothing(self, evening, people):
        long_ago = RecorderRow(uuid4(), evening.at(-9000), evening.at(-8000), repeats_until=evening.at(-7000))
        write(Pending((long_ago,), ()))
        evening.stop()
        assert evening.verdicts() == {
            people[0].pk: (True, "stayed_to_end"),
            people[1].pk: (False, "no_show"),
        }


def test_entry_is_emitted_once_at_the_first_live_moment(evening, make_person):
    lead = make_person()
    evening.seen(lead, -100)
    evening.pulse(5)
    evening.clock.moment = evening.at(6)
    assert tracker.record_new_entries() == 1
    assert tracker.record_new_entries() == 0
    entry = JournalEntry.objects.get()
    assert entry.moment == evening.at(0)
    assert entry.payload["session_id"] == str(Participation.objects.get().session_id)


def test_nobody_enters_before_the_start_or_in_a_pause(evening, make_person):
    core.pause(evening.webinar.pk, SYSTEM)  # at the very start
    lead = make_person()
    evening.seen(lead, 10)
    evening.pulse(20)
    evening.clock.moment = evening.at(20)
    assert tracker.record_new_entries() == 0
    core.resume(evening.webinar.pk, SYSTEM)
    evening.pulse(25)
    evening.clock.moment = evening.at(25)
    assert tracker.record_new_entries() == 1
    assert JournalEntry.objects.get().moment == evening.at(20)


def test_lead_status_is_settled_at_entry(evening, make_person):
    lead, partner = make_person(), make_person(Role.PARTNER)
    for person in (lead, partner):
        evening.seen(person, 0, 3600)
        core.book_seat(evening.webinar.pk, person)
    evening.pulse(10)
    tracker.record_new_entries()
    evening.clock.move(10)
    tracker.record_new_entries()
    assign_role(lead, Role.PARTNER)
    assign_role(partner, Role.CANDIDATE)
    evening.stop()
    assert evening.verdicts() == {lead.pk: (True, "stayed_to_end")}


def test_verdict_waits_for_the_settle_delay(evening, make_person):
    evening.seen(make_person(), 0, 3600)
    evening.stop(settle=False)
    evening.pulse(3601)
    evening.clock.move(59)
    assert evening.verdicts() == {}
    evening.clock.move(1)
    assert len(evening.verdicts()) == 1


def test_verdict_waits_for_a_running_process_only(evening, make_person):
    lead = make_person()
    evening.seen(lead, 0)
    evening.pulse(3590)
    evening.stop(settle=False)
    evening.clock.move(60)
    assert evening.verdicts() == {}  # its pulse is 70 s old: it may yet tell
    evening.clock.move(30)
    assert evening.verdicts() == {lead.pk: (True, "stayed_to_end")}  # dead, within the grace


def test_dead_process_holds_the_verdicts_of_its_viewers(evening, make_person):
    held, left = make_person(), make_person()
    evening.seen(held, 0)
    evening.seen(left, 0, 100)
    evening.pulse(1000)
    another = RecorderRow(uuid4(), evening.at(1005), evening.at(3700))
    write(Pending((another,), ()))
    evening.stop(settle=False)
    evening.clock.move(600)
    assert evening.verdicts() == {held.pk: (None, "unknown"), left.pk: (False, "left_early")}
    assert events("client_webinar_attendance_classified") == [left.pk]


class TestLostInThePause:
    """They wait in a pause when their process dies, and live time follows that nobody saw them in."""

    @pytest.fixture
    def people(self, evening, make_person):
        seated, unseated, speaker = make_person(), make_person(), make_person(Role.SPEAKER)
        core.book_seat(evening.webinar.pk, seated)
        evening.clock.moment = evening.at(100)
        core.pause(evening.webinar.pk, SYSTEM)
        for person in (seated, unseated, speaker):
            evening.seen(person, 200)
        evening.pulse(300)
        write(Pending((RecorderRow(uuid4(), evening.at(0), evening.at(3700)),), ()))
        evening.clock.moment = evening.at(400)
        core.resume(evening.webinar.pk, SYSTEM)
        return seated, unseated

    def test_holds_verdicts_with_and_without_a_seat(self, evening, people):
        evening.stop(settle=False)
        evening.clock.move(600)
        assert evening.verdicts() == {person.pk: (None, "unknown") for person in people}
        assert not events("client_webinar_attendance_classified")
        assert list(verdicts.issues()) == []

    def test_deciding_emits_the_event(self, evening, people, make_person):
        evening.stop(settle=False)
        evening.clock.move(600)
        evening.verdicts()
        admin = make_person(Role.ADMIN)
        classifier.resolve_verdict(evening.webinar.pk, people[1].pk, True, Context(admin.pk, Source.WEB))
        assert events("client_webinar_attendance_classified") == [people[1].pk]
        (line,) = verify()
        assert str(line).startswith("OK")

    def test_verify_accepts_them_without_the_recorded_presence(self, evening, people):
        evening.stop(settle=False)
        evening.clock.move(600)
        evening.verdicts()
        PresenceInterval.objects.all().delete()
        Classification.objects.update(evidence_pruned_at=evening.clock())
        assert list(verdicts.issues()) == []


class TestLateEvidence:
    """A process that cannot reach the database writes what it saw after the verdict."""

    @pytest.fixture
    def people(self, evening, make_person):
        held, absent = make_person(), make_person()
        for person in (held, absent):
            core.book_seat(evening.webinar.pk, person)
        evening.seen(held, 0)
        evening.pulse(1000)
        write(Pending((RecorderRow(uuid4(), evening.at(0), evening.at(3700)),), ()))
        evening.stop(settle=False)
        evening.clock.move(600)
        assert evening.verdicts() == {held.pk: (None, "unknown"), absent.pk: (False, "no_show")}
        evening.seen(held, 0, 3600)
        evening.seen(absent, 1100, 3600)
        evening.pulse(3700)
        return held, absent

    def test_is_no_contradiction_but_noted(self, evening, people):
        held, absent = people
        assert list(verdicts.issues()) == []
        evening.webinar.refresh_from_db()
        late = late_results(evening.webinar, list(Verdict.objects.all()))
        assert {lead: result.reason for lead, result in late.items()} == dict.fromkeys(
            (held.pk, absent.pk), "stayed_to_end"
        )
        first, second = verdicts.notes()
        assert f"lead={held.pk}: is unknown (process_died), but stayed_to_end by presence" in first
        assert f"lead={absent.pk}: is no_show, but stayed_to_end by presence" in second

    def test_changed_presence_is_still_found(self, evening, people):
        PresenceInterval.objects.filter(person=people[0]).delete()
        (issue,) = verdicts.issues()
        assert "by the recorded presence" in issue.wrong


def test_no_evidence_is_late_if_all_processes_wrote(evening, make_person):
    evening.seen(make_person(), 0, 3600)
    evening.stop()
    evening.verdicts()
    evening.pulse(9000)
    evening.webinar.refresh_from_db()
    assert late_results(evening.webinar, list(Verdict.objects.all())) == {}
    assert list(verdicts.notes()) == []


def test_held_verdict_is_decided_once(evening, make_person):
    lead, admin, speaker = make_person(), make_person(Role.ADMIN), make_person(Role.SPEAKER)
    core.book_seat(evening.webinar.pk, lead)
    evening.stop(settle=False)  # nobody recorded anything
    evening.clock.move(600)
    assert evening.verdicts() == {lead.pk: (None, "unknown")}
    with pytest.raises(ActionRefused, match="forbidden"):
        classifier.resolve_verdict(evening.webinar.pk, lead.pk, True, Context(speaker.pk, Source.WEB))
    for attended in (True, False):  # the second decision comes too late
        classifier.resolve_verdict(evening.webinar.pk, lead.pk, attended, Context(admin.pk, Source.WEB))
    entry = JournalEntry.objects.get(event="client_webinar_attendance_classified")
    assert (entry.payload["attended"], entry.payload["reason"], entry.actor_id) == (
        True,
        "decided_by_admin",
        admin.pk,
    )


def test_chunk_size_does_not_matter(evening, make_person):
    leads = [make_person() for _ in range(7)]
    for number, lead in enumerate(leads):
        evening.seen(lead, 0, 3600 if number % 2 else 100)
    evening.stop()
    tracker.record_new_entries()
    evening.webinar.refresh_from_db()
    rounds = 0
    while classifier.classify_chunk(evening.webinar, size=2):
        rounds += 1
    assert rounds == 4
    assert Verdict.objects.count() == len(events("client_webinar_attendance_classified")) == 7


def test_skipped_leads_are_classified_at_the_end(evening, make_person):
    leads = [make_person() for _ in range(5)]
    for lead in leads:
        evening.seen(lead, 0, 3600)
    evening.stop()
    tracker.record_new_entries()
    evening.webinar.refresh_from_db()
    classifier._classify_leads(evening.webinar, [leads[3].pk])
    while classifier.classify_chunk(evening.webinar, size=2):
        pass
    assert set(Verdict.objects.values_list("lead_id", flat=True)) == {lead.pk for lead in leads}


def test_inviter_with_few_leads_has_their_verdicts_first(evening, make_person):
    big, small = make_person(Role.PARTNER), make_person(Role.PARTNER)
    invited = {
        inviter: [make_person(invited_by=inviter) for _ in range(n)] for inviter, n in ((big, 5), (small, 2))
    }
    alone = make_person()
    for lead in [alone, *invited[big], *invited[small]]:
        evening.seen(lead, 0, 3600)
    evening.stop()
    tracker.record_new_entries()
    evening.webinar.refresh_from_db()
    found = []
    while classifier.classify_chunk(evening.webinar, size=3):
        judged = set(Verdict.objects.values_list("lead__invited_by_id", flat=True))
        found.append((judged, inviters_with_verdicts_to_come(evening.webinar.pk)))
    both = {big.pk, small.pk}
    assert found == [(both, {big.pk}), (both, {big.pk}), (both | {None}, set())]


def test_chunk_of_a_worker_that_died_is_classified_by_the_next(evening, make_person):
    leads = [make_person() for _ in range(3)]
    for lead in leads:
        evening.seen(lead, 0, 3600)
    evening.stop()
    tracker.record_new_entries()
    evening.webinar.refresh_from_db()
    classifier.classify_chunk(evening.webinar, size=2)
    while classifier.classify_chunk(evening.webinar, size=500):
        pass
    assert set(Verdict.objects.values_list("lead_id", flat=True)) == {lead.pk for lead in leads}
    assert not ClassificationChunk.objects.exists()


def test_recompute_gives_the_stored_verdict(evening, make_person):
    people = [make_person() for _ in range(4)]
    core.book_seat(evening.webinar.pk, people[3])
    evening.seen(people[0], 0, 3600)
    evening.seen(people[1], 0, 1200)
    lost = RecorderRow(uuid4(), evening.at(0), evening.at(900))
    evening.seen(people[2], 0, recorder=lost)
    evening.stop(settle=False)
    evening.pulse(3601)
    evening.clock.move(600)
    evening.verdicts()
    for verdict in Verdict.objects.all():
        again = classifier.recompute(verdict, live_time_of(evening.webinar, evening.at(3600)))
        assert (again.attended, again.reason) == (verdict.attended, verdict.reason)
        assert verdict.rule == "end_gap_within_grace grace_s=90 settle_s=60"


def test_parallel_webinars_are_classified_separately(evening, make_person, make_webinar):
    lead = make_person()
    other = make_webinar("live")
    core.book_seat(other.pk, lead)
    evening.seen(lead, 0, 3600)
    evening.stop()
    stop(other.pk, SYSTEM)
    evening.pulse(4000)
    evening.clock.move(61)
    while classifier.classify_due():
        pass
    reasons = dict(Verdict.objects.values_list("webinar_id", "reason"))
    assert reasons == {evening.webinar.pk: "stayed_to_end", other.pk: "no_show"}


@pytest.mark.parametrize(
    ("old", "new"),
    [("final_grace_unseen", "end_not_recorded"), ("live_time_unseen", "live_time_not_recorded")],
)
def test_unknown_reason_of_the_first_release_is_read(old, new):
    verdict = Verdict(reason="unknown", why_unknown=old)
    assert verdict.unknown_reason == new
    assert unknown_label(verdict) == UnknownReason(new).label


def test_migration_renames_stored_unknown_reasons(make_webinar, make_person, clock):
    migration = import_module("efir.attendance.migrations.0004_rename_unknown_reasons")
    webinar, fields = make_webinar("finished"), {"reason": "unknown", "intervals": [], "present_s": 0}
    for why in ("final_grace_unseen", "live_time_unseen", "process_died"):
        Verdict.objects.create(
            webinar=webinar, lead=make_person(), why_unknown=why, classified_at=clock(), **fields
        )
    for step, expected in (
        (migration.rename, ["end_not_recorded", "live_time_not_recorded", "process_died"]),
        (migration.restore, ["final_grace_unseen", "live_time_unseen", "process_died"]),
    ):
        step(apps, SimpleNamespace(connection=connection))
        assert list(Verdict.objects.order_by("pk").values_list("why_unknown", flat=True)) == expected
