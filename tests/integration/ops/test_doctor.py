"""`efir doctor`: what it finds, what it advises, and that it prints no secret."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from django.db import connection

from efir.accounts import second_factor
from efir.accounts.capabilities import Role
from efir.accounts.models import SecondFactor
from efir.broadcast import media
from efir.broadcast.ingest import BYTES_PER_S
from efir.ops.cli.main import main
from efir.ops.doctor import machine, services
from efir.ops.doctor.runner import run_doctor
from efir.ops.monitoring.health import component_states
from efir.server.worker import Worker
from efir.site_settings import current
from tests.conftest import SYSTEM
from tests.support.ports import free_port

pytestmark = pytest.mark.django_db

TOKEN = "42:AAsecret-of-the_bot"


class RemoteServer(BaseHTTPRequestHandler):
    """Telegram and the public address in one: answers by the last part of the path."""

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
def remote_server():
    RemoteServer.answers = {
        "getMe": {"ok": True, "result": {"username": "efir_bot"}},
        "getWebhookInfo": {"ok": True, "result": {"url": ""}},
        "web": {"status": "ok"},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), RemoteServer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(settings, remote_server, capsys, tmp_path):
    """Run the doctor in an installation that is well except for `changes`: (exit code, {check: levels})."""
    key = tmp_path / "secret.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    file = tmp_path / "efir.sqlite3"
    file.touch(0o600)
    well = {
        "data_dir": tmp_path,
        "database_url": f"sqlite:///{file}",
        "public_url": remote_server,
        "telegram_api": remote_server,
        "telegram_token": TOKEN,
    }

    def run(**changes):
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

    return run


def test_healthy_installation_has_no_failures(run, clock):
    from django.utils import timezone

    from efir.telegram.models import DispatcherState

    clock.moment = timezone.now()
    Worker().write_heartbeat()
    DispatcherState.objects.create(
        bot_id=42, holder="0" * 32, lease_until=clock.moment, heartbeat_at=clock.moment
    )
    code, found = run()
    assert (code, [check for check, levels in found.items() if "failed" in levels]) == (0, [])
    assert {"python", "migrations", "token", "webhook", "clock", "disk", "secret key"} <= set(found)


@pytest.mark.parametrize(
    ("answers", "changes", "check", "level"),
    [
        ({"getMe": {"ok": False, "error_code": 401}}, {}, "token", "failed"),
        ({"getWebhookInfo": {"ok": True, "result": {"url": "https://x.example"}}}, {}, "webhook", "failed"),
        ({"date": "Mon, 23 Nov 2020 16:00:00 GMT"}, {}, "clock", "warning"),
        ({"date": "yesterday"}, {}, "token", "ok"),
        ({"date": "Mon, 23 Nov 2020 16:00:00 -0000"}, {}, "clock", "warning"),
        ({"getWebhookInfo": {"ok": False, "error_code": 500}}, {}, "webhook", "warning"),
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
def test_doctor_names_each_trouble(run, answers, changes, check, level):
    RemoteServer.answers |= answers
    code, found = run(**changes)
    assert level in found[check]
    assert code == int(any("failed" in levels for levels in found.values()))


@pytest.mark.parametrize("call", ["getMe", "getWebhookInfo"])
@pytest.mark.parametrize(
    "body", [None, True, "ok", [], {}, {"ok": True}, {"ok": True, "result": True}, {"ok": "yes"}]
)
def test_doctor_explains_an_answer_that_is_not_the_bot_apis(run, call, body):
    RemoteServer.answers[call] = body
    _, found = run()
    assert found["telegram"] == {"failed"}
    assert "token" not in found


@pytest.mark.parametrize(("given", "verb"), [("http://127.0.0.1:8000", "change"), ("", "set")])
def test_doctor_knows_whether_the_public_address_is_set(run, monkeypatch, given, verb):
    monkeypatch.setenv("EFIR_PUBLIC_URL", given)
    run()
    first = next(iter(services.address()))
    assert first.hint.startswith(f"{verb} EFIR_PUBLIC_URL")


@contextmanager
def listening(answer: bytes) -> Iterator[int]:
    """Answer whoever connects with these bytes; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client:
                        client.sendall(answer)
                        client.recv(2000)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "level"), [(b"\x03", "ok"), (b"HTTP/1.1 400 Bad Request\r\n", "failed"), (None, "warning")]
)
def test_doctor_checks_the_rtmp_port(run, answer, level):
    if answer is None:
        assert run(rtmp_port=free_port())[1]["RTMP port"] == {level}
        return
    with listening(answer) as port:
        assert run(rtmp_port=port)[1]["RTMP port"] == {level}


class Media(media.DirectoryStore):
    """A store in a directory with this much room."""

    room: int | None = None

    def free_bytes(self) -> int | None:
        return self.room


