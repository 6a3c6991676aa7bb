"""`efir doctor`: what it finds, what it advises, and that it says no secret."""

from __future__ import annotations

import json
import resource
import shutil
import tempfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.db import connection

from efir.ops.cli import main
from efir.ops.doctor import machine
from efir.ops.doctor.runner import run_doctor
from efir.ops.monitoring.health import parts_of_health
from efir.server.worker import Worker

pytestmark = pytest.mark.django_db

TOKEN = "42:AAsecret-of-the_bot"


class FarEnd(BaseHTTPRequestHandler):
    """Telegram and the public address at once, as the test wants them."""

    answers: dict[str, object] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.answers.get(self.path.rpartition("/")[2])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return str(self.answers.get("date") or super().date_time_string(timestamp))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def far_end():
    FarEnd.answers = {
        "getMe": {"ok": True, "result": {"username": "efir_bot"}},
        "getWebhookInfo": {"ok": True, "result": {"url": ""}},
        "web": {"status": "ok"},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), FarEnd)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def look(settings, far_end, capsys, tmp_path):
    """Runs the doctor in an installation that is well but for `changes`: (exit code, check → (level, detail))."""
    key = tmp_path / "secret.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    file = tmp_path / "efir.sqlite3"
    file.touch(0o600)
    well = {
        "data_dir": tmp_path,
        "database_url": f"sqlite:///{file}",
        "public_url": far_end,
        "telegram_api": far_end,
        "telegram_token": TOKEN,
    }

    def look(**changes):
        settings.EFIR = replace(settings.EFIR, **(well | changes))
        code = run_doctor(as_json=True)
        printed = capsys.readouterr().out
        assert "AAsecret" not in printed
        findings = json.loads(printed)
        for finding in findings:
            assert finding["advice"] or finding["level"] == "ok", finding
        by_check: dict[str, set] = {}
        for finding in findings:
            by_check.setdefault(finding["check"], set()).add(finding["level"])
        return code, by_check

    return look


def test_an_installation_that_is_well_has_nothing_that_fails(look, clock):
    from django.utils import timezone

    from efir.telegram.models import DispatcherState

    clock.moment = timezone.now()
    Worker()._beat()
    DispatcherState.objects.create(
        bot_id=42, holder="0" * 32, lease_until=clock.moment, heartbeat_at=clock.moment
    )
    code, found = look()
    assert (code, [check for check, levels in found.items() if "failed" in levels]) == (0, [])
    assert {"python", "migrations", "token", "webhook", "clock", "disk", "secret key"} <= set(found)


@pytest.mark.parametrize(
    ("answers", "changes", "check", "level"),
    [
        ({"getMe": {"ok": False, "error_code": 401}}, {}, "token", "failed"),
        ({"getWebhookInfo": {"ok": True, "result": {"url": "https://x.example"}}}, {}, "webhook", "failed"),
        ({"date": "Mon, 23 Nov 2020 16:00:00 GMT"}, {}, "clock", "warning"),
        ({}, {"telegram_api": "http://127.0.0.1:9"}, "telegram", "failed"),
        ({}, {"telegram_token": ""}, "health of telegram", "warning"),
        ({}, {}, "health of worker", "failed"),
        ({}, {"public_url": "http://127.0.0.1:9"}, "public address", "failed"),
        ({}, {"public_url": "http://webinars.invalid"}, "public address", "failed"),
        ({}, {"public_url": "https://127.0.0.1:9"}, "trusted proxies", "warning"),
        ({}, {"trusted_proxies": 1, "host": "::"}, "trusted proxies", "warning"),
        ({}, {"log_level": "DEBUG"}, "log level", "warning"),
    ],
)
def test_each_thing_that_is_not_well_is_named(look, answers, changes, check, level):
    FarEnd.answers |= answers
    code, found = look(**changes)
    assert level in found[check]
    assert code == int(any("failed" in levels for levels in found.values()))


def test_the_machine_is_looked_at(look, tmp_path, monkeypatch):
    (tmp_path / "secret.key").chmod(0o644)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    monkeypatch.setattr(machine, "LEAST_FREE", 2**60)
    code, found = look()
    assert code == 1
    if connection.vendor != "postgresql":
        assert found["owner of the database"] == {"warning"}
    assert "failed" in found["secret key"]
    assert (found["open files"], found["disk"]) == ({"warning"}, {"failed"})


@pytest.mark.one_database
def test_the_disk_of_the_database_is_looked_at_too(look, settings, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev == settings.EFIR.data_dir.stat().st_dev:
            pytest.skip("there is one disk here")
        free = {elsewhere: 2**20}
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(str(path), 2**40))
        )
        assert look(database_url=f"sqlite:///{elsewhere}/efir.sqlite3")[1]["disk"] == {"ok", "failed"}
        assert parts_of_health()["database"] == "no_room"


@pytest.mark.one_database
def test_a_database_that_others_can_read_is_named(look, tmp_path):
    log = tmp_path / "efir.sqlite3-wal"
    log.touch(0o600)
    assert look()[1]["database file"] == {"ok"}
    log.chmod(0o644)
    assert look()[1]["database file"] == {"failed"}
    (said,) = machine.database_file()
    assert said.advice == f"chmod 600 {log}"


@pytest.mark.parametrize(("tries", "levels"), [(15, {"warning"}), (6, {"ok"})])
def test_behind_a_proxy_the_kernels_patience_is_looked_at(look, tmp_path, monkeypatch, tries, levels):
    (tmp_path / "tries").write_text(f"{tries}\n")
    monkeypatch.setattr(machine, "TRIES", tmp_path / "tries")
    assert look(trusted_proxies=1)[1]["lost phones"] == levels
    assert "lost phones" not in look(trusted_proxies=0)[1]


def test_a_database_that_lacks_this_versions_migrations_is_named_and_left_as_it_is(look):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ops' AND name LIKE '0001%'")
    _, found = look()
    assert found["migrations"] == {"failed"}


def test_it_is_a_command(look, capsys, monkeypatch):
    look()
    options = main._parser().parse_args(["doctor", "--json"])
    assert (options.command, options.json) == ("doctor", True)
    assert run_doctor(as_json=False) == 1
    assert "✗ health of worker: no_heartbeat\n    → start" in capsys.readouterr().out
