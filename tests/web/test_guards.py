"""The database itself holds the rules: on SQLite and on PostgreSQL."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from efir import guards
from efir.hooks.actions import Refused
from efir.hooks.bus import emit
from efir.hooks.events import ClientWebinarEntered
from efir.webinars import core
from efir.webinars.models import LedgerEntry, Webinar
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db


def run(sql: str, *params: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


@pytest.mark.parametrize("status", ["draft", "scheduled", "live", "paused", "archived"])
def test_raw_sql_cannot_move_a_finished_webinar(make_webinar, status):
    webinar = make_webinar("finished")
    with pytest.raises(DatabaseError, match="webinar_status_mutation_forbidden"):
        run("UPDATE webinars_webinar SET status = %s WHERE id = %s", status, webinar.pk)


def test_raw_sql_cannot_show_the_call_to_action(make_webinar):
    webinar = make_webinar("live")
    with pytest.raises(DatabaseError, match="webinar_status_mutation_forbidden"):
        run("UPDATE webinars_webinar SET cta_visible = %s WHERE id = %s", True, webinar.pk)


def test_the_ledger_takes_no_forbidden_step(make_webinar):
    webinar = make_webinar("finished")
    with pytest.raises(DatabaseError, match="webinar_status_mutation_forbidden"), transaction.atomic():
        LedgerEntry.objects.create(
            webinar=webinar,
            from_status="finished",
            to_status="live",
            cta_visible=False,
            source="web",
            at="2026-01-01T00:00Z",
        )


@pytest.mark.parametrize("table", ["webinars_ledgerentry", "hooks_journalentry"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET id = id + 1000"])
def test_history_is_append_only(make_webinar, clock, table, verb):
    make_webinar("finished")
    emit([ClientWebinarEntered(lead_id=1, webinar_id=1, session_id=uuid4(), timestamp=clock())])
    with pytest.raises(DatabaseError):
        run(verb.format(table))


REPLACEMENTS = {
    "webinars_ledgerentry": "SELECT id, from_status, 'archived', cta_visible, source, at, actor_id, webinar_id",
    "hooks_journalentry": "SELECT id, event, webinar_id, lead_id + 1, moment, '{}', actor_id, recorded_at, batch",
}


@pytest.mark.parametrize("table", list(REPLACEMENTS))
def test_replacing_a_row_by_its_id_is_no_way_around(make_webinar, clock, table):
    if connection.vendor != "sqlite":
        return  # only SQLite has REPLACE
    make_webinar("finished")
    emit([ClientWebinarEntered(lead_id=1, webinar_id=1, session_id=uuid4(), timestamp=clock())])
    before = dump(table)
    with pytest.raises(DatabaseError):
        run(f"REPLACE INTO {table} {REPLACEMENTS[table]} FROM {table}")
    assert dump(table) == before


def test_replacing_a_fact_by_its_key_leaves_it_as_it_was(clock, db):
    if connection.vendor != "sqlite":
        return  # only SQLite has REPLACE
    emit([ClientWebinarEntered(lead_id=1, webinar_id=1, session_id=uuid4(), timestamp=clock())])
    before = dump("hooks_journalentry")
    run(
        "REPLACE INTO hooks_journalentry (event, webinar_id, lead_id, moment, payload, recorded_at, batch) "
        "SELECT event, webinar_id, lead_id, moment, '{}', recorded_at, batch FROM hooks_journalentry"
    )
    assert dump("hooks_journalentry") == before


def dump(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return cursor.fetchall()


def test_a_webinar_is_born_a_draft(db):
    with pytest.raises(Refused, match="webinar_status_mutation_forbidden"):
        Webinar(title="x", status="live").save()
    with pytest.raises(DatabaseError, match="webinar_status_mutation_forbidden"), transaction.atomic():
        Webinar.objects.bulk_create([Webinar(title="x", status="live")])


def test_queryset_updates_are_refused(make_webinar):
    webinar = make_webinar("scheduled")
    with pytest.raises(Refused, match="webinar_status_mutation_forbidden"):
        Webinar.objects.filter(pk=webinar.pk).update(status="live")
    with pytest.raises(DatabaseError), transaction.atomic():
        Webinar._base_manager.filter(pk=webinar.pk).update(status="live")
    webinar.status = "live"
    with pytest.raises(Refused, match="webinar_status_mutation_forbidden"):
        webinar.save()
    with pytest.raises(Refused):
        Webinar.objects.bulk_update([webinar], ["status"])


def test_every_guard_stands_after_migrating(db):
    assert guards.standing()
    assert guards.missing() == set()


STATUSES = ["draft", "scheduled", "live", "paused", "finished", "archived"]


def by_raw_sql(webinar, status):
    run("UPDATE webinars_webinar SET status = %s WHERE id = %s", status, webinar.pk)


def by_the_plain_manager(webinar, status):
    with transaction.atomic():
        Webinar._base_manager.filter(pk=webinar.pk).update(status=status)


def by_a_queryset(webinar, status):
    Webinar.objects.filter(pk=webinar.pk).update(status=status)


def by_saving(webinar, status):
    webinar.status = status
    webinar.save()


def by_the_speakers_form(webinar, status):
    core.edit(webinar.pk, {"status": status}, SYSTEM)


@pytest.mark.parametrize(
    "door", [by_raw_sql, by_the_plain_manager, by_a_queryset, by_saving, by_the_speakers_form]
)
@pytest.mark.parametrize("before", STATUSES)
def test_no_door_but_the_hook_moves_a_status(make_webinar, door, before):
    """Whether Core would allow the step or not."""
    for after in STATUSES:
        webinar = make_webinar(before)
        if after != before:
            with pytest.raises(
                (DatabaseError, Refused), match=r"webinar_status_mutation_forbidden|webinar_state_locked"
            ):
                door(webinar, after)
        assert Webinar.objects.get(pk=webinar.pk).status == before
