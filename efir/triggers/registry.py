"""Registry of the database triggers that enforce the contract's rules on SQLite and PostgreSQL.

Django's SQLite table remake silently drops a table's triggers, and a trigger that reads a remade table makes the
migration fail halfway. So all triggers are dropped before a migration and installed after it, and a system check
compares their definitions in the database with the expected ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Trigger:
    """One rule on one table, which raises `code` when it is broken.

    `sqlite` maps a trigger event (`BEFORE UPDATE`, …) to its WHEN condition. `postgresql` is the body of a plpgsql
    function whose last statement is RETURN, called on `postgresql_events`; leave it empty if PostgreSQL needs no
    trigger. With `ignore_row`, SQLite skips the row without an error.
    """

    table: str
    name: str
    code: str
    sqlite: dict[str, str]
    postgresql: str
    postgresql_events: str
    for_each: str = "ROW"
    ignore_row: bool = False


_registry: dict[str, Trigger] = {}


def register(*triggers: Trigger) -> None:
    """Add an app's triggers; to be called in its `AppConfig.ready`."""
    for trigger in triggers:
        _registry[trigger.name] = trigger


def append_only(table: str, name: str, code: str, unique: tuple[str, ...] = ()) -> tuple[Trigger, ...]:
    """Return the triggers that forbid UPDATE, DELETE and TRUNCATE; `unique` names the columns of the unique key.

    SQLite's REPLACE deletes rows without firing delete triggers. So an insert that would replace a row with the same
    id is refused, and one with the same unique key is ignored (as INSERT OR IGNORE would do).
    """
    refuse = f"RAISE EXCEPTION '{code}'; RETURN NULL;"
    same_id = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608  # names of our own
    same_key = " AND ".join(f"{column} = NEW.{column}" for column in unique)
    same_row = f"EXISTS (SELECT 1 FROM {table} WHERE {same_key})"  # noqa: S608  # the same
    replace = Trigger(table, f"{name}_replace", code, {"BEFORE INSERT": same_id}, "", "")
    repeat = Trigger(table, f"{name}_repeat", code, {"BEFORE INSERT": same_row}, "", "", ignore_row=True)
    return (
        replace,
        *((repeat,) if unique else ()),
        Trigger(
            table, name, code, {"BEFORE UPDATE": "1", "BEFORE DELETE": "1"}, refuse, "BEFORE UPDATE OR DELETE"
        ),
        Trigger(table, f"{name}_truncate", code, {}, refuse, "BEFORE TRUNCATE", for_each="STATEMENT"),
    )


def install(using: str = "default") -> None:
    """Replace this project's triggers by the registered ones, in one transaction, so that no rule is ever missing."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        drop(using)
        for compiled in _expected(connection).values():
            for statement in compiled.statements:
                cursor.execute(statement)


def drop(using: str = "default") -> None:
    """Drop every trigger of this project in one transaction, for migrations and for tests that truncate tables."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for name, table in installed(using).items():
            suffix = f' ON "{table}"' if connection.vendor == "postgresql" else ""
            cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"{suffix}')


@contextmanager
def disabled(using: str = "default") -> Iterator[None]:
    """Run the block without triggers, as tests need to truncate tables."""
    drop(using)
    try:
        yield
    finally:
        install(using)


def installed(using: str = "default") -> dict[str, str]:
    """Return the table of each trigger of this project that is in the database, whatever the trigger does."""
    connection = connections[using]
    query = _INSTALLED_IN_POSTGRESQL if connection.vendor == "postgresql" else _INSTALLED_IN_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


def missing(using: str = "default") -> set[str]:
    """Return the names of triggers that are not in the database as this version defines them, or are disabled."""
    connection = connections[using]
    query = _DEFINITIONS_IN_POSTGRESQL if connection.vendor == "postgresql" else _DEFINITIONS_IN_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = {name: tuple(definition) for name, *definition in cursor.fetchall()}
    return {
        name for name, compiled in _expected(connection).items() if found.get(name) != compiled.definition
    }


def obsolete(using: str = "default") -> set[str]:
    """Return the names of installed triggers that this version does not define."""
    return set(installed(using)) - set(_expected(connections[using]))


@dataclass(frozen=True)
class _Compiled:
    """The statements that create a trigger, and how the database's catalogue then describes it."""

    statements: tuple[str, ...]
    definition: tuple[str | int, ...]


def _expected(connection: BaseDatabaseWrapper) -> dict[str, _Compiled]:
    """Compile every registered trigger whose table exists, by the trigger's name in the database."""
    tables = set(connection.introspection.table_names())
    compile_for = _compile_postgresql if connection.vendor == "postgresql" else _compile_sqlite
    triggers = [trigger for trigger in _registry.values() if trigger.table in tables]
    return {name: compiled for trigger in triggers for name, compiled in compile_for(trigger).items()}


_INSTALLED_IN_SQLITE = (
    "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'efir\\_%' ESCAPE '\\'"
)
_DEFINITIONS_IN_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


def _compile_sqlite(trigger: Trigger) -> dict[str, _Compiled]:
    """SQLite's catalogue keeps the statement word for word."""
    action = "RAISE(IGNORE)" if trigger.ignore_row else f"RAISE(ABORT, '{trigger.code}')"
    compiled = {}
    for event, when in trigger.sqlite.items():
        name = f"efir_{trigger.name}_{event.split()[1].lower()}"
        statement = (
            f'CREATE TRIGGER "{name}" {event} ON "{trigger.table}" FOR EACH ROW WHEN {when} '
            f"BEGIN SELECT {action}; END"
        )
        compiled[name] = _Compiled((statement,), (statement,))
    return compiled


_INSTALLED_IN_POSTGRESQL = (
    "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND tgname LIKE 'efir\\_%' AND pg_table_is_visible(tgrelid)"
)
# Only triggers that always fire: enabled, without a WHEN condition or a column list, and whose function has no settings
# (another search_path would make it read other tables).
_DEFINITIONS_IN_POSTGRESQL = (
    "SELECT tgname, relname, tgtype, prosrc FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal AND pg_table_is_visible(tgrelid) "
    "AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND tgattr::text = '' AND proconfig IS NULL"
)
# The bits of pg_trigger.tgtype (PostgreSQL's pg_trigger.h).
_TGTYPE_BITS = {"ROW": 1, "BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}


def _compile_postgresql(trigger: Trigger) -> dict[str, _Compiled]:
    """PostgreSQL's catalogue keeps the function's source word for word, and the trigger's table and events."""
    if not trigger.postgresql:
        return {}
    name, source = f"efir_{trigger.name}", f" BEGIN {trigger.postgresql} END "
    statements = (
        f'CREATE OR REPLACE FUNCTION "{name}"() RETURNS trigger LANGUAGE plpgsql AS $${source}$$',
        f'CREATE TRIGGER "{name}" {trigger.postgresql_events} ON "{trigger.table}" '
        f'FOR EACH {trigger.for_each} EXECUTE FUNCTION "{name}"()',
    )
    words = (*trigger.postgresql_events.split(), trigger.for_each)
    tgtype = sum(_TGTYPE_BITS.get(word, 0) for word in words)
    return {name: _Compiled(statements, (trigger.table, tgtype, source))}
