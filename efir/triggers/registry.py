"""Rules that the database itself holds: triggers on SQLite and PostgreSQL, one registry for all apps.

Django's SQLite table remake silently drops a table's triggers, and a trigger that reads a remade table makes the
migration fail halfway. So the triggers are dropped before a migration, put back after it, and a system check
looks whether they stand, word for word.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Trigger:
    """One rule on one table.

    `sqlite` maps a trigger event (`BEFORE UPDATE`, …) to its WHEN condition; `postgresql` is the body of a
    plpgsql function whose last statement is RETURN, called for the events in `postgresql_events`; an empty one is
    not needed there. Either raises `code`; with `passed_over`, SQLite leaves the row out in silence instead.
    """

    table: str
    name: str
    code: str
    sqlite: dict[str, str]
    postgresql: str
    postgresql_events: str
    for_each: str = "ROW"
    passed_over: bool = False


_registry: dict[str, Trigger] = {}


def register(*guards: Trigger) -> None:
    """Called once by an app's `ready`."""
    for guard in guards:
        _registry[guard.name] = guard


def append_only(table: str, name: str, code: str, unique: tuple[str, ...] = ()) -> tuple[Trigger, ...]:
    """Rows are written once: no update, no delete, no truncate; `unique` are the columns of the table's unique key.

    SQLite's REPLACE deletes without asking the delete triggers, so a row that would replace another is refused by
    its id, and passed over by its key, as an insert that ignores conflicts would have it.
    """
    refuse = f"RAISE EXCEPTION '{code}'; RETURN NULL;"
    same_id = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608  # names of our own
    same_key = " AND ".join(f"{column} = NEW.{column}" for column in unique)
    same_fact = f"EXISTS (SELECT 1 FROM {table} WHERE {same_key})"  # noqa: S608
    replaced = Trigger(table, f"{name}_replace", code, {"BEFORE INSERT": same_id}, "", "")
    repeated = Trigger(table, f"{name}_repeat", code, {"BEFORE INSERT": same_fact}, "", "", passed_over=True)
    return (
        replaced,
        *((repeated,) if unique else ()),
        Trigger(
            table, name, code, {"BEFORE UPDATE": "1", "BEFORE DELETE": "1"}, refuse, "BEFORE UPDATE OR DELETE"
        ),
        Trigger(table, f"{name}_truncate", code, {}, refuse, "BEFORE TRUNCATE", for_each="STATEMENT"),
    )


def install(using: str = "default") -> None:
    """Put every registered guard in place (again)."""
    connection = connections[using]
    drop(using)
    with connection.cursor() as cursor:
        for trigger in _wanted(connection).values():
            for statement in trigger.statements:
                cursor.execute(statement)


def drop(using: str = "default") -> None:
    """Lift every registered guard: for migrations and for tests that truncate."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for trigger, table in installed(using).items():
            suffix = f' ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER IF EXISTS "{trigger}"{suffix}')


@contextmanager
def disabled(using: str = "default") -> Iterator[None]:
    """Run the block without guards: the one helper through which tests truncate tables."""
    drop(using)
    try:
        yield
    finally:
        install(using)


def installed(using: str = "default") -> dict[str, str]:
    """The guards' triggers found in the database, whatever they do: trigger name → table."""
    connection = connections[using]
    query = _STANDING_IN_POSTGRESQL if connection.vendor == "postgresql" else _STANDING_IN_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


def missing(using: str = "default") -> set[str]:
    """The names of triggers that do not stand as this version makes them: gone, changed, hollowed or disabled."""
    connection = connections[using]
    effective = _effective(connection)
    return {
        name for name, trigger in _wanted(connection).items() if effective.get(name) != trigger.definition
    }


def obsolete(using: str = "default") -> set[str]:
    """The names of triggers of another version, which this one does not have."""
    return set(installed(using)) - set(_wanted(connections[using]))


Definition: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class _Trigger:
    """How it is made, and what the database then says of it."""

    statements: tuple[str, ...]
    definition: Definition


def _wanted(connection: BaseDatabaseWrapper) -> dict[str, _Trigger]:
    """Every trigger that should stand, by its name."""
    tables = set(connection.introspection.table_names())
    spelled = _in_postgresql if connection.vendor == "postgresql" else _in_sqlite
    guards = [guard for guard in _registry.values() if guard.table in tables]
    return {name: trigger for guard in guards for name, trigger in spelled(guard).items()}


def _effective(connection: BaseDatabaseWrapper) -> dict[str, Definition]:
    """What the database says of each trigger that it obeys, by its name."""
    query = _EFFECTIVE_IN_POSTGRESQL if connection.vendor == "postgresql" else _EFFECTIVE_IN_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name: tuple(definition) for name, *definition in cursor.fetchall()}


_STANDING_IN_SQLITE = (
    "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'efir\\_%' ESCAPE '\\'"
)
_EFFECTIVE_IN_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


def _in_sqlite(guard: Trigger) -> dict[str, _Trigger]:
    """SQLite keeps the statement as it was spelled."""
    refusal = "RAISE(IGNORE)" if guard.passed_over else f"RAISE(ABORT, '{guard.code}')"
    triggers = {}
    for event, when in guard.sqlite.items():
        name = f"efir_{guard.name}_{event.split()[1].lower()}"
        statement = (
            f'CREATE TRIGGER "{name}" {event} ON "{guard.table}" FOR EACH ROW WHEN {when} '
            f"BEGIN SELECT {refusal}; END"
        )
        triggers[name] = _Trigger((statement,), (statement,))
    return triggers


_STANDING_IN_POSTGRESQL = (
    "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND tgname LIKE 'efir\\_%' AND pg_table_is_visible(tgrelid)"
)
# Neither disabled, nor bound to a condition or to columns; and its function looks for tables where everybody does.
_EFFECTIVE_IN_POSTGRESQL = (
    "SELECT tgname, relname, tgtype, prosrc FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal AND pg_table_is_visible(tgrelid) "
    "AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND tgattr::text = '' AND proconfig IS NULL"
)
# The bits of tgtype (pg_trigger.h).
_BITS = {"ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}


def _in_postgresql(guard: Trigger) -> dict[str, _Trigger]:
    """PostgreSQL keeps the function's source as it was spelled, and of the trigger its table and events."""
    if not guard.postgresql:
        return {}
    name, source = f"efir_{guard.name}", f" BEGIN {guard.postgresql} END "
    statements = (
        f'CREATE OR REPLACE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $${source}$$',
        f'CREATE TRIGGER "{name}" {guard.postgresql_events} ON "{guard.table}" '
        f'FOR EACH {guard.for_each} EXECUTE FUNCTION "{name}"()',
    )
    words = (*guard.postgresql_events.split(), guard.for_each)
    return {name: _Trigger(statements, (guard.table, sum(_BITS.get(word, 0) for word in words), source))}
