"""A thousand messages on their way, and what sends them dies, freezes, loses its database or its lease.

Whatever happens, each message arrives, and twice at most: only where nobody can know whether it had gone.
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
from tests.support.site import TOKEN, Site, eventually, fresh_database
from tools import postgres

MESSAGES = 1000
KILLS = 20
ON_POSTGRESQL = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")


def where(there: bool):
    """A test for one of the databases: on the other one there is nothing to skip."""
    return lambda test: test if there else None


needs_several_workers = where(ON_POSTGRESQL)  # on SQLite there is one

FAR_OFF = datetime(9999, 1, 1, tzinfo=UTC)
# The real lease runs for 8 s; what is tested is the same.
TTL_S = 1.5
WAITS = {
    "efir.telegram.bot.lease:TTL_S": TTL_S,
    "efir.telegram.dispatcher.dispatcher:RENEW_S": 0.3,
    "efir.telegram.dispatcher.dispatcher:TAKE_OVER_S": 0.1,
    "efir.telegram.dispatcher.dispatcher:MARGIN_S": 0.4,
    "efir.telegram.outbox.completion:AFTER_UNKNOWN_S": 0.3,
}
# Where nobody may lose it but by the blow: long enough for a machine that is busy with three tests at once.
LONG_LEASE = {"efir.telegram.bot.lease:TTL_S": 3 * TTL_S}
# A worker that is stopped in the middle of a transaction would keep its locks, the lease's among them.
GIVES_UP_LOCKS = "?options=-c%20idle_in_transaction_session_timeout%3D1000"
ROWS = """
SELECT message.id, state, uncertain_count, attempts, chat.chat_id
FROM telegram_outboxmessage AS message JOIN telegram_telegramchat AS chat USING (person_id)
"""


@dataclass
class Evening:
    """An installation with a thousand messages, its far end, and a seeded source of bad luck."""

    site: Site
    telegram: FakeBotApi
    luck: random.Random
    # The messages that were on their way at each blow: of these nobody can know whether they had gone.
    hit: list[set[int]] = field(default_factory=list)

    def worker(self, **waits: float) -> subprocess.Popen[bytes]:
        """One more worker, with short waits."""
        words = [f"{where}={seconds}" for where, seconds in (WAITS | waits).items()]
        return self.site.start("python", "-m", "tests.support.time_warp", *words, "--", "worker", wait=False)

    def calls(self) -> int:
        return sum(call.method == "sendMessage" for call in self.telegram.calls)

    def after(self, calls: int) -> None:
        """Wait until so many more calls have come, and a random moment more."""
        goal = self.calls() + calls
        eventually(lambda: self.calls() >= goal)
        time.sleep(self.luck.uniform(0, 2 * self.telegram.latency_s))

    def strike(self, blow: Callable[[], None]) -> None:
        """Deal a blow, and note what was on its way then."""
        blow()
        rows = self.rows()
        assert any(state in {"queued", "sending"} for _, state, *_ in rows), "there is nothing left to send"
        self.hit.append({message for message, state, *_ in rows if state == "sending"})

    def rows(self) -> list[tuple[int, str, int, int, int]]:
        with self.site.database() as connection:
            return list(connection.execute(ROWS).fetchall())

    def lease(self) -> tuple[str, datetime]:
        """Who holds the lease, and until when."""
        with self.site.database() as connection:
            query = "SELECT holder, lease_until FROM telegram_dispatcherstate"
            holder, until = connection.execute(query).fetchone() or (None, None)
        until = datetime.fromisoformat(until) if isinstance(until, str) else until
        return str(holder or ""), until.replace(tzinfo=UTC) if until else FAR_OFF

    def drained(self) -> None:
        """Wait until no message moves any more."""
        moving = "telegram_outboxmessage WHERE state IN ('queued', 'sending')"
        eventually(lambda: not self.site.count(moving), within=90)

    def tally(self) -> dict[str, int]:
        """Count what arrived how often, and check that nothing is lost and nothing arrived twice without need."""
        received = Counter(sent.message["chat"]["id"] for sent in self.telegram.sent)
        rows = self.rows()
        assert {state for _, state, *_ in rows} <= {"sent", "uncertain"}
        assert [message for message, state, *_, chat in rows if state == "sent" and not received[chat]] == []
        assert max(received.values()) <= 2
        assert {message for message, _, _, attempts, _ in rows if attempts > 2} == set()
        blows = Counter(message for hit in self.hit for message in hit)
        twice = {message for message, *_, chat in rows if received[chat] == 2}
        unknown = {message: count for message, _, count, *_ in rows if count}
        left = {message for message, state, *_ in rows if state == "uncertain"}
        assert twice <= set(unknown) <= set(blows), "twice, though it was not on its way when the blow fell"
        assert all(blows[message] >= 2 for message in left)
        return {
            "messages": len(rows),
            "blows": len(self.hit),
            "on their way at a blow": len(blows),
            "arrived twice": len(twice),
            "unknown twice, left to a person": len(left),
            "of these never arrived": sum(
                not received[chat] for message, *_, chat in rows if message in left
            ),
        }


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """An installation where nothing runs yet: its directory and its database."""
    data_dir = tmp_path_factory.mktemp("filled")
    with fresh_database() as url:
        fill(Site(data_dir, url))
        yield data_dir, url


def fill(site: Site) -> None:
    module = ["python", "-m", "tests.support.backlog", str(MESSAGES)]
    assert site.start(*module, wait=False).wait(60) == 0, site.log.read_text()[-2000:]


@pytest.fixture
def evening(filled, tmp_path, record_property) -> Iterator[Callable[..., Evening]]:
    """Makes the evening of one test, in a copy of what was filled or at another database; shows what it counted."""
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
            evening = Evening(site, telegram, random.Random(seed))  # noqa: S311
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
    """On PostgreSQL another worker is waiting for the lease each time; on SQLite a new one starts."""
    evening = evening(rate=100)
    workers = [evening.worker()]
    for _ in range(KILLS):
        evening.after(calls=evening.luck.randint(5, 60))
        if ON_POSTGRESQL:
            workers.append(evening.worker())
        evening.strike(lambda: evening.site.kill(workers.pop(0)))
        if not ON_POSTGRESQL:
            workers.append(evening.worker())
    evening.drained()
    count(evening)


@needs_several_workers
def test_the_database_restarted_five_times(evening, count):
    with postgres.cluster() as url:
        evening = evening(rate=200, url=url)
        worker = evening.worker()
        for _ in range(5):
            evening.after(calls=evening.luck.randint(20, 120))
            with database_away(evening.site):
                time.sleep(evening.luck.uniform(0, TTL_S))
        evening.drained()
        tally = count(evening)
        assert worker.poll() is None
        evening.site.stop()
    # What came of each call is kept until the database is there again: nothing is unknown.
    assert tally["arrived twice"] == 0


@needs_several_workers
def test_stopped_past_its_lease_while_another_takes_over(evening, count):
    evening = evening(rate=100, options=GIVES_UP_LOCKS)
    acting = evening.worker(**LONG_LEASE)
    evening.after(calls=1)
    resting = evening.worker(**LONG_LEASE)
    for _ in range(4):
        evening.after(calls=evening.luck.randint(20, 80))
        with stopped(evening, acting) as holder:
            eventually(lambda holder=holder: evening.lease()[0] not in ("", holder))
            evening.after(calls=evening.luck.randint(20, 80))
        acting, resting = resting, acting
    evening.drained()
    count(evening)


@where(not ON_POSTGRESQL)  # there another worker takes over
def test_stopped_past_its_lease_while_nobody_takes_over(evening, count):
    evening = evening(rate=200)
    worker = evening.worker(**LONG_LEASE)
    for _ in range(4):
        evening.after(calls=evening.luck.randint(20, 120))
        with stopped(evening, worker):
            run_out = timedelta(seconds=evening.luck.uniform(0, 1))
            eventually(lambda run_out=run_out: evening.lease()[1] + run_out < datetime.now(UTC))
    evening.drained()
    assert count(evening)["arrived twice"] == 0


@contextmanager
def stopped(evening: Evening, worker: subprocess.Popen[bytes]) -> Iterator[str]:
    """The worker stands still while the block runs (SIGSTOP); gives who held the lease."""
    evening.strike(lambda: worker.send_signal(signal.SIGSTOP))
    try:
        yield evening.lease()[0]
    finally:
        worker.send_signal(signal.SIGCONT)
