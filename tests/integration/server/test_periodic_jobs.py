"""The worker's periodic jobs: forgotten webinars, archiving, and triggers after a migration."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import CharField

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.hooks.actions import ActionRefused
from efir.room.auto_stop import stop_forgotten
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.presence_store import write
from efir.server.archiving import archive, archive_settled
from efir.telegram.models import OutboxMessage
from efir.triggers import registry
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db


def status(webinar):
    return Webinar.objects.get(pk=webinar.pk).status


def test_forgotten_webinar_is_stopped_by_the_system(make_webinar, clock):
    webinar = make_webinar("live")
    clock.move(6 * 3600)
    assert stop_forgotten() == 0
    clock.move(1)
    assert stop_forgotten() == 1
    entry = webinar.ledger.last()
    assert (entry.to_status, entry.source, entry.actor_id) == ("finished", "system", None)


@pytest.mark.parametrize(("role", "expected"), [(Role.SPEAKER, "live"), (Role.CANDIDATE, "finished")])
def test_watching_speaker_prevents_auto_stop(make_webinar, make_person, clock, role, expected):
    webinar = make_webinar("live")
    now = clock.move(7 * 3600)
    recorder = RecorderRow(uuid4(), now - timedelta(hours=7), now)
    write(Pending((recorder,), (IntervalRow(recorder.id, webinar.pk, make_person(role).pk, now),)))
    stop_forgotten()
    assert status(webinar) == expected


def test_open_speaker_page_prevents_auto_stop(make_webinar, clock):
    webinar = make_webinar("live")
    now = clock.move(7 * 3600)
    write(Pending((), ()), {webinar.pk: now})
    assert stop_forgotten() == 0
    clock.move(121)
    assert stop_forgotten() == 1


def test_webinar_overrides_the_auto_stop_limit(make_webinar, clock):
    webinar = make_webinar("live", forgotten_h=0.5)
    clock.move(1801)
    stop_forgotten()
    assert status(webinar) == "finished"


def finished_with_a_message(make_webinar, make_person, clock):
    """A finished webinar whose one seat holder has a verdict and three messages."""
    webinar = make_webinar("live")
    core.book_seat(webinar.pk, make_person(invited_by=make_person(Role.PARTNER)))
    begun = clock()
    clock.move(100)
    write(Pending((RecorderRow(uuid4(), begun - timedelta(hours=1), clock()),), ()))
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    clock.move(200)
    while classifier.classify_due():
        pass
    assert OutboxMessage.objects.filter(webinar=webinar).count() == 3
    return webinar


def test_archiving_waits_thirty_days_and_for_messages(make_webinar, make_person, clock):
    webinar = finished_with_a_message(make_webinar, make_person, clock)
    clock.move(31 * 24 * 3600)
    assert archive_settled() == 0  # messages wait for a link
    OutboxMessage.objects.update(state="expired")
    assert archive_settled() == 1
    assert status(webinar) == "archived"


def test_recently_finished_webinars_are_not_archived(make_webinar, make_person, clock):
    finished_with_a_message(make_webinar, make_person, clock)
    OutboxMessage.objects.update(state="sent")
    clock.move(29 * 24 * 3600)
    assert archive_settled() == 0


@pytest.mark.django_db(transaction=True)
def test_migrate_restores_triggers_after_a_table_remake():
    if connection.vendor == "sqlite":
        old, new = Webinar._meta.get_field("title"), CharField(max_length=201)
        new.set_attributes_from_name("title")
        new.model = Webinar
        registry.drop()
        with connection.schema_editor() as editor:
            editor.alter_field(Webinar, old, new)
        with connection.schema_editor() as editor:
            editor.alter_field(Webinar, new, old)
    else:
        registry.drop()
    assert registry.missing()
    call_command("migrate", verbosity=0)
    assert registry.missing() == set()


def test_manual_archiving_waits_for_messages(make_webinar, make_person, clock):
    webinar = finished_with_a_message(make_webinar, make_person, clock)
    with pytest.raises(ActionRefused, match="webinar_state_invalid_archive"):
        archive(webinar.pk, SYSTEM)
    assert status(webinar) == "finished"
    OutboxMessage.objects.update(state="failed")
    assert archive(webinar.pk, SYSTEM).status == "archived"
