"""The worker is killed while it sends reminders: everybody gets each one, and twice only after an unknown outcome."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.support.reminded import CHAT
from tests.support.site import TOKEN, Site, eventually, fresh_database

PEOPLE = 12
# The call was made, and nothing says so.
UNKNOWN = ("efir.telegram.bot.client:BotApi.send:after", "efir.telegram.dispatcher.sender:complete:after")
DEATHS = [
    "efir.telegram.reminders:enqueue:after",  # written with what the seats were told, and not committed
    "efir.telegram.outbox.claims:claim:something",  # marked as being sent, not sent
    *UNKNOWN,
]
if os.environ.get("EFIR_DATABASE_URL"):
    # There a dead worker's lease has to run out each time.
    DEATHS = [DEATHS[0], DEATHS[-1]]
# A new time within the last hour is told, and reminded of.
KINDS_OF_A_MOVE = ("seat_moved", "seat_reminder")


@pytest.fixture
def telegram() -> Iterator[tuple[FakeBotApi, str]]:
    telegram = FakeBotApi(tokens={TOKEN})
    for number in range(PEOPLE):
        telegram.people.add(CHAT + number, f"Имя {number}")
    with running(telegram) as address:
        yield telegram, address


@pytest.fixture
def site(tmp_path, telegram) -> Iterator[Site]:
    with fresh_database() as url:
        site = Site(tmp_path, url, EFIR_TELEGRAM_API=telegram[1], EFIR_TELEGRAM_TOKEN=TOKEN)
        yield site
        site.stop()


def webinar(site: Site, change: str) -> None:
    """Create, move or start the webinar while nothing else runs."""
    done = site.start("python", "-m", "tests.support.reminded", change, wait=False)
    assert done.wait(120) == 0, site.log.read_text()[-2000:]


def work_until(site: Site, sent: int) -> None:
    worker = site.start("worker", wait=False)
    eventually(lambda: site.count("telegram_outboxmessage WHERE state = 'sent'") >= sent)
    worker.terminate()
    worker.wait(30)


def test_reminders_survive_a_kill_at_any_step(site, telegram):
    webinar(site, str(PEOPLE))
    work_until(site, sent=PEOPLE)
    for number, where in enumerate(DEATHS, start=1):
        webinar(site, "move")
        doomed = site.start("python", "-m", "tests.support.launcher", where, "worker", wait=False)
        eventually(lambda doomed=doomed: doomed.poll() is not None)
        assert doomed.returncode == -9, site.log.read_text()[-2000:]
        work_until(site, sent=PEOPLE * (1 + number * len(KINDS_OF_A_MOVE)))
    webinar(site, "start")
    work_until(site, sent=PEOPLE * (2 + len(DEATHS) * len(KINDS_OF_A_MOVE)))

    with site.database() as connection:
        rows = connection.execute("SELECT kind, state, count(*) FROM telegram_outboxmessage GROUP BY 1, 2")
        found = {(kind, state): count for kind, state, count in rows.fetchall()}
    moves = PEOPLE * len(DEATHS)
    assert found == {
        ("seat_reminder", "sent"): PEOPLE + moves,
        ("seat_moved", "sent"): moves,
        ("seat_on_air", "sent"): PEOPLE,
    }
    received = Counter((sent.message["chat"]["id"], sent.message["text"]) for sent in telegram[0].sent)
    assert len(received) == sum(found.values())
    assert max(received.values()) <= 2
    assert sum(received.values()) - len(received) <= PEOPLE * len(set(UNKNOWN) & set(DEATHS))
    assert site.count("hooks_journalentry") == 0
