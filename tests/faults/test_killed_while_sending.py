"""A thousand messages while the worker is killed or frozen, or loses its database or its lease.

Each message arrives, and twice at most: only if nobody can know whether it had been sent.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.faults.test_many_processes import database_away
from tests.support.ports import free_port
from tests.support.site import TOKEN, Site, eventually, fresh_database
from tools import postgres

MESSAGES = 1000
KILLS = 20
ON_POSTGRESQL = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")


def only_if(applies: bool):
    """Keep a test for one of the databases; on the other it does not exist, so there is nothing to skip."""
    return lambda test: test if applies else None


needs_several_workers = only_if(ON_POSTGRESQL)  # SQLite allows one

FAR_OFF = datetime(9999, 1, 1, tzinfo=UTC)
# The real lease lasts 8 s. A shorter one tests the same.
TTL_S = 1.5
WAITS = {
    "efir.telegram.bot.lease:TTL_S": TTL_S,
    "efir.telegram.dispatcher.dispatcher:RENEW_S": 0.3,
    "efir.telegram.dispatcher.dispatcher:TAKE_OVER_S": 0.1,
    "efir.telegram.dispatcher.dispatcher:MARGIN_S": 0.4,
    "efir.telegram.outbox.completion:AFTER_UNKNOWN_S": 0.3,
}
# If only the fault may end the lease: long enough for a machine that is busy with three tests at once.
LONG_LEASE = {"efir.telegram.bot.lease:TTL_S": 3 * TTL_S}
# A worker that is frozen in a transaction would keep its locks, and so the lease's row.
GIVES_UP_LOCKS = "?options=-c%20idle_in_transaction_session_timeout%3D1000"
ROWS = """
SELECT message.id, state, uncertain_count, attempts, chat.chat_id
FROM telegram_outboxmessage AS message JOIN telegram_telegramchat AS chat USING (person_id)
"""


@dataclass
class Evening:
    """An installation with a thousand messages, the Bot API's double, and a seeded random generator."""

    site: Site
    telegram: FakeBotApi
    rng: random.Random
    # The messages in `sending` at each fault: of these nobody can know whether they had been sent.
    in_flight: list[set[int]] = field(default_factory=list)

    def worker(self, **waits: float) -> subprocess.Popen[bytes]:
        """Start a worker with short waits."""
        words = [f"{where}={seconds}" for where, seconds in (WAITS | waits).items()]
        return self.site.start("python", "-m", "tests.support.time_warp", *words, "--", "worker", wait=False)

    def calls(self) -> int:
        return sum(call.method == "sendMessage" for call in self.telegram.calls)

    def after(self, calls: int) -> None:
        """Wait for so many more calls, and a random moment more."""
        goal = self.calls() + calls
        eventually(lambda: self.calls() >= goal)
        time.sleep(self.rng.uniform(0, 2 * self.telegram.latency_s))

    def inject(self, fault: Callable[[], None]) -> None:
        """Inject a fault, and note which messages were in `sending` then."""
        fault()
        rows = self.rows()
        assert any(state in {"queued", "sending"} for _, state, *_ in rows), "there is nothing left to send"
        self.in_flight.append({message for message, state, *_ in rows if state == "sending"})

    def rows(self) -> list[tuple[int, str, int, int, int]]:
        with self.site.database() as connection:
            return list(connection.execute(ROWS).fetchall())

    def lease(self) -> tuple[str, datetime]:
        """Return the holder of the lease, and until when."""
        with self.site.database() as connection:
            query = "SELECT holder, lease_until FROM telegram_dispatcherstate"
            holder, until = connection.execute(query).fetchone() or (None, None)
        until = datetime.fromisoformat(until) if isinstance(until, str) else until
        return str(holder or ""), until.replace(tzinfo=UTC) if until else FAR_OFF

    def drained(self) -> None:
        """Wait until no message is queued or being sent."""
        moving = "telegram_outboxmessage WHERE state IN ('queued', 'sending')"
        eventually(lambda: not self.site.count(moving), within=90)

    def tally(self) -> dict[str, int]:
        """Count how often each message arrived. None may be lost, and none may arrive twice without a fault."""
        received = Counter(sent.message["chat"]["id"] for sent in self.telegram.sent)
        rows = self.rows()
        assert {state for _, state, *_ in rows} <= {"sent", "uncertain"}
        assert [message for message, state, *_, chat in rows if state == "sent" and not received[chat]] == []
        assert max(received.values()) <= 2
        assert {message for message, _, _, attempts, _ in rows if attempts > 2} == set()
        faults = Counter(message for messages in self.in_flight for message in messages)
        twice = {message for message, *_, chat in rows if received[chat] == 2}
        unknown = {message: count for message, _, count, *_ in rows if count}
        left = {message for message, state, *_ in rows if state == "uncertain"}
        assert twice <= set(unknown) <= set(faults), "sent twice, though it was not in `sending` at a fault"
        assert all(faults[message] >= 2 for message in left)
        return {
            "messages": len(rows),
            "faults": len(self.in_flight),
            "in flight at a fault": len(faults),
            "arrived twice": len(twice),
            "unknown twice, left to a person": len(left),
            "of these never arrived": sum(
                not received[chat] for message, *_, chat in rows if message in left
            ),
        }


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """Make an installation where nothing runs yet. Yield its directory and its database."""
    data_dir = tmp_path_factory.mktemp("filled")
    with fresh_database() as url:
        fill(Site(data_dir, url))
        yield data_dir, url