@pytest.mark.parametrize(
    ("room", "level"), [(2 * 3600 * BYTES_PER_S, "ok"), (100_000, "warning"), (0, "warning"), (None, "ok")]
)
def test_doctor_says_how_much_video_fits(run, tmp_path, monkeypatch, room, level):
    store = Media(tmp_path / "media")
    store.room = room
    monkeypatch.setattr(store, "save", lambda *_: None)
    monkeypatch.setattr(media, "store", lambda: store)
    assert run()[1]["media"] == {level}


def test_doctor_names_media_that_cannot_be_written(run, tmp_path, monkeypatch):
    (tmp_path / "media").write_text("no directory")
    monkeypatch.setattr(media, "store", lambda: media.DirectoryStore(tmp_path / "media"))
    assert run()[1]["media"] == {"failed"}


def test_doctor_names_missing_codecs(run, monkeypatch):
    import av

    assert run()[1]["codecs"] == {"ok"}
    monkeypatch.setattr(av, "codecs_available", {"aac", "opus"})
    assert run()[1]["codecs"] == {"failed"}


def test_doctor_says_whether_the_lower_rung_can_be_encoded(run, monkeypatch, settings):
    import av

    assert "lower rung" not in run()[1]
    settings.EFIR = replace(settings.EFIR, low_rung=True)
    assert run()[1]["lower rung"] == {"ok"}
    monkeypatch.setattr(av, "codecs_available", {"aac", "opus", "h264"})
    assert run()[1]["lower rung"] == {"warning"}


def test_doctor_checks_the_machine(run, tmp_path, monkeypatch):
    (tmp_path / "secret.key").chmod(0o644)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    monkeypatch.setattr(machine, "MIN_FREE", 2**60)
    code, found = run()
    assert code == 1
    if connection.vendor != "postgresql":
        assert found["owner of the database"] == {"warning"}
    assert "failed" in found["secret key"]
    assert (found["open files"], found["disk"]) == ({"warning"}, {"failed"})


@pytest.mark.one_database
def test_doctor_checks_the_disk_of_the_database(run, settings, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if Path(elsewhere).stat().st_dev == settings.EFIR.data_dir.stat().st_dev:
            pytest.skip("there is one disk here")
        free = {elsewhere: 2**20}
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(str(path), 2**40))
        )
        assert run(database_url=f"sqlite:///{elsewhere}/efir.sqlite3")[1]["disk"] == {"ok", "failed"}
        assert component_states()["database"] == "disk_full"


@pytest.mark.one_database
def test_doctor_names_a_database_that_others_can_read(run, tmp_path):
    log = tmp_path / "efir.sqlite3-wal"
    log.touch(0o600)
    assert run()[1]["database file"] == {"ok"}
    log.chmod(0o644)
    assert run()[1]["database file"] == {"failed"}
    (message,) = machine.database_file()
    assert message.hint == f"chmod 600 {log}"


@pytest.mark.parametrize(("tries", "levels"), [(15, {"warning"}), (6, {"ok"})])
def test_doctor_checks_tcp_retries_behind_a_proxy(run, tmp_path, monkeypatch, tries, levels):
    (tmp_path / "tries").write_text(f"{tries}\n")
    monkeypatch.setattr(machine, "TRIES", tmp_path / "tries")
    assert run(trusted_proxies=1)[1]["lost phones"] == levels
    assert "lost phones" not in run(trusted_proxies=0)[1]


def test_doctor_reports_the_site_owner(run):
    assert run()[1]["site"] == {"warning"}
    current.save({"organisation": "ИП Петрова", "data_contact": "ask@example.org"}, SYSTEM)
    assert run()[1]["site"] == {"warning"}
    current.save({"phone": "+79990000000"}, SYSTEM)
    assert run()[1]["site"] == {"ok"}


def test_doctor_names_missing_migrations_and_applies_none(run):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ops'")
    _, found = run()
    assert found["migrations"] == {"failed"}


def test_doctor_is_a_command(run, capsys):
    run()
    assert main(["doctor"]) == 1
    assert "✗ health of worker: no_heartbeat\n    → start" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)


def findings_about_second_factors(capsys):
    run_doctor(as_json=True)
    found = json.loads(capsys.readouterr().out)
    return [each for each in found if each["check"] == "second factor"]


def test_admin_without_a_second_factor_is_a_hint(make_person, capsys, settings):
    admins = [make_person(Role.ADMIN), make_person(Role.ADMIN)]
    (hint,) = findings_about_second_factors(capsys)
    assert (hint["level"], hint["detail"]) == ("ok", "0 of 2 admins have one")
    assert "/account/security/" in hint["advice"]
    for admin in admins:
        sealed = second_factor.seal_secret(second_factor.new_secret(), admin)
        SecondFactor.objects.create(person=admin, sealed_secret=sealed, last_step=0)
    assert [each["advice"] for each in findings_about_second_factors(capsys)] == [""]
    settings.SECRET_KEY = "another-key-of-more-than-thirty-two-signs"
    assert [each["level"] for each in findings_about_second_factors(capsys)] == ["warning", "ok"]
