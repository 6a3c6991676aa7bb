"""Processes: parallel starts, a restart during a webinar, and many processes on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.e2e.conftest import Cast
from tests.support.ports import free_port
from tests.support.site import TOKEN, Site, Visitor, eventually, fresh_database

on_postgresql = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")


@pytest.fixture
def installation(tmp_path):
    """Return an installation that is not started yet, and its fake Bot API."""
    telegram = FakeBotApi(tokens={TOKEN})
    with running(telegram) as address, fresh_database() as url:
        site = Site(tmp_path, url, EFIR_TELEGRAM_API=address, EFIR_TELEGRAM_TOKEN=TOKEN)
        yield site, telegram
        site.stop()


STARTS = """
import django
django.setup()
from efir.edge.cached_files import StaticFiles
from efir.server.processes import with_static_files
print(*{len(with_static_files(StaticFiles)._files) for _ in range(3)})
"""


@pytest.mark.one_database
def test_parallel_starts_have_all_static_files(tmp_path):
    environ = Site(tmp_path).environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"}
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", STARTS],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(4)
    ]
    told = [process.communicate()[0] for process in starting]
    assert [process.returncode for process in starting] == [0] * len(starting), told
    # Before its number, a process says that it waits for another one's migration.
    (files,) = {text.splitlines()[-1] for text in told}
    assert int(files) > 20


def prepared(site: Site, telegram: FakeBotApi) -> Cast:
    site.add("speaker", "speaker")
    site.add("partner", "partner")
    return Cast(site, Visitor(site, "speaker"), telegram)


@pytest.mark.one_database
def test_worker_answers_metrics_and_health_on_its_own_port(tmp_path):
    port = free_port()
    site = Site(tmp_path, EFIR_METRICS_PORT=str(port))
    worker = site.start("worker", wait=False)
    try:

        def healthy() -> httpx.Response | None:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz")
            except httpx.TransportError:
                return None
            return answer if answer.status_code == 200 else None

        assert eventually(healthy).json()["worker"] == "ok"
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics")
        assert metrics.status_code == 200
        assert "efir_component_up" in metrics.text
        assert httpx.get(f"http://127.0.0.1:{port}/webinars/").status_code == 404
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        site.stop()


def test_restart_while_live_keeps_verdicts(installation):
    site, telegram = installation
    first = site.start()
    cast = prepared(site, telegram)
    webinar = cast.webinar()
    login, visitor = cast.candidate(linked=False)
    with visitor.watching(webinar) as tab:
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        eventually(lambda: site.facts(webinar))
        first.terminate()
        eventually(lambda: tab.ended)
        assert first.wait(30) == 0
    site.start()
    with visitor.watching(webinar):
        cast.speaker.post(f"/admin_webinar/{webinar}/stop")
    (verdict,) = eventually(lambda: site.lines("verdicts", "--webinar", str(webinar)))
    assert (verdict["lead"], verdict["reason"]) == (login, "stayed_to_end")
    assert len(verdict["intervals"]) == 2


def test_verdicts_are_held_after_a_crash(installation):
    site, telegram = installation
    first = site.start()
    cast = prepared(site, telegram)
    webinar = cast.webinar()
    watched, visitor = cast.candidate(linked=False)
    absent, _ = cast.candidate(webinar=webinar, linked=False)
    with visitor.watching(webinar):
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        eventually(lambda: site.facts(webinar))
        site.kill(first)
    pulse = _last_pulse(site)
    eventually(lambda: _now(site) - pulse > 4)  # longer than the grace of 3 s
    assert site.run("webinar", "stop", str(webinar)).returncode == 0
    site.start()
    eventually(lambda: site.judged(webinar) == 2)
    lines = site.lines("verdicts", "--webinar", str(webinar))
    assert {(line["lead"], line["attended"], line["reason"]) for line in lines} == {
        (watched, None, "unknown"),
        (absent, None, "unknown"),
    }
    assert [event for event, _ in site.journal(webinar)] == ["client_webinar_entered"]
    assert site.outbox(webinar) == {}


def _last_pulse(site: Site) -> float:
    return float(
        _ask(site, "from efir.room.models import Recorder as R; r = R.objects.latest('pulsed_at').pulsed_at")
    )


def _now(site: Site) -> float:
    return float(_ask(site, "from efir.lib import clock; clock.refresh(); r = clock.now()"))


def _ask(site: Site, code: str) -> str:
    import subprocess
    import sys

    environ = site.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings"}
    program = f"import django; django.setup(); {code}; print(r.timestamp())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout


if on_postgresql:

    def test_separate_web_and_worker_processes(installation):
        site, telegram = installation
        site.start("web", wait=False)
        site.start("worker", wait=False)
        eventually(site._is_well)
        cast = prepared(site, telegram)
        webinar = cast.webinar()
        login, visitor = cast.candidate(linked=False)
        first_port, site.port = site.port, free_port()
        site.environ["EFIR_PORT"] = str(site.port)
        site.start("web", wait=False)
        other = f"http://127.0.0.1:{site.port}"
        eventually(lambda: _answers(other))
        site.port = first_port
        with visitor.watching(webinar) as tab:
            speaker = Visitor(site)
            speaker.http.base_url = other
            speaker.log_in("speaker")
            # The viewer is at the other process; the count is that of all processes.
            eventually(lambda: speaker.get(f"/api/webinars/{webinar}/state").json()["viewers"] == 1)
            assert speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
            tab.until(status="live")
            eventually(lambda: site.journal(webinar) == [("client_webinar_entered", login)])
            speaker.post(f"/admin_webinar/{webinar}/stop")
            tab.until(status="finished")
        (verdict,) = eventually(lambda: site.lines("verdicts", "--webinar", str(webinar)))
        assert verdict["reason"] == "stayed_to_end"

    def test_cached_pages_show_changes_by_another_process(installation):
        site, telegram = installation
        site.start("worker", wait=False)
        site.start("web")
        cast = prepared(site, telegram)
        site.add("admin", "admin")
        person_id = site.add("anna", "candidate")
        webinar = cast.webinar()
        other = site.beside()
        try:
            other.start("web")
            here = Visitor(site, "anna")
            there = here.at(other)

            def shows(text: str) -> bool:
                return text in there.get("/webinars/").text

            assert shows("Забронировать место")
            here.post(f"/webinars/{webinar}/seat")
            here.http.cookies.delete("messages")  # the message about it is shown by a page of its own
            eventually(lambda: shows("место забронировано"))
            answer = Visitor(site, "admin").post(f"/account/people/{person_id}/role", role="speaker")
            assert answer.status_code == 200
            eventually(lambda: shows("/admin_webinar/"))
            cast.speaker.post(f"/admin_webinar/{webinar}/start")
            eventually(lambda: shows("идёт прямо сейчас"))
            assert here.post("/logout/").is_redirect
            eventually(lambda: not shows("/admin_webinar/"))
        finally:
            other.stop()

    def _answers(address: str) -> bool:
        try:
            return httpx.get(f"{address}/healthz").status_code == 200
        except httpx.TransportError:
            return False
