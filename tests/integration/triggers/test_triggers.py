"""Triggers enforce the contract's rules on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from efir.hooks.actions import ActionRefused
from efir.hooks.bus import emit
from efir.hooks.events import ClientWebinarEntered
from efir.ops.monitoring.health import component_states
from efir.ops.verify import verify
from efir.server.migrate import migrate
from efir.triggers import registry
from efir.triggers.apps import check_triggers
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


def test_ledger_refuses_forbidden_step(make_webinar):
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
def test_replace_by_id_is_refused(make_webinar, clock, table):
    if connection.vendor != "sqlite":
        return  # only SQLite has REPLACE
    make_webinar("finished")
    emit([ClientWebinarEntered(lead_id=1, webinar_id=1, session_id=uuid4(), timestamp=clock())])
    before = dump(table)
    with pytest.raises(DatabaseError):
        run(f"REPLACE INTO {table} {REPLACEMENTS[table]} FROM {table}")
    assert dump(table) == before


def test_replace_by_unique_key_is_ignored(clock, db):
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


def test_webinar_is_created_as_draft(db):
    with pytest.raises(ActionRefused, match="webinar_status_mutation_forbidden"):
        Webinar(title="x", status="live").save()
    with pytest.raises(DatabaseError, match="webinar_status_mutation_forbidden"), transaction.atomic():
        Webinar.objects.bulk_create([Webinar(title="x", status="live")])


def test_queryset_updates_are_refused(make_webinar):
    webinar = make_webinar("scheduled")
    with pytest.raises(ActionRefused, match="webinar_status_mutation_forbidden"):
        Webinar.objects.filter(pk=webinar.pk).update(status="live")
    with pytest.raises(DatabaseError), transaction.atomic():
        Webinar._base_manager.filter(pk=webinar.pk).update(status="live")
    webinar.status = "live"
    with pytest.raises(ActionRefused, match="webinar_status_mutation_forbidden"):
        webinar.save()
    with pytest.raises(ActionRefused):
        Webinar.objects.bulk_update([webinar], ["status"])


def test_all_triggers_are_installed_after_migration(db):
    assert registry.installed()
    assert registry.missing() == registry.obsolete() == set()


def changed_trigger(
    when: str, condition: str = "", function: str = "webinar_follows_ledger"
) -> tuple[str, str]:
    """Return statements that replace a trigger of PostgreSQL by another one of the same name."""
    return (
        "DROP TRIGGER efir_webinar_follows_ledger ON webinars_webinar",
        f"CREATE TRIGGER efir_webinar_follows_ledger {when} FOR EACH ROW {condition} "
        f"EXECUTE FUNCTION efir_{function}()",
    )


DROP_ON_SQLITE = "DROP TRIGGER efir_webinar_follows_ledger_update"
ON_SQLITE = {
    "hollowed": (
        DROP_ON_SQLITE,
        'CREATE TRIGGER "efir_webinar_follows_ledger_update" BEFORE UPDATE ON "webinars_webinar" FOR EACH ROW WHEN 0 '
        "BEGIN SELECT RAISE(ABORT, 'webinar_status_mutation_forbidden'); END",
    ),
    "on another table": (
        DROP_ON_SQLITE,
        "CREATE TRIGGER efir_webinar_follows_ledger_update BEFORE UPDATE ON webinars_seat BEGIN SELECT 1; END",
    ),
    "gone": (DROP_ON_SQLITE,),
}
ON_POSTGRESQL = {
    "hollowed": (
        "CREATE OR REPLACE FUNCTION efir_webinar_follows_ledger() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NEW; END $$",
    ),
    "looking elsewhere": ("ALTER FUNCTION efir_webinar_follows_ledger() SET search_path = elsewhere",),
    "disabled": ("ALTER TABLE webinars_webinar DISABLE TRIGGER efir_webinar_follows_ledger",),
    "for replicas": ("ALTER TABLE webinars_webinar ENABLE REPLICA TRIGGER efir_webinar_follows_ledger",),
    "never": changed_trigger("BEFORE UPDATE ON webinars_webinar", "WHEN (false)"),
    "for one column": changed_trigger("BEFORE UPDATE OF title ON webinars_webinar"),
    "for another event": changed_trigger("BEFORE INSERT ON webinars_webinar"),
    "with another function": changed_trigger(
        "BEFORE UPDATE ON webinars_webinar", function="webinar_starts_as_draft"
    ),
    "on another table": changed_trigger("BEFORE UPDATE ON webinars_seat"),
    "gone": ("DROP TRIGGER efir_webinar_follows_ledger ON webinars_webinar",),
}
CHANGES = ON_POSTGRESQL if connection.vendor == "postgresql" else ON_SQLITE


@pytest.mark.parametrize("how", list(CHANGES))
def test_changed_trigger_is_reported_and_restored(how, make_webinar):
    for statement in CHANGES[how]:
        run(statement)
    (name,) = registry.missing()
    assert name.startswith("efir_webinar_follows_ledger")
    assert component_states()["database"] == "triggers_missing"
    assert [check.id for check in check_triggers(["default"])] == ["efir.E001"]
    problem, _ = verify()
    assert problem.line() == f"trigger name={name}: is missing or changed. To do: run `efir migrate`."
    migrate()
    assert registry.missing() == set()
    test_raw_sql_cannot_move_a_finished_webinar(make_webinar, "live")


def test_triggers_of_another_version_are_replaced(monkeypatch):
    """Replace them also if the version has no migration."""
    seats = registry.append_only("webinars_seat", "seats_append_only", "seats_stay")
    before = registry.installed()
    with monkeypatch.context() as release:
        for trigger in seats:
            release.setitem(registry._registry, trigger.name, trigger)
        assert registry.missing()
        migrate()
        assert registry.missing() == set()
        changed = replace(seats[1], sqlite={"BEFORE UPDATE": "2"}, postgresql=f"{seats[1].postgresql} ")
        release.setitem(registry._registry, changed.name, changed)
        assert registry.missing()
        migrate()
        assert registry.missing() == registry.obsolete() == set()
    assert registry.obsolete()
    migrate()
    assert registry.installed() == before


def test_checking_triggers_needs_two_queries(django_assert_max_num_queries):
    """/healthz is requested every few seconds."""
    with django_assert_max_num_queries(2):
        assert registry.missing() == set()


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
    core.update(webinar.pk, {"status": status}, SYSTEM)


@pytest.mark.parametrize(
    "door", [by_raw_sql, by_the_plain_manager, by_a_queryset, by_saving, by_the_speakers_form]
)
@pytest.mark.parametrize("before", STATUSES)
def test_status_changes_only_through_the_hook(make_webinar, door, before):
    """Refuse also the steps that Core would allow."""
    for after in STATUSES:
        webinar = make_webinar(before)
        if after != before:
            with pytest.raises(
                (DatabaseError, ActionRefused),
                match=r"webinar_status_mutation_forbidden|webinar_state_locked",
            ):
                door(webinar, after)
        assert Webinar.objects.get(pk=webinar.pk).status == before
