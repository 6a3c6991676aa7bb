"""The database itself holds the rules: on SQLite and on PostgreSQL."""

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


def test_every_guard_stands_after_migrating(db):
    assert registry.installed()
    assert registry.missing() == registry.obsolete() == set()


def again(when: str, condition: str = "", function: str = "webinar_follows_ledger") -> tuple[str, str]:
    """Another trigger of the same name, on PostgreSQL."""
    return (
        "DROP TRIGGER efir_webinar_follows_ledger ON webinars_webinar",
        f"CREATE TRIGGER efir_webinar_follows_ledger {when} FOR EACH ROW {condition} "
        f"EXECUTE FUNCTION efir_{function}()",
    )


GONE_ON_SQLITE = "DROP TRIGGER efir_webinar_follows_ledger_update"
ON_SQLITE = {
    "hollowed": (
        GONE_ON_SQLITE,
        'CREATE TRIGGER "efir_webinar_follows_ledger_update" BEFORE UPDATE ON "webinars_webinar" FOR EACH ROW WHEN 0 '
        "BEGIN SELECT RAISE(ABORT, 'webinar_status_mutation_forbidden'); END",
    ),
    "on another table": (
        GONE_ON_SQLITE,
        "CREATE TRIGGER efir_webinar_follows_ledger_update BEFORE UPDATE ON webinars_seat BEGIN SELECT 1; END",
    ),
    "gone": (GONE_ON_SQLITE,),
}
ON_POSTGRESQL = {
    "hollowed": (
        "CREATE OR REPLACE FUNCTION efir_webinar_follows_ledger() RETURNS trigger LANGUAGE plpgsql "
        "AS $$ BEGIN RETURN NEW; END $$",
    ),
    "looking elsewhere": ("ALTER FUNCTION efir_webinar_follows_ledger() SET search_path = elsewhere",),
    "disabled": ("ALTER TABLE webinars_webinar DISABLE TRIGGER efir_webinar_follows_ledger",),
    "for replicas": ("ALTER TABLE webinars_webinar ENABLE REPLICA TRIGGER efir_webinar_follows_ledger",),
    "never": again("BEFORE UPDATE ON webinars_webinar", "WHEN (false)"),
    "for one column": again("BEFORE UPDATE OF title ON webinars_webinar"),
    "for another event": again("BEFORE INSERT ON webinars_webinar"),
    "with another function": again("BEFORE UPDATE ON webinars_webinar", function="webinar_starts_as_draft"),
    "on another table": again("BEFORE UPDATE ON webinars_seat"),
    "gone": ("DROP TRIGGER efir_webinar_follows_ledger ON webinars_webinar",),
}
HOLLOWED = ON_POSTGRESQL if connection.vendor == "postgresql" else ON_SQLITE


@pytest.mark.parametrize("how", list(HOLLOWED))
def test_a_guard_that_does_not_do_what_it_should_is_found_and_put_back(how, make_webinar):
    for statement in HOLLOWED[how]:
        run(statement)
    (name,) = registry.missing()
    assert name.startswith("efir_webinar_follows_ledger")
    assert component_states()["database"] == "triggers_missing"
    assert [check.id for check in check_triggers(["default"])] == ["efir.E001"]
    problem, _ = verify()
    assert problem.line() == f"guard name={name}: is missing or changed. To do: run `efir migrate`."
    migrate()
    assert registry.missing() == set()
    test_raw_sql_cannot_move_a_finished_webinar(make_webinar, "live")


def test_another_versions_guards_are_brought_to_this_one(monkeypatch):
    """Also where no migration comes with it."""
    seats = registry.append_only("webinars_seat", "seats_append_only", "seats_stay")
    before = registry.installed()
    with monkeypatch.context() as release:
        for guard in seats:
            release.setitem(registry._registry, guard.name, guard)
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


def test_looking_at_the_guards_is_cheap(django_assert_max_num_queries):
    """/healthz is asked every few seconds."""
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
def test_no_door_but_the_hook_moves_a_status(make_webinar, door, before):
    """Whether Core would allow the step or not."""
    for after in STATUSES:
        webinar = make_webinar(before)
        if after != before:
            with pytest.raises(
                (DatabaseError, ActionRefused),
                match=r"webinar_status_mutation_forbidden|webinar_state_locked",
            ):
                door(webinar, after)
        assert Webinar.objects.get(pk=webinar.pk).status == before
