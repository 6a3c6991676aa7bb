"""Decide which tests run where: `make test`, `make test-all`, and on which database.

Loaded by `-p tests.tiers`. The tests of `tests/unit` and `tests/integration` are quick but for those marked `slow`; of
the other folders only those marked `smoke` are. On PostgreSQL (`EFIR_DATABASE_URL` names a server) only modules in
`POSTGRESQL` are collected.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONG_ID = 80  # characters or bytes
SLOW_FOLDERS = ("faults", "e2e", "browser")
EVERYWHERE = "tests.conftest"  # each worker has its fixtures
ORDER = (*SLOW_FOLDERS, "integration", "unit")

# Modules in which the database takes part: locks, triggers, notifications, constraints, search, full upgrades.
POSTGRESQL = (
    "tests/e2e/test_backup_and_restore.py",
    "tests/e2e/test_notices.py",
    "tests/e2e/test_dispatcher.py",
    "tests/e2e/test_dispatcher_order.py",
    "tests/e2e/test_lost_access.py",
    "tests/e2e/test_low_rung.py",
    "tests/e2e/test_processes.py",
    "tests/e2e/test_raw_requests.py",
    "tests/e2e/test_recording.py",
    "tests/e2e/test_scenarios.py",
    "tests/e2e/test_room_reconnects.py",
    "tests/e2e/test_upgrade.py",
    "tests/e2e/test_broadcast.py",
    "tests/faults/test_killed_broadcast.py",
    "tests/faults/test_killed_import.py",
    "tests/faults/test_killed_reminders.py",
    "tests/faults/test_killed_while_sending.py",
    "tests/faults/test_killed_worker.py",
    "tests/faults/test_lost_network.py",
    "tests/faults/test_many_processes.py",
    "tests/faults/test_oracle.py",
    "tests/faults/test_postgresql.py",
    "tests/faults/test_recording.py",
    "tests/faults/test_talk.py",
    "tests/faults/test_graceful_shutdown.py",
    "tests/integration/accounts/test_access_cache.py",
    "tests/integration/accounts/test_account_recovery.py",
    "tests/integration/accounts/test_accounts.py",
    "tests/integration/accounts/test_concurrency.py",
    "tests/integration/accounts/test_erasure.py",
    "tests/integration/accounts/test_open_sessions.py",
    "tests/integration/accounts/test_personal_data.py",
    "tests/integration/accounts/test_second_factor.py",
    "tests/integration/accounts/test_sessions.py",
    "tests/integration/attendance/test_classifier.py",
    "tests/integration/attendance/test_stats.py",
    "tests/integration/attendance/test_watching.py",
    "tests/integration/lib/test_bulk_insert.py",
    "tests/integration/broadcast/test_recordings.py",
    "tests/integration/broadcast/test_ingest.py",
    "tests/integration/broadcast/test_low_rung.py",
    "tests/integration/followup/test_followup.py",
    "tests/integration/hooks/",
    "tests/integration/importing/",
    "tests/integration/lib/",
    "tests/integration/ops/test_backup_file.py",
    "tests/integration/ops/test_doctor.py",
    "tests/integration/ops/test_metrics.py",
    "tests/integration/ops/test_verify.py",
    "tests/integration/pages/test_audit.py",
    "tests/integration/pages/test_partner.py",
    "tests/integration/room/test_hub.py",
    "tests/integration/server/",
    "tests/integration/talk/test_delivery.py",
    "tests/integration/talk/test_messages.py",
    "tests/integration/talk/test_moderation.py",
    "tests/integration/telegram/test_batching.py",
    "tests/integration/telegram/test_claims.py",
    "tests/integration/telegram/test_one_snapshot.py",
    "tests/integration/telegram/test_outbox.py",
    "tests/integration/telegram/test_reminders.py",
    "tests/integration/telegram/test_updates.py",
    "tests/integration/triggers/",
    "tests/integration/web/test_malformed_forms.py",
    "tests/integration/webinars/test_core.py",
    "tests/integration/webinars/test_concurrent_bookings.py",
)


def on_postgresql() -> bool:
    """Whether this run is the one on PostgreSQL."""
    return os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: left out by `make test`; `make test-all` runs it")
    config.addinivalue_line("markers", "smoke: of a slow folder, and run by `make test` all the same")
    config.addinivalue_line("markers", "one_database: in a module for both databases, but the same on each")
    config.pluginmanager.register(_LeftOut(), "efir-left-out")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Shorten what is long: the id of a running test is in the environment of the processes that it starts."""
    if isinstance(val, str | bytes) and len(val) > LONG_ID:
        return f"{val[:LONG_ID]!a} of {len(val)}"
    return None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what does not differ between the databases, before it is imported."""
    if not on_postgresql() or not collection_path.name.startswith("test_"):
        return None
    path = collection_path.relative_to(ROOT).as_posix()
    return True if collection_path.is_file() and not path.startswith(POSTGRESQL) else None


# Before xdist, which reads the groups from the markers.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT).parts[1] in SLOW_FOLDERS and item.get_closest_marker("smoke") is None:
            item.add_marker(pytest.mark.slow)
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    # The longest first: at the end there must be small ones to share out.
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(ROOT).parts[1]))
    if on_postgresql():
        items[:] = [item for item in items if item.get_closest_marker("one_database") is None]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail if pytest-xdist does not know the groups: each worker would start each shared installation."""
    if getattr(session.config.option, "loadgroup", False):
        grouped = (item for item in session.items if item.get_closest_marker("xdist_group"))
        if lost := next((item.nodeid for item in grouped if "@" not in item.nodeid), ""):
            raise pytest.UsageError(
                f"pytest-xdist does not group {lost}: install what requirements/dev.txt names"
            )


def _group(item: pytest.Item) -> str:
    """Name what stays on one worker: a state's installation, or a file whose tests share fixtures; else nothing."""
    callspec = getattr(item, "callspec", None)
    parameters = callspec.params if callspec else {}
    # A `State` of the gallery; other tests have a status by that name.
    if fixture := getattr(parameters.get("state"), "fixture", ""):
        return f"{fixture}-{parameters['language']}"
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]  # of a function
    is_shared = any(
        each.scope != "function"
        and each.func.__module__.startswith("tests.")
        and each.func.__module__ != EVERYWHERE
        for found in fixtures
        for each in found
    )
    return item.path.stem if is_shared else ""


class _LeftOut:
    """Say in the last line what `make test` did not run."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._count.update(item.path.relative_to(ROOT).parts[1] for item in items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left_out"] = dict(self._count)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        # Every worker collects the same tests and so leaves out the same.
        self._count = Counter(getattr(node, "workeroutput", {}).get("left_out", self._count))

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        if self._count and not hasattr(config, "workeroutput"):
            parts = ", ".join(f"{count} of tests/{folder}" for folder, count in sorted(self._count.items()))
            print(f"Not run here: {parts}, and PostgreSQL. `make test-all` runs them, in about half an hour.")
