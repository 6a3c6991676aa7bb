"""Texts that are longer than their columns: SQLite keeps them, PostgreSQL, to which a backup may go, does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan

CHUNK = 2000
# In a sentence; `efir verify` names all.
SHOWN = 5


@dataclass(frozen=True)
class TooLong:
    """Where such a text is, and its length; the text itself is nobody's business here."""

    table: str
    row_id: object
    column: str
    length: int
    most: int

    def __str__(self) -> str:
        return f"{self.table} id={self.row_id}: {self.wrong}"

    @property
    def wrong(self) -> str:
        """What is wrong with it."""
        return f"its {self.column} has {self.length} characters, and {self.most} are the most"


def told(texts: Sequence[TooLong]) -> str:
    """The first of these in a sentence."""
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(map(str, texts[:SHOWN])) + more


def in_table(model: type[models.Model]) -> Iterator[TooLong]:
    """Those in the database, by one query."""
    fields = _limited(model)
    if not fields:
        return
    too_long = reduce(or_, (Q(GreaterThan(Length(field.name), field.max_length)) for field in fields))
    rows = model._base_manager.filter(too_long).order_by("pk")
    lengths = [Length(field.name) for field in fields]
    for row_id, *found in rows.values_list("pk", *lengths).iterator(CHUNK):
        yield from _each(model, row_id, zip(fields, found, strict=True))


def in_rows(
    model: type[models.Model], order: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterator[TooLong]:
    """Those among rows whose values come in the `order` of these columns. Raises ValueError for a row of others."""
    fields = [(field, order.index(str(field.column))) for field in _limited(model)]
    key = order.index(str(model._meta.pk.column)) if model._meta.pk else 0
    for row in rows if fields else ():
        if len(row) != len(order):
            raise ValueError(f"a row of {model._meta.db_table} has {len(row)} values")
        found = ((field, len(str(row[place]))) for field, place in fields if row[place] is not None)
        yield from _each(model, row[key], found)


def _limited(model: type[models.Model]) -> list[models.CharField[Any, Any]]:
    fields = model._meta.concrete_fields
    return [field for field in fields if isinstance(field, models.CharField) and field.max_length]


def _each(
    model: type[models.Model],
    row_id: object,
    lengths: Iterable[tuple[models.CharField[Any, Any], int | None]],
) -> Iterator[TooLong]:
    for field, length in lengths:
        most = field.max_length or 0
        if length is not None and length > most:
            yield TooLong(model._meta.db_table, row_id, str(field.column), length, most)
