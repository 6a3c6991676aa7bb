"""`efir verify` finds what was changed without Efir, and nothing in an untouched database."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F

from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import Person
from efir.attendance import classifier
from efir.attendance.models import Participation, Verdict
from efir.hooks.actions import Context, Source
from efir.hooks.models import JournalEntry
from efir.ops.backup import held_messages
from efir.ops.cli.backup import run_verify
from efir.ops.verify import verify
from efir.ops.verify.issue import Issue, differences
from efir.room.models import PresenceInterval
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.server import retention
from efir.telegram.models import OutboxMessage
from efir.triggers import registry
from efir.webinars import core
from efir.webinars.models import LedgerEntry, Webinar
from tests.conftest import SYSTEM, start, stop

pytestmark = pytest.mark.django_db


@pytest.fixture
def evening(make_person, make_webinar, clock):
    """A webinar of an hour: one stayed, one left, one did not come, and an admin decided one held verdict."""
    partner, admin = make_person(Role.PARTNER), make_person(Role.ADMIN)
    stayed, left, absent, lost = (make_person(invited_by=partner) for _ in range(4))
    webinar = make_webinar("scheduled")
    for person in (stayed, left, absent, lost):
        core.book_seat(webinar.pk, person)
    began = clock()
    start(webinar.pk, SYSTEM)
    core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
    ended = clock.move(3600)
    seen = RecorderRow(uuid4(), began, ended, closed_at=ended)
    died = RecorderRow(uuid4(), began, began + timedelta(minutes=20))
    write(
        Pending(
            (seen, died),
            (
                IntervalRow(seen.id, webinar.pk, stayed.pk, began, ended),
                IntervalRow(seen.id, webinar.pk, left.pk, began, began + timedelta(minutes=10)),
                IntervalRow(died.id, webinar.pk, lost.pk, began),
            ),
        )
    )
    stop(webinar.pk, SYSTEM)
    clock.move(600)
    while classifier.classify_due():
        pass
    classifier.resolve_verdict(webinar.pk, lost.pk, True, Context(admin.pk, Source.WEB))
    return webinar


def found() -> list[str]:
    return [each.line() for each in verify() if isinstance(each, Issue)]


def test_verify_accepts_an_evening(evening):
    assert {verdict.reason for verdict in Verdict.objects.all()} == {
        "stayed_to_end",
        "left_early",
        "no_show",
        "decided_by_admin",
    }
    *problems, told = verify()
    assert problems == []
    assert told.startswith("OK: 6 people, 1 webinars, 12 facts, 4 verdicts, 10 messages agree")


def test_verify_accepts_held_messages(evening):
    assert held_messages.hold_unsettled() == 10
    assert found() == []
    held_messages.resolve_held(True)
    assert found() == []


def test_verify_accepts_pruned_evidence(evening, clock, monkeypatch, settings):
    settings.EFIR = replace(settings.EFIR, evidence_days=1)
    monkeypatch.setattr(retention, "BATCH", 1)
    core.archive(evening.pk, SYSTEM)
    clock.move(2 * 24 * 3600)
    left = PresenceInterval.objects.count()
    while left:
        retention.prune_batch()
        left -= 1
        assert PresenceInterval.objects.count() == left
        assert found() == []


def test_verify_accepts_erased_people(evening, clock):
    sent = {
        "state": "sent",
        "sent_at": clock(),
        "attempts": 1,
        "attempt_id": uuid4(),
        "message_id": 7,
        "text": "…",
    }
    OutboxMessage.objects.filter(kind="partner_attendance").update(**sent)
    for person in Person.objects.filter(invited_by__isnull=False):
        erase(person.pk, SYSTEM)
    assert found() == []


def of_reason(reason: str):
    return Verdict.objects.get(reason=reason)


TAMPERINGS = {
    "a verdict reversed": (
        lambda: Verdict.objects.filter(reason="left_early").update(attended=True, reason="stayed_to_end"),
        "verdict webinar=",
        "is stayed_to_end, but left_early by its stored evidence",
    ),
    "other intervals in a verdict": (
        lambda: Verdict.objects.filter(reason="stayed_to_end").update(intervals=[]),
        "is stayed_to_end, but no_show",
    ),
    "other presence than was judged": (
        lambda: PresenceInterval.objects.filter(person=of_reason("left_early").lead).delete(),
        "is left_early, but no_show by the recorded presence",
    ),
    "other seconds": (
        lambda: Verdict.objects.filter(reason="stayed_to_end").update(present_s=1),
        "has other seconds",
    ),
    "an unknown rule": (
        lambda: Verdict.objects.filter(reason="no_show").update(rule="by the moon"),
        "has no readable rule or presence: by the moon",
    ),
    "a decision without an admin": (
        lambda: Verdict.objects.filter(reason="decided_by_admin").update(decided_by=None),
        "was decided by nobody",
    ),
    "a lead without a verdict": (
        lambda: Verdict.objects.filter(reason="no_show").delete(),
        "has no verdict",
        "client_webinar_attendance_classified is in the journal, but not the verdict",
    ),
    "a verdict without a seat": (
        lambda: Webinar.objects.get().seats.filter(person=of_reason("no_show").lead).delete(),
        "has a verdict, but neither entered nor held a seat",
    ),
    "a fact gone": (
        lambda: JournalEntry.objects.filter(event="post_webinar_route").order_by("pk")[:1].get().delete(),
        "post_webinar_route is not in the journal",
    ),
    "a fact changed": (
        lambda: JournalEntry.objects.filter(event="client_webinar_entered").update(
            lead_id=F("lead_id") + 100
        ),
        "says something else in its columns",
    ),
    "an unknown fact": (
        lambda: JournalEntry.objects.filter(event="client_webinar_completed").update(event="client_left"),
        "is no fact of the contract",
        "client_webinar_completed is not in the journal",
    ),
    "a participation without its entry": (
        lambda: Participation.objects.update(entered_at=None),
        "client_webinar_entered is in the journal, but not the participation",
    ),
    "a status unlike the ledger's": (
        lambda: Webinar._base_manager.update(status="live"),
        "its status is live, but the ledger says finished",
    ),
    "a call-to-action unlike the ledger's": (
        lambda: Webinar._base_manager.update(cta_visible=False),
        "its cta_visible is False",
    ),
    "a stop at another moment": (
        lambda: Webinar._base_manager.update(finished_at=None),
        "its finished_at is None",
    ),
    "a ledger with a hole": (
        lambda: LedgerEntry.objects.filter(to_status="live", from_status="scheduled").delete(),
        "begins at live, but",
    ),
    "a ledger with a forbidden step": (
        lambda: LedgerEntry.objects.filter(to_status="finished").update(from_status="draft"),
        "goes from draft to finished",
    ),
    "a message gone": (
        lambda: OutboxMessage.objects.filter(kind="candidate_recording")[:1].get().delete(),
        "should have",
    ),
    "a message to somebody else": (
        lambda: OutboxMessage.objects.filter(kind="partner_attendance").update(
            person=of_reason("no_show").lead
        ),
        "partner_attendance to",
    ),
    "a message that was never sent": (
        lambda: OutboxMessage.objects.filter(kind="candidate_followup").update(state="sent"),
        "sent without a moment",
    ),
    "a message in flight without a holder": (
        lambda: OutboxMessage.objects.filter(kind="candidate_followup").update(state="sending"),
        "sending without a call or its holder",
    ),
    "a wait without an end": (
        lambda: OutboxMessage.objects.filter(kind="candidate_followup").update(expires_at=None),
        "waiting_link without an end",
    ),
    "an unknown state": (
        lambda: OutboxMessage.objects.filter(kind="candidate_followup").update(state="lost"),
        "lost is in a state that does not exist",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_verify_finds_tampering(evening, tampering):
    change, *sentences = TAMPERINGS[tampering]
    registry.drop()
    change()
    registry.install()
    lines = found()
    for sentence in sentences:
        assert any(sentence in line for line in lines), lines
    assert all("To do: " in line for line in lines)


def test_verify_finds_missing_triggers_and_migrations(evening):
    registry.drop()
    assert any(line.startswith("trigger name=efir_journal_append_only") for line in found())
    registry.install()
    latest = MigrationRecorder.Migration.objects.filter(app="telegram").order_by("-pk")[:1].get()
    latest.delete()
    assert [line.split(":")[0] for line in found()] == [f"schema migration=telegram.{latest.name}"]


def test_verify_finds_texts_too_long_for_postgresql(evening):
    if connection.vendor != "sqlite":
        return  # PostgreSQL refuses them
    person = Person.objects.first()
    Person.objects.filter(pk=person.pk).update(login="i\u0307" * 200, name="я" * 150)
    (line,) = found()
    assert line.startswith(f"text table=accounts_person id={person.pk}: its login has 400 characters")


def test_verify_notes_what_cleaning_would_change(make_person, make_webinar, capsys):
    twin, other, hidden, named, lost = (make_person(login=f"a{number}@example.ru") for number in range(5))
    linked = make_person(name="Анна t.me/xyz")
    for person, changed in (
        (twin, {"login": "+79011112233"}),
        (other, {"login": "\u200e+79011112233"}),
        (hidden, {"login": "c\u00ad@example.ru"}),
        (named, {"name": "Анна\u200b", "search_name": ""}),
        (lost, {"search_name": "", "phone": "+89011112233"}),
    ):
        Person.objects.filter(pk=person.pk).update(**changed)
    webinar = make_webinar("draft", title="\u202eрифЭ", speaker_name="Анна  П", description="Раз\r\n два")
    blank = make_webinar("draft", title="\u3164")
    broken = make_webinar("draft", title="Раз\nдва", description="Раз\u200b")
    *notes, told = verify()
    assert told.startswith("OK")
    for note, words in zip(
        notes,
        (
            f"person id={other.pk}: its login differs from that of person id={twin.pk}",
            f"person id={hidden.pk}: its login has invisible characters",
            f"person id={named.pk}: its name has invisible characters",
            f"person id={lost.pk}: its phone is not spelled",
            f"person id={lost.pk}: searches do not find",
            f"person id={linked.pk}: its name contains an address",
            f"webinar id={webinar.pk}: its title has invisible characters",
            f"webinar id={blank.pk}: its title has invisible characters",
            f"webinar id={broken.pk}: its title has invisible characters",
            f"webinar id={broken.pk}: its description has invisible characters",
        ),
        strict=True,
    ):
        assert note.startswith(f"note: {words}")
    assert run_verify(argparse.Namespace()) == 0
    assert "note: person" in capsys.readouterr().out


def test_verify_finds_broken_foreign_keys(make_webinar, make_person):
    if connection.vendor != "sqlite":
        return  # PostgreSQL holds them in every connection
    seats = make_webinar().seats
    seat = seats.create(person=make_person())
    seats.update(person_id=999)
    (line,) = found()
    assert line.startswith(
        f"row table=webinars_seat id={seat.pk}: names a row of accounts_person that does not exist"
    )
    seat.delete()


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ([], [], []),
        ([1], [], [((1,), "l", None)]),
        ([], [2], [((2,), None, "l")]),
        ([1, 2, 4], [2, 3, 4, 5], [((1,), "l", None), ((3,), None, "l"), ((5,), None, "l")]),
    ],
)
def test_differences_of_sorted_lists(left, right, wanted):
    pairs = [[((key,), "l") for key in keys] for keys in (left, right)]
    assert list(differences(*pairs)) == wanted
