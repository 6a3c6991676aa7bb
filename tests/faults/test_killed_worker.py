"""The process is killed between any two steps from stop to sent. After a restart journal and outbox are the same."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.e2e.conftest import Cast
from tests.support.site import TOKEN, Site, Visitor, eventually, fresh_database

STEPS = [
    "efir.attendance.classifier:classify_webinar:before",
    "efir.attendance.tracker:emit_completed:before",
    "efir.attendance.tracker:emit_completed:after",
    "efir.attendance.classifier:_event:before",  # verdicts written, event not
    "efir.followup.listeners:emit:before",  # classified journalled, routes not
    "efir.followup.listeners:emit:after",
    "efir.followup.listeners:enqueue:before",  # routed, no message yet
    "efir.followup.listeners:enqueue:after",
    "efir.attendance.classifier:classify_chunk:after",  # committed
    "efir.telegram.outbox.claims:claim:something",  # marked as being sent, not sent
    "efir.telegram.bot.client:BotApi.send:before",
    "efir.telegram.bot.client:BotApi.send:after",  # sent, not marked as sent
    "efir.telegram.dispatcher.sender:complete:after",
]
if os.environ.get("EFIR_DATABASE_URL"):
    # There a dead worker's lease has to run out (8 s a step): one death within each transaction, and all after it.
    STEPS = [step for step in STEPS if step.endswith("enqueue:after") or STEPS.index(step) >= 8]
# The call was made, and nothing says so. Messages in flight, this one and others, may come once more, not twice.
IN_FLIGHT = {"efir.telegram.bot.client:BotApi.send:after", "efir.telegram.dispatcher.sender:complete:after"}
PARTNER_CHAT, STAYED_CHAT, ABSENT_CHAT = 101, 102, 103


@dataclass(frozen=True)
class Stopped:
    """A webinar right after its stop, with nothing classified yet: the starting point of each test."""

    data_dir: Path
    database_url: str
    telegram: FakeBotApi
    address: str
    webinar: int
    stayed: str
    absent: str


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    telegram = FakeBotApi(tokens={TOKEN})
    data_dir = tmp_path_factory.mktemp("stopped")
    with running(telegram) as address, fresh_database() as url:
        site = Site(data_dir, url, EFIR_TELEGRAM_API=address, EFIR_TELEGRAM_TOKEN=TOKEN, EFIR_SETTLE_S="3600")
        try:
            webinar, stayed, absent = hold_evening(site, telegram)
        finally:
            site.stop()
        site.end_settle_delay(webinar)
        yield Stopped(data_dir, url, telegram, address, webinar, stayed, absent)


def hold_evening(site: Site, telegram: FakeBotApi) -> tuple[int, str, str]:
    site.start()
    site.add("speaker", "speaker")
    site.add("partner", "partner")
    cast = Cast(site, Visitor(site, "speaker"), telegram)
    cast.link(Visitor(site, "partner"), PARTNER_CHAT)
    webinar = cast.webinar()
    stayed, viewer = cast.candidate(linked=False)
    absent, absentee = cast.candidate(webinar=webinar, linked=False)
    cast.link(viewer, STAYED_CHAT)
    cast.link(absentee, ABSENT_CHAT)
    with viewer.watching(webinar) as tab:
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        eventually(lambda: site.facts(webinar))
        cast.speaker.post(f"/admin_webinar/{webinar}/recording", url="https://rutube.ru/video/1/")
        cast.speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
    return webinar, stayed, absent


@pytest.mark.parametrize("step", STEPS)
def test_restart_ends_with_the_same_journal_and_outbox(stopped, tmp_path, step):
    data_dir = tmp_path / "data"
    shutil.copytree(stopped.data_dir, data_dir)
    sent_before = len(stopped.telegram.sent)
    with fresh_database(copy_of=stopped.database_url) as url:
        site = Site(data_dir, url, EFIR_TELEGRAM_API=stopped.address, EFIR_TELEGRAM_TOKEN=TOKEN)
        try:
            doomed = site.start("python", "-m", "tests.support.launcher", step, "serve", wait=False)
            eventually(lambda: doomed.poll() is not None)
            assert doomed.returncode == -9, site.log.read_text()[-2000:]
            site.start()
            eventually(lambda: set(site.states(stopped.webinar)) == {"sent"})
            check(site, stopped)
        finally:
            site.stop()
    received = Counter(sent.message["chat"]["id"] for sent in stopped.telegram.sent[sent_before:])
    once = Counter({PARTNER_CHAT: 2, STAYED_CHAT: 1, ABSENT_CHAT: 1})
    assert not once - received
    again = received - once
    assert set(again.values()) <= {1} if step in IN_FLIGHT else not again


def check(site: Site, stopped: Stopped) -> None:
    classified = [
        (event, lead) for event, lead in site.journal(stopped.webinar) if event.startswith(("client", "post"))
    ]
    assert Counter(classified) == Counter(
        [
            ("client_webinar_entered", stopped.stayed),
            ("client_webinar_completed", stopped.stayed),
            ("client_webinar_attendance_classified", stopped.stayed),
            ("client_webinar_attendance_classified", stopped.absent),
            ("post_webinar_route", stopped.stayed),
            ("post_webinar_route", stopped.absent),
        ]
    )
    messages = [
        (line["kind"], line["lead"]) for line in site.lines("outbox", "--webinar", str(stopped.webinar))
    ]
    assert Counter(messages) == Counter(
        [
            ("partner_attendance", stopped.stayed),
            ("partner_attendance", stopped.absent),
            ("candidate_followup", stopped.stayed),
            ("candidate_followup", stopped.absent),
            ("candidate_recording", stopped.absent),
        ]
    )