def fill(site: Site) -> None:
    module = ["python", "-m", "tests.support.backlog", str(MESSAGES)]
    assert site.start(*module, wait=False).wait(60) == 0, site.log.read_text()[-2000:]


@pytest.fixture
def evening(filled, tmp_path, record_property) -> Iterator[Callable[..., Evening]]:
    """Make an installation for one test, in a copy of the filled one or at another database."""
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(2**32))  # noqa: S311  # no secret
    began = time.monotonic()
    with ExitStack() as stack:

        def make(rate: int, url: str = "", options: str = "") -> Evening:
            telegram = FakeBotApi(tokens={TOKEN}, latency_s=0.1)
            address = stack.enter_context(running(telegram))
            data_dir = tmp_path / "data"
            shutil.copytree(filled[0], data_dir)
            database = url or stack.enter_context(fresh_database(copy_of=filled[1]))
            bot = {
                "EFIR_TELEGRAM_API": address,
                "EFIR_TELEGRAM_TOKEN": TOKEN,
                "EFIR_TELEGRAM_RATE": str(rate),
            }
            site = Site(data_dir, database + options, **bot)
            stack.callback(site.stop)
            if url:
                fill(site)
            evening = Evening(site, telegram, random.Random(seed))  # noqa: S311  # repeatable
            for *_, chat in evening.rows():
                telegram.people.add(chat, "Кто-то")
            return evening

        record_property("seed (FAULTS_SEED)", seed)
        yield make
    record_property("seconds", round(time.monotonic() - began))


@pytest.fixture
def count(record_property) -> Callable[[Evening], dict[str, int]]:
    def counted(evening: Evening) -> dict[str, int]:
        tally = evening.tally()
        record_property("counted", tally)
        print(tally)
        return tally

    return counted


def test_killed_twenty_times(evening, count):
    """On PostgreSQL another worker waits for the lease each time; on SQLite a new one starts."""
    evening = evening(rate=100)
    workers = [evening.worker()]
    for _ in range(KILLS):
        evening.after(calls=evening.rng.randint(5, 60))
        if ON_POSTGRESQL:
            workers.append(evening.worker())
        evening.inject(lambda: evening.site.kill(workers.pop(0)))
        if not ON_POSTGRESQL:
            workers.append(evening.worker())
    evening.drained()
    count(evening)


@needs_several_workers
def test_database_restarted_five_times(evening, count):
    with postgres.cluster(free_port()) as url:
        evening = evening(rate=200, url=url)
        worker = evening.worker()
        for _ in range(5):
            evening.after(calls=evening.rng.randint(20, 120))
            with database_away(evening.site):
                time.sleep(evening.rng.uniform(0, TTL_S))
        evening.drained()
        tally = count(evening)
        assert worker.poll() is None
        evening.site.stop()
    # The outcome of each call is kept until the database is back, so none is unknown.
    assert tally["arrived twice"] == 0


@needs_several_workers
def test_frozen_worker_is_replaced(evening, count):
    evening = evening(rate=100, options=GIVES_UP_LOCKS)
    acting = evening.worker(**LONG_LEASE)
    evening.after(calls=1)
    resting = evening.worker(**LONG_LEASE)
    for _ in range(4):
        evening.after(calls=evening.rng.randint(20, 80))
        with stopped(evening, acting) as holder:
            eventually(lambda holder=holder: evening.lease()[0] not in ("", holder))
            evening.after(calls=evening.rng.randint(20, 80))
        acting, resting = resting, acting
    evening.drained()
    count(evening)


@only_if(not ON_POSTGRESQL)  # there another worker takes over
def test_frozen_worker_goes_on(evening, count):
    evening = evening(rate=200)
    worker = evening.worker(**LONG_LEASE)
    for _ in range(4):
        evening.after(calls=evening.rng.randint(20, 120))
        with stopped(evening, worker):
            run_out = timedelta(seconds=evening.rng.uniform(0, 1))
            eventually(lambda run_out=run_out: evening.lease()[1] + run_out < datetime.now(UTC))
    evening.drained()
    assert count(evening)["arrived twice"] == 0


@contextmanager
def stopped(evening: Evening, worker: subprocess.Popen[bytes]) -> Iterator[str]:
    """Freeze the worker (SIGSTOP) while the block runs. Yield who held the lease."""
    evening.inject(lambda: worker.send_signal(signal.SIGSTOP))
    try:
        yield evening.lease()[0]
    finally:
        worker.send_signal(signal.SIGCONT)
