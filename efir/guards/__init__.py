"""Rules that the database itself holds: triggers on SQLite and PostgreSQL, one registry for all apps.

Django's SQLite table remake silently drops a table's triggers, and a trigger that reads a remade table makes the
migration fail halfway. So the triggers are dropped before a migration, put back after it, and a system check
looks whether they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Guard:
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


_registry: dict[str, Guard] = {}


def register(*guards: Guard) -> None:
    """Called once by an app's `ready`."""
    for guard in guards:
        _registry[guard.name] = guard


def append_only(table: str, name: str, code: str, unique: tuple[str, ...] = ()) -> tuple[Guard, ...]:
    """Rows are written once: no update, no delete, no truncate; `unique` are the columns of the table's unique key.

    SQLite's REPLACE deletes without asking the delete triggers, so a row that would replace another is refused by
    its id, and passed over by its key, as an insert that ignores conflicts would have it.
    """
    refuse = f"RAISE EXCEPTION '{code}'; RETURN NULL;"
    same_id = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608  # names of our own
    same_key = " AND ".join(f"{column} = NEW.{column}" for column in unique)
    same_fact = f"EXISTS (SELECT 1 FROM {table} WHERE {same_key})"  # noqa: S608
    replaced = Guard(table, f"{name}_replace", code, {"BEFORE INSERT": same_id}, "", "")
    repeated = Guard(table, f"{name}_repeat", code, {"BEFORE INSERT": same_fact}, "", "", passed_over=True)
    return (
        replaced,
        *((repeated,) if unique else ()),
        Guard(
            table, name, code, {"BEFORE UPDATE": "1", "BEFORE DELETE": "1"}, refuse, "BEFORE UPDATE OR DELETE"
        ),
        Guard(table, f"{name}_truncate", code, {}, refuse, "BEFORE TRUNCATE", for_each="STATEMENT"),
    )


def install(using: str = "default") -> None:
    """Put every registered guard in place (again)."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    drop(using)
    with connection.cursor() as cursor:
        for guard in _registry.values():
            if guard.table in tables:
                for statement in _create(connection, guard):
                    cursor.execute(statement)


def drop(using: str = "default") -> None:
    """Lift every registered guard: for migrations and for tests that truncate."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for trigger, table in standing(using).items():
            suffix = f' ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER IF EXISTS "{trigger}"{suffix}')


@contextmanager
def lifted(using: str = "default") -> Iterator[None]:
    """Run the block without guards: the one helper through which tests truncate tables."""
    drop(using)
    try:
        yield
    finally:
        install(using)


def standing(using: str = "default") -> dict[str, str]:
    """The guards' triggers found in the database: trigger name → table."""
    connection = connections[using]
    query = (
        "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE NOT tgisinternal AND tgname LIKE 'efir\\_%'"
        if connection.vendor == "postgresql"
        else "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'efir\\_%' ESCAPE '\\'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


def missing(using: str = "default") -> set[str]:
    """The names of triggers that should stand but do not."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    wanted = {
        name for guard in _registry.values() if guard.table in tables for name in _triggers(connection, guard)
    }
    return wanted - set(standing(using))


def _triggers(connection: BaseDatabaseWrapper, guard: Guard) -> list[str]:
    if connection.vendor == "postgresql":
        return [f"efir_{guard.name}"] if guard.postgresql else []
    return [f"efir_{guard.name}_{event.split()[1].lower()}" for event in guard.sqlite]


def _create(connection: BaseDatabaseWrapper, guard: Guard) -> list[str]:
    if connection.vendor != "postgresql":
        refusal = "RAISE(IGNORE)" if guard.passed_over else f"RAISE(ABORT, '{guard.code}')"
        return [
            f'CREATE TRIGGER "{name}" {event} ON "{guard.table}" FOR EACH ROW WHEN {when} '
            f"BEGIN SELECT {refusal}; END"
            for name, (event, when) in zip(_triggers(connection, guard), guard.sqlite.items(), strict=True)
        ]
    return [statement for name in _triggers(connection, guard) for statement in _plpgsql(name, guard)]


def _plpgsql(name: str, guard: Guard) -> list[str]:
    return [
        f'CREATE OR REPLACE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {guard.postgresql} END $$',
        f'CREATE TRIGGER "{name}" {guard.postgresql_events} ON "{guard.table}" '
        f'FOR EACH {guard.for_each} EXECUTE FUNCTION "{name}"()',
    ]
