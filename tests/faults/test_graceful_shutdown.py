"""SIGTERM in every phase of a webinar: viewers reconnect, the process ends within 10 s, nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.e2e.conftest import Cast
from tests.faults.test_killed_worker import ABSENT_CHAT, PARTNER_CHAT, STAYED_CHAT
from tests.support.site import TOKEN, Site, Stream, Visitor, eventually, fresh_database

ENDS_WITHIN_S = 10.0
on_postgresql = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")


class Evening:
    """An installation that is stopped and started again, with its viewers."""

    def __init__(self, site: Site, telegram: FakeBotApi) -> None:
        self.site, self.telegram = site, telegram
        self.process = site.start()
        site.add("speaker", "speaker")
        site.add("partner", "partner")
        self.speaker = Visitor(site, "speaker")
        cast = Cast(site, self.speaker, telegram, number=400)
        cast.link(Visitor(site, "partner"), PARTNER_CHAT)
        self.webinar = cast.webinar()
        self.stayed, self.viewer = cast.candidate(linked=False)
        _, absentee = cast.candidate(webinar=self.webinar, linked=False)
        cast.link(self.viewer, STAYED_CHAT)
        cast.link(absentee, ABSENT_CHAT)
        self.before = len(telegram.sent)
        self.uncovered_seconds = 0.0  # of live time, an upper bound

    def terminate(self) -> None:
        """Send SIGTERM and check that the process ends in time."""
        told = time.monotonic()
        self.process.terminate()
        assert self.process.wait(60) == 0, self.site.log.read_text()[-3000:]
        assert time.monotonic() - told < ENDS_WITHIN_S

    def restart(self) -> None:
        self.process = self.site.start()

    def terminate_with_viewer(self, status: str) -> None:
        """Terminate while a viewer watches: the stream ends with a retry time, and the status survives."""
        with RecordedStream(self.viewer, self.webinar) as tab:
            tab.until(status=status)
            if status == "live":
                eventually(lambda: self.site.facts(self.webinar))
            told = time.monotonic()
            self.terminate()
            eventually(lambda: tab.ended)
        assert re.search(rb"^retry: \d+$", tab.received, re.MULTILINE)
        self.restart()
        with self.viewer.watching(self.webinar) as back:
            back.until(status=status)
            if status == "live":
                self.uncovered_seconds += time.monotonic() - told

    def press(self, button: str) -> None:
        assert self.speaker.post(f"/admin_webinar/{self.webinar}/{button}").status_code == 200

    def states(self) -> Counter[str]:
        """Count the messages by state."""
        return self.site.states(self.webinar)

    def wait_for_messages(self) -> None:
        """Wait until every message is sent, or waits for the recording."""
        states: list[Counter[str]] = []

        def are_settled() -> bool:
            states.append(self.states())
            return set(states[-1]) == {"sent", "waiting_recording"}

        try:
            eventually(are_settled)
        except AssertionError:
            raise AssertionError(f"the messages are {states[-1]}") from None


class RecordedStream(Stream):
    """A stream that keeps all bytes that it received."""

    received = b""

    def _parse(self, received: bytes) -> None:
        self.received = received
        super()._parse(received)

    def __enter__(self) -> RecordedStream:
        eventually(lambda: self.states)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@pytest.fixture
def evening(tmp_path):
    telegram = FakeBotApi(tokens={TOKEN})
    with ExitStack() as stack:
        address, url = stack.enter_context(running(telegram)), stack.enter_context(fresh_database())
        bot = {"EFIR_TELEGRAM_API": address, "EFIR_TELEGRAM_TOKEN": TOKEN}
        site = Site(tmp_path, url, EFIR_GRACE_S="300", EFIR_SETTLE_S="3600", **bot)
        stack.callback(site.stop)
        yield Evening(site, telegram)


def test_stop_does_not_wait_for_telegram(evening):
    """A message and a reply of the bot are in flight at once."""
    site = evening.site
    site.environ["EFIR_SETTLE_S"] = "0"
    evening.terminate()
    evening.restart()
    with evening.viewer.watching(evening.webinar) as tab:
        evening.press("start")
        eventually(lambda: site.facts(evening.webinar))
        evening.telegram.latency_s = 3600
        evening.press("stop")
        tab.until(status="finished")
    evening.viewer.post("/account/telegram/test")
    eventually(lambda: evening.states()["sending"] and site.count("telegram_chatnotice WHERE tries > 0"))
    evening.terminate()
    evening.telegram.latency_s = 0
    evening.restart()
    evening.wait_for_messages()


@pytest.mark.skipif(not on_postgresql, reason="only PostgreSQL is a process that can freeze")
def test_stop_does_not_wait_for_a_frozen_database(evening):
    site = evening.site
    with RecordedStream(evening.viewer, evening.webinar) as tab:
        evening.press("start")
        tab.until(status="live")
        with frozen(site):
            evening.process.terminate()
            told = time.monotonic()
            assert evening.process.wait(60) == 1
            assert time.monotonic() - told < ENDS_WITHIN_S
        eventually(lambda: tab.ended)
    assert re.search(rb"^retry: \d+$", tab.received, re.MULTILINE)
    (line,) = [json.loads(line) for line in site.log.read_text().splitlines() if "forced_exit" in line]
    assert "efir.room.presence_store." in str(line["hanging"])
    evening.restart()
    with evening.viewer.watching(evening.webinar) as tab:
        tab.until(status="live")
        evening.press("stop")
        tab.until(status="finished")
    assert site.run("verify").returncode == 0


@contextmanager
def frozen(site: Site):
    """Stop the PostgreSQL processes of all other connections while the block runs."""
    with site.database() as connection:
        others = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        pids = [pid for (pid,) in connection.execute(others).fetchall()]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


def test_stop_in_every_phase_loses_nothing(evening):
    site, webinar = evening.site, evening.webinar
    evening.terminate_with_viewer("scheduled")
    with evening.viewer.watching(webinar):
        evening.press("start")
    evening.terminate_with_viewer("live")
    assert site.run("webinar", "pause", str(webinar)).returncode == 0
    evening.terminate_with_viewer("paused")
    assert site.run("webinar", "resume", str(webinar)).returncode == 0
    with evening.viewer.watching(webinar) as tab:
        tab.until(status="live")
        # If the system saw less than half of the live time, the verdict of the absent one would be held.
        time.sleep(evening.uncovered_seconds)
        evening.press("stop")
        tab.until(status="finished")

    evening.terminate()  # settling
    assert site.count("attendance_verdict") == 0

    site.end_settle_delay(webinar)
    classifying = "efir.attendance.classifier:_event:term"  # in the middle of a transaction
    evening.process = site.start("python", "-m", "tests.support.launcher", classifying, "serve", wait=False)
    evening.telegram.latency_s = 2
    assert evening.process.wait(120) == 0
    assert site.count("attendance_verdict") in (0, 2)

    evening.process = site.start(wait=False)  # once it is well, all calls may have been answered
    eventually(lambda: evening.states()["sending"])  # a call is in flight
    evening.terminate()
    assert evening.states()["sending"] == 0

    evening.restart()
    evening.wait_for_messages()
    received = Counter(sent.message["chat"]["id"] for sent in evening.telegram.sent[evening.before :])
    assert received == {PARTNER_CHAT: 2, STAYED_CHAT: 1, ABSENT_CHAT: 1}
    reasons = {line["lead"]: line["reason"] for line in site.lines("verdicts", "--webinar", str(webinar))}
    assert sorted(reasons.values()) == ["no_show", "stayed_to_end"]
    assert reasons[evening.stayed] == "stayed_to_end"
    assert site.run("verify").returncode == 0
