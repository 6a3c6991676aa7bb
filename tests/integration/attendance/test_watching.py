"""The second rule from recorded watching to the verdict, the journal, and what an upgrade leaves as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.attendance.evidence import judged_live_time, rule_for
from efir.attendance.models import Verdict
from efir.hooks.models import JournalEntry
from efir.ops.verify import verdicts
from efir.room.models import Opening, Recorder, WatchingInterval
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM, start, stop

pytestmark = pytest.mark.django_db


class Evening:
    """A live webinar in which half has to be watched; times are seconds after its start, and it takes an hour."""

    def __init__(self, clock, make_webinar):
        self.clock, self.zero = clock, clock()
        self.webinar = make_webinar()
        self.recorder = RecorderRow(uuid4(), self.zero - timedelta(hours=1), self.at(0))
        start(self.webinar.pk, SYSTEM)

    def at(self, second):
        return self.zero + timedelta(seconds=second)

    def _row(self, person, came, went):
        return IntervalRow(self.recorder.id, self.webinar.pk, person.pk, self.at(came), self.at(went))

    def present(self, person, came=0, went=3600):
        write(Pending((self.recorder,), (self._row(person, came, went),)))

    def watching(self, person, came, went, opened=None):
        write(Pending((self.recorder,), (), (self._row(person, came, went),)))
        if opened is not None:
            Opening.objects.create(webinar=self.webinar, person=person, opened_at=self.at(opened))

    def verdicts(self):
        self.clock.moment = self.at(3600)
        stop(self.webinar.pk, SYSTEM)
        write(Pending((replace(self.recorder, pulsed_at=self.at(3601)),), ()))
        self.clock.move(60)
        while classifier.classify_due():
            pass
        return {verdict.lead_id: (verdict.attended, verdict.reason) for verdict in Verdict.objects.all()}


@pytest.fixture
def evening(clock, make_webinar, settings):
    settings.EFIR = replace(settings.EFIR, min_watched=50)
    return Evening(clock, make_webinar)


def test_attended_means_watched(evening, make_person):
    watched, little, opened, idle, left, absent = (make_person() for _ in range(6))
    core.book_seat(evening.webinar.pk, absent)
    for person in (watched, little, opened, idle):
        evening.present(person)
    evening.present(left, 0, 2000)
    evening.watching(watched, 0, 2400, opened=0)
    evening.watching(little, 2880, 3600, opened=2880)
    evening.watching(idle, 0, 3600)
    evening.watching(left, 0, 2000, opened=0)
    Opening.objects.create(webinar=evening.webinar, person=opened, opened_at=evening.at(10))
    assert evening.verdicts() == {
        watched.pk: (True, "stayed_to_end"),
        little.pk: (False, "watched_too_little"),
        opened.pk: (False, "watched_too_little"),
        idle.pk: (False, "not_watched"),
        left.pk: (False, "left_early"),
        absent.pk: (False, "no_show"),
    }
    completed = JournalEntry.objects.filter(event="client_webinar_completed")
    assert list(completed.values_list("lead_id", flat=True)) == [watched.pk]
    kept = Verdict.objects.get(lead=little)
    assert (kept.watched_s, kept.live_s, kept.opened_at) == (720, 3600, evening.at(2880))
    assert kept.rule == "end_gap_within_grace_and_watched grace_s=90 settle_s=60 min_watched=50"
    assert list(verdicts.issues()) == []
    webinar = Webinar.objects.get()
    for verdict in Verdict.objects.all():
        again = classifier.recompute(verdict, judged_live_time(webinar))
        assert (again.attended, again.reason) == (verdict.attended, verdict.reason)


def test_parameters_are_those_of_the_start(evening, make_person, settings):
    person = make_person()
    evening.present(person)
    evening.watching(person, 0, 1900, opened=0)
    settings.EFIR = replace(settings.EFIR, grace_s=1, settle_s=0, min_watched=90)
    assert evening.verdicts() == {person.pk: (True, "stayed_to_end")}


@pytest.mark.parametrize("role", ["started before", "took part", "gone before"])
def test_process_that_cannot_record_watching_means_the_first_rule(evening, make_person, role):
    person = make_person()
    evening.present(person)
    old = Recorder.objects.create(started_at=evening.at(-9000), pulsed_at=evening.at(-10))
    if role == "took part":
        Recorder.objects.filter(pk=old.pk).update(pulsed_at=evening.at(5))
    if role == "started before":
        Webinar.objects.filter(pk=evening.webinar.pk).update(grace_s=None, settle_s=None, min_watched=None)
    first = role != "gone before"
    assert evening.verdicts() == {person.pk: (True, "stayed_to_end") if first else (False, "not_watched")}
    rule = Verdict.objects.get().rule
    assert rule.startswith("end_gap_within_grace grace_s=90 settle_s=60") is first
    assert list(verdicts.issues()) == []


def test_unseen_watching_holds_the_verdict(evening, make_person):
    person = make_person()
    evening.present(person)
    evening.watching(person, 0, 1500, opened=0)
    # Nothing was recorded from 1500 to 2000.
    Recorder.objects.update(pulsed_at=evening.at(1500))
    evening.recorder = RecorderRow(uuid4(), evening.at(2000), evening.at(3600))
    evening.present(person, 2000)
    assert evening.verdicts() == {person.pk: (None, "unknown")}
    verdict = Verdict.objects.get()
    assert verdict.why_unknown == "watching_not_recorded"
    assert verdict.watching_unseen_spans == [(evening.at(1500), evening.at(2000))]
    assert not JournalEntry.objects.filter(event="client_webinar_attendance_classified").exists()
    assert list(verdicts.issues()) == []


def test_changed_watching_is_found_by_verify(evening, make_person):
    person = make_person()
    evening.present(person)
    evening.watching(person, 0, 3000, opened=0)
    evening.verdicts()
    WatchingInterval.objects.update(ended_at=evening.at(600))
    (issue,) = verdicts.issues()
    assert "by the recorded presence" in str(issue)


def test_rule_before_the_start_is_that_of_the_settings(make_webinar, settings):
    settings.EFIR = replace(settings.EFIR, min_watched=30)
    assert rule_for(make_webinar(), watching=False).min_watched == 30


class TestPages:
    """Whatever tells of a verdict tells the minutes watched of the minutes live."""

    @pytest.fixture
    def partner(self, evening, make_person):
        partner = make_person(Role.PARTNER)
        person = make_person(invited_by=partner, name="Ева")
        evening.present(person)
        evening.watching(person, 2880, 3600, opened=2880)
        evening.verdicts()
        return partner

    @pytest.fixture
    def page(self, partner):  # once everybody has a verdict
        def get(person, path):
            client = Client()
            client.force_login(person)
            answer = client.get(path, headers={"accept": "text/html"})
            assert answer.status_code == 200
            return b"".join(answer).decode() if answer.streaming else answer.content.decode()

        return get

    def test_partner_sees_them(self, partner, page):
        lead = Verdict.objects.get().lead_id
        for path in ("/account/", f"/account/candidates/{lead}/"):
            html = page(partner, path)
            assert "просмотрено слишком мало" in html
            assert "просмотр: 12 минут из 60" in html

    def test_speaker_sees_them_with_the_rule(self, evening, make_person, page):
        html = page(make_person(Role.SPEAKER), f"/admin_webinar/{evening.webinar.pk}/")
        assert "просмотр: 12 минут из 60" in html
        assert "нужно не меньше 50 % эфира" in html
        assert "если просмотрено не меньше 50 % эфира" in html

    def test_held_verdict_shows_them(self, evening, make_person, page):
        Verdict.objects.update(attended=None, reason="unknown", why_unknown="watching_not_recorded")
        html = page(make_person(Role.ADMIN), f"/admin_webinar/{evening.webinar.pk}/?verdict=held")
        assert "система не видела часть просмотра" in html
        assert "просмотр: 12 минут из 60" in html


def test_verdict_is_recomputed_by_the_values_that_its_rule_names(evening, make_person):
    person = make_person()
    evening.present(person)
    evening.watching(person, 0, 1200, opened=0)
    Webinar.objects.filter(pk=evening.webinar.pk).update(min_watched=33.33333399)  # 1,200.00002 s
    assert evening.verdicts() == {person.pk: (True, "stayed_to_end")}
    assert list(verdicts.issues()) == []
