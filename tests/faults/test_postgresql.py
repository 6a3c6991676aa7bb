"""PostgreSQL as operators have it: restarted, read-only after a failover, behind a pooler, with few rights."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg_pool import PoolTimeout

from efir.lib.postgresql.base import Pool
from tests.faults.test_many_processes import database_away
from tests.support import pgbouncer
from tests.support.ports import free_port
from tests.support.site import Site, Visitor, eventually, fresh_database
from tools import postgres

__test__ = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")

PATIENT_S = (
    300.0  # the machine may be slow: what counts is that the connection comes at all, and long before this
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a database server of the tests' own, which they can stop."""
    with postgres.cluster(free_port()) as url:
        yield url


@pytest.fixture
def place(tmp_path) -> Iterator[Site]:
    with fresh_database(empty=True) as url:
        site = Site(tmp_path, url)
        yield site
        site.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory that PgBouncer's user can read: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def test_requests_during_a_database_restart_are_served(server, tmp_path):
    site = Site(tmp_path, server)
    came: list[float] = []
    with Pool(
        server, min_size=1, max_size=4, timeout=PATIENT_S, reconnect_timeout=0.5, open=True, num_workers=1
    ) as pool:
        idle = pool.getconn()
        pool.putconn(idle)

        def ask() -> None:
            connection = pool.getconn()
            connection.execute("SELECT 1")
            came.append(time.monotonic())
            pool.putconn(connection)

        with database_away(site):
            asking = [threading.Thread(target=ask) for _ in range(3)]
            for thread in asking:
                thread.start()
            # Several attempts fail: with the pool's own policy the last of them would have been given up by now.
            eventually(lambda: pool.get_stats().get("connections_errors", 0) >= 4)
        back = time.monotonic()
        for thread in asking:
            thread.join(PATIENT_S)
        assert len(came) == len(asking)
        assert max(came) - back < PATIENT_S / 10
        # The connection from before the restart is not handed out again.
        with pool.connection() as connection:
            assert connection is not idle
            connection.execute("SELECT 1")


def test_pool_gives_up_after_its_timeout(server):
    with Pool(server, min_size=0, max_size=1, timeout=0.6, open=True) as pool:
        taken = pool.getconn()
        with pytest.raises(PoolTimeout, match=r"within 0\.6 s"):
            pool.getconn()
        pool.putconn(taken)


def read_only(site: Site, on: str) -> None:
    """Let new transactions of this database refuse to write, as on a standby."""
    url = site.environ["EFIR_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        name = url.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {on}')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )


def test_read_only_server_is_an_outage_and_no_bug(place):
    site = place
    site.add("speaker", "speaker")
    site.start("serve")
    visitor, guest = Visitor(site, "speaker"), Visitor(site)
    guest.get("/login/")
    read_only(site, "on")
    health = eventually(
        lambda: (body := httpx.get(f"{site.url}/healthz").json())["database"] == "read_only" and body
    )
    assert "database" in health["failing"]
    answers = [
        visitor.post("/admin_webinar/new/", headers={"Accept": "application/json"}, title="Эфир"),
        visitor.post("/account/contact_details", headers={"Accept": "text/html"}, email="a@example.org"),
        guest.post("/login/", headers={"Accept": "text/html"}, username="speaker", password="wrong-password"),
    ]
    assert [(answer.status_code, "Retry-After" in answer.headers) for answer in answers] == [(503, True)] * 3
    assert answers[0].json()["error"] == "unavailable"
    assert visitor.get("/webinars/").status_code == 200
    eventually(lambda: site.log.read_text().count("database_read_only"))
    # Some rounds of the worker's jobs, each of which would have written a traceback.
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 5)
    log = site.log.read_text()
    # The switch ends all connections: a write that it cuts off is another error.
    cut_off = "server closed the connection"
    assert [line for line in log.splitlines() if "Traceback" in line and cut_off not in line] == []
    assert log.count("database_read_only") <= 1 + (time.monotonic() - began) // 60
    read_only(site, "off")
    eventually(site._is_well)


@pgbouncer.needed
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_pooler_of_transactions_is_refused_at_the_start(place, folder, mode):
    url = place.environ["EFIR_DATABASE_URL"]
    with pgbouncer.pooled(url, folder, pool_mode=mode) as address:
        done = Site(place.data_dir, address).run("migrate")
    assert done.returncode == 2, done.stderr
    assert "pool_mode = session" in done.stderr
    assert "Traceback" not in done.stderr


@pgbouncer.needed
def test_pooler_of_sessions_works_as_it_is_installed(place, folder):
    with pgbouncer.pooled(place.environ["EFIR_DATABASE_URL"], folder) as address:
        site = Site(place.data_dir, address)
        site.start("serve")
        site.stop()
        # A parameter that it does not know is named, and neither the host nor the password is blamed.
        done = Site(place.data_dir, f"{address}?options=-c%20work_mem%3D8MB").run("migrate")
    assert done.returncode == 2
    assert "ignore_startup_parameters = options" in done.stderr
    assert "password" not in done.stderr


def test_role_that_may_not_create_tables_is_told_the_sql(place):
    url = place.environ["EFIR_DATABASE_URL"]
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "role_{name}" LOGIN')
        try:
            site = Site(place.data_dir, url.replace("//efir@", f"//role_{name}@"))
            done = site.run("migrate")
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            sql = f'GRANT CREATE ON SCHEMA public TO "role_{name}";'
            assert sql in done.stderr
            connection.execute(sql)
            assert site.run("migrate").returncode == 0
        finally:
            connection.execute(f'DROP OWNED BY "role_{name}"')
            connection.execute(f'DROP ROLE "role_{name}"')


def test_start_names_the_holder_of_the_migration_lock(place):
    url = place.environ["EFIR_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as holder:
        (pid,) = holder.execute("SELECT pg_backend_pid() FROM pg_advisory_lock(1701210482)").fetchone()
        process = place.start("migrate", wait=False)
        said = eventually(
            lambda: f"PostgreSQL process {pid}" in place.log.read_text() and place.log.read_text()
        )
        assert "migration_lock_awaited" in said
        assert process.poll() is None
    assert process.wait(120) == 0
