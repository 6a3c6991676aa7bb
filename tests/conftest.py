"""Fixtures for every test: people, webinars, and a clock that the test moves."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client, TransactionTestCase
from django.utils import translation

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.accounts.services import create_person
from efir.hooks.actions import Context, Source
from efir.lib import clock as efir_clock
from efir.talk import rate_limiter
from efir.triggers import registry
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.support import migrated
from tests.tiers import on_postgresql

LOG_SHOWN = 6000  # characters
PASSWORD = "efir-test-password"
PLAYER = "https://www.youtube.com/embed/abc"
SYSTEM = Context(None, Source.SYSTEM, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Use the copy of the migrated database."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Copy a migrated database for this worker, on SQLite a file: in memory, two threads lock each other out."""
    database = connections.databases["default"]
    if on_postgresql():
        server = os.environ["EFIR_DATABASE_URL"]
        database["TEST"]["NAME"] = f"efir_worker_{secrets.token_hex(6)}"
        migrated.create_database(server, database["TEST"]["NAME"], migrated.database(server))
    else:
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        migrated.copy_file(Path(database["TEST"]["NAME"]))


@pytest.fixture(autouse=True, scope="session")
def _truncate_without_triggers() -> Iterator[None]:
    """Let tests that commit truncate tables, which the database's triggers forbid."""
    teardown = TransactionTestCase._fixture_teardown

    def teardown_without_triggers(self: TransactionTestCase) -> None:
        with registry.disabled():
            teardown(self)

    TransactionTestCase._fixture_teardown = teardown_without_triggers
    yield
    TransactionTestCase._fixture_teardown = teardown


@pytest.fixture(autouse=True)
def _fresh_rate_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with no counts, in a period that does not end while the test runs.

    The counts live in the process, and a test's people have the same ids as those of the tests before.
    """
    cache.clear()
    monkeypatch.setattr(rate_limiter, "_usages", {})
    monkeypatch.setattr("django_ratelimit.core._get_window", lambda *_: 2**40)


@pytest.fixture(autouse=True)
def _in_russian() -> Iterator[None]:
    """Start in Russian: a request leaves its language active in the thread."""
    with translation.override("ru"):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the processes' log to the report of a failed test."""
    report = yield
    log = getattr(getattr(item, "funcargs", {}).get("site"), "log", None)
    if report.failed and log and log.exists():
        report.sections.append(("the end of the processes' log", log.read_text()[-LOG_SHOWN:]))
    return report


class MovableClock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> datetime:
        """Move forward by this many seconds and return the new time."""
        self.moment += timedelta(seconds=seconds)
        return self.moment


@pytest.fixture
def clock() -> Iterator[MovableClock]:
    """Replace the product's clock; it starts at 19:00 in Moscow."""
    moving = MovableClock()
    with efir_clock.replaced(moving):
        yield moving


@pytest.fixture
def make_person(db: None) -> Callable[..., Person]:
    """Return a function that creates a person; without `password` they have none, which saves the hash."""
    numbers = itertools.count(1)

    def make(
        role: Role = Role.CANDIDATE,
        *,
        login: str = "",
        name: str = "",
        invited_by: Person | None = None,
        password: str | None = None,
    ) -> Person:
        number = next(numbers)
        return create_person(
            login=login or f"{role}{number}",
            name=name or f"Имя {number}",
            role=role,
            invited_by=invited_by,
            password=password,
            consented=True,
        )

    return make


def logged_in(person: Person, **kwargs: Any) -> Client:
    """Return a client with a session of this person, which it knows as its `person`; `kwargs` are the client's."""
    client: Any = Client(**kwargs)
    client.force_login(person)
    client.person = person
    return client


@pytest.fixture
def visitor(make_person: Callable[..., Person]) -> Callable[..., Client]:
    """Return a function that logs a new person in: the client knows its `person` and its session's `key`."""

    def visit(role: Role = Role.CANDIDATE, **fields: Any) -> Client:
        client: Any = logged_in(make_person(role, **fields))
        client.key = client.session.session_key
        return client

    return visit


@pytest.fixture
def as_role(make_person: Callable[..., Person]) -> Callable[..., Client]:
    """Return a function that logs a new person of this role in; the client knows its `person`."""

    def visit(role: Role, **kwargs: Any) -> Client:
        return logged_in(make_person(role), **kwargs)

    return visit


@pytest.fixture
def member(as_role: Callable[..., Client]) -> Client:
    """Log a new candidate in."""
    return as_role(Role.CANDIDATE)


@pytest.fixture
def make_webinar(db: None) -> Callable[..., Webinar]:
    """Return a function that creates a webinar and moves it to a status through Core."""

    def make(status: str = "scheduled", **fields: object) -> Webinar:
        defaults = {
            "title": "Как начать",
            "speaker_name": "Анна",
            "starts_at": efir_clock.now() + timedelta(hours=1),
            "player_url": PLAYER,
        }
        # A player's address says which player it is; a test of the own broadcast asks for `video="own"`.
        if "video" not in fields:
            defaults["video"] = "embed"
        webinar = core.create(defaults | fields, SYSTEM)
        steps = {
            "draft": (),
            "scheduled": (core.publish,),
            "live": (core.publish, start),
            "paused": (core.publish, start, core.pause),
            "finished": (core.publish, start, stop),
            "archived": (core.publish, start, stop, core.archive),
        }
        for step in steps[status]:
            webinar = step(webinar.pk, SYSTEM)
        return webinar

    return make


def start(webinar_id: int, context: Context) -> Webinar:
    """Start through the hook."""
    return core.core_webinar_set_status(webinar_id, "start", context)


def stop(webinar_id: int, context: Context) -> Webinar:
    """Stop through the hook."""
    return core.core_webinar_set_status(webinar_id, "stop", context)
