"""Queries that are composed once for the process.

Django composes a query at every use, which takes some ten times as long as SQLite needs for a lookup by key. This is
for the few queries that run for nearly every request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Model, QuerySet

AnyModel = TypeVar("AnyModel", bound=Model)

# The functions that turn a column's value into Python's, by the position of the column.
_Converters = list[tuple[int, list[Callable[..., Any]], Any]]


def columns_of(model: type[Model], prefix: str = "") -> tuple[str, ...]:
    """Return the names of the model's columns for `values_list`; `prefix` leads to the model from another one."""
    return tuple(f"{prefix}{field.attname}" for field in model._meta.concrete_fields)


def object_from(model: type[AnyModel], values: Sequence[Any]) -> AnyModel:
    """Return the object with these values of `columns_of`."""
    return model.from_db(DEFAULT_DB_ALIAS, columns_of(model), values)


class Parameter(Expression):
    """A value that is known only when the query runs, to be used in a filter instead of the value."""

    def __init__(self, name: str, model: type[Model], field: str) -> None:
        """Create a parameter for a value of this field of the model."""
        super().__init__(output_field=model._meta.get_field(field))  # type: ignore[arg-type]  # a column
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # the parameter takes its value's place
        return "%s", [self]

    def adapt(self, value: Any) -> Any:
        """Return the value as the database takes it."""
        return self.output_field.get_db_prep_value(value, connection)


class CompiledQuery:
    """The rows of a query made with `values_list`.

    `compose` returns the query with a `Parameter` for each value that varies. It is called once.
    """

    def __init__(self, compose: Callable[[], QuerySet[Any, Any]]) -> None:
        self._compose = compose

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run the query with these values of its parameters."""
        sql, parameters, converters = self._compiled
        given = [
            each.adapt(values[each.name]) if isinstance(each, Parameter) else each for each in parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, given)
            found = cursor.fetchall()
        return [_convert(row, converters) for row in found] if converters else found

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...], _Converters]:
        # A connection that is never opened: the converters keep it, and those of a thread end with the thread.
        own = connections.create_connection(DEFAULT_DB_ALIAS)
        compiler = self._compose().query.get_compiler(connection=own)
        sql, parameters = compiler.as_sql()
        columns = [column for column, *_ in compiler.select[: compiler.col_count]]
        converters = compiler.get_converters(columns)
        return (
            sql,
            tuple(parameters),
            [(at, functions, column) for at, (functions, column) in converters.items()],
        )


def _convert(row: tuple[Any, ...], converters: _Converters) -> tuple[Any, ...]:
    values = list(row)
    for at, functions, column in converters:
        for function in functions:
            values[at] = function(values[at], column, connection)
    return tuple(values)
