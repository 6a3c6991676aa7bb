"""A backup's file is looked through before anything is touched: what is damaged, foreign or newer is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import zipfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from efir.accounts.models import LONGEST_LOGIN
from efir.ops.backup import BackupRefused
from efir.ops.backup.backup import backup
from efir.ops.backup.restore import check
from efir.ops.cli import backup as command_line

pytestmark = pytest.mark.django_db


def tampered(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy with other parts."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    other = file.with_name("tampered.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return other


def changed_row(parts: dict[str, bytes]) -> None:
    parts["tables/accounts_person.jsonl"] = parts["tables/accounts_person.jsonl"].replace(
        b"candidate", b"candidatE"
    )


def lost_table(parts: dict[str, bytes]) -> None:
    del parts["tables/webinars_seat.jsonl"]


def lost_manifest(parts: dict[str, bytes]) -> None:
    del parts["manifest.json"]


def in_manifest(**fields: object) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        manifest = json.loads(parts["manifest.json"]) | fields
        parts["manifest.json"] = json.dumps(manifest).encode()

    return change


DAMAGES = [
    (changed_row, "is not what the manifest says"),
    (lost_table, "cannot be read"),
    (lost_manifest, "no manifest"),
    (in_manifest(format=2), "format 2"),
    (in_manifest(migrations=[["accounts", "0999_later"]]), "a newer Efir"),
    (in_manifest(made_at="2999-01-01T00:00:00Z"), "clock"),
    (in_manifest(parts=[]), "tables are not those"),
]


@pytest.fixture
def file(make_person, make_webinar, tmp_path) -> Path:
    make_webinar().seats.create(person=make_person())
    path = tmp_path / "efir.zip"
    backup(path)
    return path


@pytest.mark.parametrize(("change", "sentence"), DAMAGES)
def test_what_is_damaged_or_newer_is_refused(file, change, sentence):
    check(file)
    with pytest.raises(BackupRefused, match=sentence):
        check(tampered(file, change))


def grown_login(parts: dict[str, bytes]) -> None:
    """As SQLite kept it from before log-ins were measured in their one spelling; the manifest says the same."""
    name = "tables/accounts_person.jsonl"
    parts[name] = parts[name].replace(b'"candidate1"', json.dumps("i\u0307" * 200).encode())
    manifest = json.loads(parts["manifest.json"])
    (part,) = (part for part in manifest["parts"] if part["name"] == name)
    part |= {"sha256": hashlib.sha256(parts[name]).hexdigest(), "bytes": len(parts[name])}
    parts["manifest.json"] = json.dumps(manifest).encode()


def test_a_text_that_is_too_long_for_postgresql_is_told_of(file):
    assert check(file).too_long == ()
    wrong = f"its login has 400 characters, and {LONGEST_LOGIN} are the most"
    other = tampered(file, grown_login)
    if connection.vendor == "postgresql":
        with pytest.raises(BackupRefused, match=wrong):
            check(other)
    else:
        assert [(text.table, text.wrong) for text in check(other).too_long] == [("accounts_person", wrong)]


def test_what_is_no_whole_file_is_refused(file, tmp_path):
    cut_off = tmp_path / "cut.zip"
    cut_off.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(BackupRefused, match="cut off"):
        check(cut_off)
    with pytest.raises(BackupRefused, match="no file"):
        check(tmp_path / "none.zip")


def test_nothing_is_overwritten_unless_told(file, tmp_path):
    with pytest.raises(BackupRefused, match="--overwrite"):
        backup(file)
    backup(file, overwrite=True)
    with pytest.raises(BackupRefused, match="directory that exists"):
        backup(tmp_path / "nowhere" / "efir.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["efir.zip"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.one_database
@pytest.mark.parametrize(("in_force", "is_kept"), [("k" * 64, True), ("of-the-environment" * 3, False)])
def test_only_the_key_that_signs_is_in_it(settings, tmp_path, capsys, in_force, is_kept):
    """Not one that lies there since before EFIR_SECRET_KEY was set."""
    (tmp_path / "secret.key").write_text("k" * 64 + "\n")
    settings.EFIR = replace(settings.EFIR, data_dir=tmp_path, secret_key=in_force)
    file = tmp_path / "efir.zip"
    assert command_line.run_backup(Namespace(file=file, overwrite=False)) == 0
    assert ("secret.key" in zipfile.ZipFile(file).namelist()) is is_kept
    told = capsys.readouterr().out
    assert ("It holds secret.key" in told) is is_kept
    assert ("in EFIR_SECRET_KEY: keep that, too" in told) is not is_kept


def test_a_file_that_efir_may_not_read_is_told_as_such(monkeypatch, tmp_path, capsys):
    """A backup is its owner's alone: on a new machine it is root's, most of the time."""

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(command_line, "check", refused)
    assert command_line.run_restore(Namespace(file=tmp_path / "efir.zip", check=True)) == 1
    assert "may not read it" in capsys.readouterr().err
