"""`efir backup`, `restore` and `verify` beside the running system, and the messages that a restore holds."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.integration.ops.test_backup_file import tampered
from tests.support.evening_fixture import CHAT
from tests.support.site import TOKEN, Site, Visitor, eventually, fresh_database

COUNT = 20
# Rows of running processes, which a restore drops.
PASSING = {"tables/ops_workerbeat.jsonl", "tables/telegram_dispatcherstate.jsonl"}
# With a row in this table no installation starts.
DEMO_MARK = "tables/ops_demomark.jsonl"
MESSAGES = """
SELECT message.id, message.webinar_id, kind, state, login, chat_id_of
FROM (SELECT m.*, c.chat_id AS chat_id_of FROM telegram_outboxmessage m
      JOIN telegram_telegramchat c ON c.person_id = m.person_id) AS message
JOIN accounts_person ON accounts_person.id = message.lead_id
"""


@pytest.fixture
def place(tmp_path) -> Iterator[Callable[..., Site]]:
    """Return a function that creates an installation; its processes are stopped at the end."""
    with ExitStack() as stack:

        def make(name: str, url: str | None = None, **environ: str) -> Site:
            (tmp_path / name).mkdir()
            url = stack.enter_context(fresh_database(empty=True)) if url is None else url
            site = Site(tmp_path / name, url, **environ)
            stack.callback(site.stop)
            return site

        yield make


def fill(site: Site, count: int) -> Site:
    seeding = site.start("python", "-m", "tests.support.evening_fixture", str(count), wait=False)
    assert seeding.wait(60) == 0, site.log.read_text()[-2000:]
    return site


def contents(file: Path) -> dict[str, tuple[int, int]]:
    """Return checksum and size of each table of a backup, and of its key."""
    with zipfile.ZipFile(file) as archive:
        return {
            entry.filename: (entry.CRC, entry.file_size)
            for entry in archive.infolist()
            if entry.filename not in {"manifest.json", *PASSING}
        }


def rows_of(file: Path) -> dict[str, list[object]]:
    """Return the rows of each table: PostgreSQL does not keep the order of the keys in JSON."""
    with zipfile.ZipFile(file) as archive:
        return {
            name: [json.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
            if name.endswith(".jsonl") and name not in PASSING
        }


def run_ok(site: Site, *arguments: str) -> str:
    done = site.run(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(site: Site, *arguments: str) -> str:
    """Return the error message of a command that must be refused."""
    done = site.run(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_every_screenshots_data_goes_to_either_database_and_back(place, tmp_path):
    """A backup with rows in every table, posters among them, is restored on both databases, from both."""
    old, file = place("old", ""), tmp_path / "old.zip"
    seeding = old.start("python", "-m", "tests.support.screenshot_data", wait=False)
    assert seeding.wait(120) == 0, old.log.read_text()[-2000:]
    run_ok(old, "backup", str(file))
    with zipfile.ZipFile(file) as archive:
        assert [each.filename for each in archive.infolist() if not each.file_size] == [DEMO_MARK]
    source = file
    # On PostgreSQL: from SQLite, to another PostgreSQL, and back to SQLite. Each is made of the one before it.
    for name, url in (("first", None), ("second", None), ("last", "")):
        new = place(name, url)
        assert "can be restored" in run_ok(new, "restore", "--check", str(source))
        run_ok(new, "restore", str(source), "--assume-nothing-sent")
        source = tmp_path / f"{name}.zip"
        run_ok(new, "backup", str(source))
        assert rows_of(source) == rows_of(file)


@pytest.mark.smoke
def test_restore_gives_back_what_was_backed_up(place, tmp_path):
    """A backup made on PostgreSQL is restored on SQLite, too."""
    old, file = fill(place("old"), 3), tmp_path / "efir.zip"
    old.start("serve")
    told = run_ok(old, "backup", str(file))
    assert "secret.key" in told
    old.stop()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob(".*")] == []

    # Neither a file nor an installation is overwritten.
    assert "--overwrite" in refused(old, "backup", str(file))
    run_ok(old, "backup", str(tmp_path / "now.zip"))
    assert "empty installation" in refused(old, "restore", str(file))

    for name, url in (("same", None), ("sqlite", "")):
        new = place(name, url)
        run_ok(new, "restore", str(file), "--assume-nothing-sent")
        assert (new.data_dir / "secret.key").read_text() == (old.data_dir / "secret.key").read_text()
        run_ok(new, "backup", str(tmp_path / f"{name}.zip"))
        assert contents(tmp_path / f"{name}.zip") == contents(file)
        assert new.add("somebody", "candidate") > 6  # the sequences go on
        with new.database() as connection, pytest.raises(Exception, match="mutation_forbidden"):
            connection.execute("UPDATE webinars_webinar SET status = 'live' WHERE status = 'finished'")


@pytest.mark.one_database
def test_restore_keeps_or_clears_sessions(place, tmp_path):
    old, file = fill(place("old"), 3), tmp_path / "efir.zip"
    old.start("serve")
    visitor = Visitor(old, "candidate1")
    run_ok(old, "backup", str(file))
    for name, options, status in (("kept", [], 200), ("ended", ["--end-sessions"], 302)):
        new = place(name)
        run_ok(new, "restore", str(file), *options)
        new.start("serve")
        assert visitor.at(new).get("/account/").status_code == status


def seat_without_person(parts: dict[str, bytes]) -> None:
    """Give a seat to a person who does not exist: only the database finds it, when all rows are loaded."""
    name = "tables/webinars_seat.jsonl"
    manifest = json.loads(parts["manifest.json"])
    part = next(part for part in manifest["parts"] if part["name"] == name)
    row = json.loads(parts[name].splitlines()[0])
    row[part["columns"].index("person_id")] = 999
    parts[name] = json.dumps(row).encode() + b"\n"


def test_refused_restore_leaves_an_empty_installation(place, tmp_path):
    """`--check` refuses what a restore refuses, here as in an installation that is in use."""
    old, new, file = fill(place("old"), 3), place("new"), tmp_path / "efir.zip"
    run_ok(old, "backup", str(file))
    broken = str(tampered(file, seat_without_person))
    for site, options in ((new, []), (new, ["--check"]), (old, ["--check"])):
        assert "contradict each other" in refused(site, "restore", *options, broken)
    before = contents(file)
    assert "Not into this installation" in run_ok(old, "restore", "--check", str(file))
    run_ok(old, "backup", str(file), "--overwrite")
    assert contents(file) == before
    assert "Not into" not in run_ok(new, "restore", "--check", str(file))
    assert [path.name for path in new.data_dir.glob(".restore-check*")] == []
    # An installation that was started but never used counts as empty.
    run_ok(new, "migrate")
    run_ok(new, "restore", str(file))


@pytest.mark.one_database
def test_one_installation_has_one_secret_key(place, tmp_path):
    """A process with a key of its own does not start; a rotation and a restore say which key is in force."""
    site, file = fill(place("old"), 3), tmp_path / "efir.zip"
    site.start("serve")
    visitor = Visitor(site, "candidate1")
    site.stop()
    run_ok(site, "backup", str(file))
    database = site.environ["EFIR_DATABASE_URL"] or f"sqlite:///{site.data_dir}/efir.sqlite3"
    other = place("other", database)
    for command in ("web", "worker"):
        done = other.run(command)
        assert done.returncode == 2
        assert "not the installation's" in done.stderr
        assert "Traceback" not in done.stderr

    assert "Sessions ended: 1" in run_ok(site, "rotate-key")
    site.start("serve")
    assert visitor.get("/account/").status_code == 302
    site.stop()

    # With a key in the environment, the one in the backup is not in force.
    new = place("new", EFIR_SECRET_KEY="n" * 40)
    assert "not the one of the backup" in run_ok(new, "restore", str(file))
    new.start("serve")
    assert visitor.at(new).get("/account/").status_code == 302


def test_killed_restore_leaves_nothing_or_everything(place, tmp_path):
    """Whenever it is killed, the next restore succeeds, and the secret belongs to the data."""
    old, file = fill(place("old"), COUNT), tmp_path / "efir.zip"
    run_ok(old, "backup", str(file))
    words = ("restore", str(file), "--assume-nothing-sent")
    began = time.monotonic()
    run_ok(place("whole"), *words)
    took = time.monotonic() - began
    for part in range(1, 8):
        new = place(f"killed{part}")
        process = new.start(*words, wait=False)
        with suppress(subprocess.TimeoutExpired):
            process.wait(took * part / 8)
        new.kill(process)
        again = new.run(*words)
        assert again.returncode == 0 or "empty installation" in again.stderr, again.stderr
        run_ok(new, "verify")
        run_ok(new, "backup", str(tmp_path / f"killed{part}.zip"))
        assert contents(tmp_path / f"killed{part}.zip") == contents(file)
        assert (new.data_dir / "secret.key").read_text() == (old.data_dir / "secret.key").read_text()


def test_restore_refuses_a_running_installation(place, tmp_path):
    old, new, file = fill(place("old"), 3), place("new"), tmp_path / "efir.zip"
    run_ok(old, "backup", str(file))
    new.start("serve")
    done = new.run("restore", str(file))
    assert done.returncode in (1, 2)
    assert "Stop it first" in done.stderr or "stop all of them" in done.stderr
    assert new.count("accounts_person") == 0


def count_received(telegram: FakeBotApi, webinar: str, lead: str, kind: str, chat: int) -> int:
    """Count the messages of this kind about this lead that the chat got, by their texts."""
    texts = [sent.message["text"] for sent in list(telegram.sent) if sent.message["chat"]["id"] == chat]
    name = f"Кандидат №{lead.removeprefix('candidate')}." if kind == "partner_attendance" else ""
    return sum(
        text.count(name) if name else 1
        for text in texts
        if webinar in text and (("готова" in text) == (kind == "candidate_recording"))
    )


def rows(site: Site) -> list[tuple[int, int, str, str, str, int]]:
    with site.database() as connection:
        return list(connection.execute(MESSAGES).fetchall())


def test_backup_made_during_a_webinar_can_go_on(place, tmp_path):
    """The old installation keeps sending after the backup; still, everybody gets each message once."""
    telegram, file = FakeBotApi(tokens={TOKEN}), tmp_path / "efir.zip"
    with running(telegram) as api:
        bot = {"EFIR_TELEGRAM_API": api, "EFIR_TELEGRAM_TOKEN": TOKEN}
        # Slow sending, so that the backup is made between two messages.
        old = fill(place("old", **bot, EFIR_TELEGRAM_RATE="2"), COUNT)
        for number in range(1, COUNT + 10):
            telegram.people.add(CHAT + number, "Кто-то")
        serving = old.start("serve")
        viewers = [Visitor(old, f"candidate{number}") for number in (1, 2)]
        with ExitStack() as tabs:
            for viewer in viewers:
                tabs.enter_context(viewer.watching(2))
            eventually(lambda: old.count("attendance_participation WHERE entered_at IS NOT NULL") == 2)
            eventually(lambda: len(telegram.sent) >= 4)
            run_ok(old, "backup", str(file))
            at_backup = len(telegram.sent)
            eventually(lambda: len(telegram.sent) >= at_backup + 4)
            old.kill(serving)

        new = place("new", **bot)
        assert "Messages held" in run_ok(new, "restore", str(file))
        before = len(telegram.sent)
        new.start("serve")
        admin = Visitor(new, "admin")
        with ExitStack() as tabs:
            for viewer in viewers:  # the same session: no new login
                tabs.enter_context(viewer.at(new).watching(2)).until(status="live")
            held = [row for row in rows(new) if row[3] == "uncertain"]
            assert len(held) > 4
            for message, _, kind, _, lead, chat in held:
                there = bool(count_received(telegram, "Первый", lead, kind, chat))
                answer = admin.post(
                    f"/admin_webinar/1/messages/{message}/resolve", delivered=str(there).lower()
                )
                assert answer.status_code == 200, answer.text
            answer = admin.post("/admin_webinar/2/stop")
            assert answer.status_code == 200, answer.text
        verdicts = eventually(
            lambda: found if len(found := new.lines("verdicts", "--webinar", "2")) == COUNT else []
        )
        reasons = {line["lead"]: line["reason"] for line in verdicts}
        assert {lead for lead, reason in reasons.items() if reason == "stayed_to_end"} == {
            "candidate1",
            "candidate2",
        }
        # The others never came. If the system was down for longer than the grace period, their verdicts are held.
        assert set(Counter(reasons.values())) <= {"stayed_to_end", "no_show", "unknown"}
        assert len(telegram.sent) >= before
        # A recording published together with the verdicts would go in the same message.
        eventually(lambda: not {"queued", "sending"} & {state for _, _, _, state, *_ in rows(new)})
        for webinar in (1, 2):
            admin.post(f"/admin_webinar/{webinar}/recording", url=f"https://rutube.ru/video/{webinar}/")
        eventually(lambda: {state for _, _, _, state, *_ in rows(new)} == {"sent"})
        for _, webinar, kind, _, lead, chat in rows(new):
            title = {1: "Первый", 2: "Второй"}[webinar]
            assert (count_received(telegram, title, lead, kind, chat), webinar, kind, lead) == (
                1,
                webinar,
                kind,
                lead,
            )
        assert len(rows(new)) >= 3 * COUNT
        assert "OK" in run_ok(new, "verify")


@pytest.mark.one_database
def test_move_to_another_machine_holds_nothing(place, tmp_path):
    """The old installation was stopped before the backup, and the operator passes the option that says so."""
    telegram, file = FakeBotApi(tokens={TOKEN}), tmp_path / "efir.zip"
    with running(telegram) as api:
        bot = {"EFIR_TELEGRAM_API": api, "EFIR_TELEGRAM_TOKEN": TOKEN, "EFIR_TELEGRAM_RATE": "5"}
        old = fill(place("old", **bot), COUNT)
        for number in range(1, COUNT + 10):
            telegram.people.add(CHAT + number, "Кто-то")
        old.start("serve")
        eventually(lambda: len(telegram.sent) >= 4)
        old.stop()
        run_ok(old, "backup", str(file))
        new = place("new", **bot)
        assert "held" not in run_ok(new, "restore", str(file), "--assume-nothing-sent")
        new.start("serve")
        new.run("webinar", "stop", "2")
        followups = (
            "telegram_outboxmessage WHERE kind <> 'candidate_recording' AND state = 'sent' AND webinar_id = 1"
        )
        eventually(lambda: new.count(followups) == 2 * COUNT)
        for _, webinar, kind, state, lead, chat in rows(new):
            if webinar == 1 and state == "sent":
                assert count_received(telegram, "Первый", lead, kind, chat) == 1


@pytest.mark.one_database
def test_held_messages_are_resolved_by_command(place, tmp_path):
    old, file = fill(place("old"), 3), tmp_path / "efir.zip"
    run_ok(old, "backup", str(file))
    new = place("new")
    # The webinar that had ended is classified by the restore, and its messages may have gone out.
    run_ok(new, "restore", str(file))
    held = [json.loads(line) for line in run_ok(new, "outbox", "held").splitlines()]
    assert {line["kind"]: line["count"] for line in held} == {
        "partner_attendance": 3,
        "candidate_followup": 3,
        "candidate_recording": 3,
    }
    assert "Messages: 9" in run_ok(new, "outbox", "resolve", "--resend", "--webinar", "1")
    assert run_ok(new, "outbox", "held") == run_ok(new, "held") == ""
    assert {state for _, _, _, state, *_ in rows(new)} == {"queued"}
