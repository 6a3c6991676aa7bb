"""Paginate long lists: the keys are ordered and sliced first, and only the rows of one page are read in full."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet


class KeyPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """A paginator over an ordered query of rows. `rows` adds the joins, annotations and prefetches that the page needs.

    The database sorts keys instead of whole rows, and calculates annotations for one page instead of all.
    """

    def __init__(self, ordered: QuerySet[Any], page_size: int, rows: QuerySet[Any]) -> None:
        super().__init__(ordered.values_list("pk", flat=True), page_size)
        self._rows = rows

    def _get_page(self, object_list: Any, number: int, paginator: Any) -> Page[Any]:
        keys = list(object_list)
        found = self._rows.in_bulk(keys)
        return Page([found[key] for key in keys if key in found], number, paginator)
