"""Fixtures for tests of the edge: a site with caches that do not expire by themselves."""

from __future__ import annotations

import asyncio

import pytest

from efir.edge import cached_pages
from efir.room import hub as hub_module
from efir.webinars import schedule
from tests.support.edge import Site


@pytest.fixture
def run(monkeypatch, clock):
    """Run a scenario with a site of its own. The caches do not expire by themselves."""
    monkeypatch.setattr(hub_module, "_hub", None)
    monkeypatch.setattr(cached_pages, "ROOM_MAX_AGE_S", 3600)
    monkeypatch.setattr(schedule, "CACHE_S", 3600)

    def run(scenario):
        async def main():
            return await scenario(Site())

        return asyncio.run(main())

    return run
