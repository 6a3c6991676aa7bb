"""Lists that are filtered by links: the links and the pager keep the other parameters of the query."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class FilterLink:
    """One choice of a filter: its text, how many rows it shows, its address, and whether it is in force."""

    label: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ListAddress:
    """The address of one list of a page: the current query, and the list's own parameters and fragment."""

    query: QueryDict
    filter_name: str
    page_name: str
    fragment: str

    @property
    def page_number(self) -> str | None:
        return self.query.get(self.page_name)

    @property
    def pager_suffix(self) -> str:
        """Return what a pager appends after its own parameter."""
        others = update_query(self.query, **{self.page_name: ""}).removeprefix("?")
        return f"&{others}{self.fragment}" if others else self.fragment

    def chosen(self, known: Container[str]) -> str:
        """Return the filter that the query asks for; "" if it asks for none or for an unknown one."""
        asked = self.query.get(self.filter_name, "")
        return asked if asked in known else ""

    def links(self, choices: Iterable[tuple[str, str | Promise, int]], chosen: str) -> list[FilterLink]:
        """Return a link for each choice (value, label, number of rows); each leads to the list's first page."""
        return [
            FilterLink(
                label=str(label),
                count=count,
                address=(update_query(self.query, **{self.filter_name: value, self.page_name: ""}) or "?")
                + self.fragment,
                chosen=value == chosen,
            )
            for value, label, count in choices
        ]


def update_query(query: QueryDict, **changes: str) -> str:
    """Return the query with these changes and its question mark; an empty value removes the parameter."""
    changed = query.copy()
    for name, value in changes.items():
        if value:
            changed[name] = value
        else:
            changed.pop(name, None)
    return f"?{changed.urlencode()}" if changed else ""
