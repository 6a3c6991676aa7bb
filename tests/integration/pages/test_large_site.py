"""A page does not cost more as the site grows: as many queries for a thousand rows of everything as for ten."""

from __future__ import annotations

import re

import pytest
from django.urls import resolve

from tests.integration.pages.test_every_view import PAGES as EVERY_VIEW
from tests.support.large_pages import PAGES, addresses, count_queries, visitors
from tests.support.large_site import LargeSite

FEW, MANY = 10, 1000
MAX_QUERIES = 30


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_the_site():
    site = LargeSite()
    client_of = visitors(site)

    def costs() -> dict[tuple[str, str], int]:
        values = addresses(site)
        return {
            (visitor, path): count_queries(client_of(visitor), path.format(**values))
            for visitor, path in PAGES
        }

    site.grow(FEW, FEW)
    costs()  # fills what a process keeps: content types, the site's settings
    few = costs()
    site.grow(MANY - FEW, MANY - FEW)
    many = costs()
    # It may be fewer: a page of the audit log may then come from one table alone.
    assert {page: (few[page], many[page]) for page in few if many[page] > few[page]} == {}
    assert {page: cost for page, cost in many.items() if cost > MAX_QUERIES} == {}


def test_every_page_is_measured():
    """The list of every view has a row for each address of the site, or its own test fails."""
    shown = {_route(path) for path, answers in EVERY_VIEW.items() if 200 in answers}
    assert shown - {_route(path) for _, path in PAGES} == set()


def _route(path: str) -> str:
    return resolve(re.sub(r"\{\w+\}", "1", path.partition("?")[0])).route
