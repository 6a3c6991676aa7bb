"""A backup's file: what it holds, and that damaged, foreign or newer files are refused before anything changes."""

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

from efir.accounts.models import LOGIN_MAX_LENGTH
from efir.ops.backup import BackupRefused
from efir.ops.backup.backup import backup
from efir.ops.backup.restore import check
from efir.ops.cli import backup as command_line

pytestmark = pytest.mark.django_db


def tampered(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Return a copy whose parts are changed."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    other = file.with_name("tampered.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return other


def in_manifest(**fields: object) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        manifest = json.loads(parts["manifest.json"]) | fields
        parts["manifest.json"] = json.dumps(manifest).encode()

    return change


def first_release(parts: dict[str, bytes]) -> None:
    """Write the manifest as Efir 0.1 did, with a SHA-256 and the size of each part."""
    manifest = json.loads(parts["manifest.json"]) | {"format": 1}
    for part in manifest["parts"]:
        content = parts[part["name"]]
        part |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    parts["manifest.json"] = json.dumps(manifest).encode()


DAMAGES = [
    (lambda parts: parts.pop("tables/webinars_seat.jsonl"), "cannot be read"),
    (lambda parts: parts.pop("manifest.json"), "manifest is missing"),
    (in_manifest(format=3), "format 3"),
    (in_manifest(migrations=[["accounts", "0999_later"]]), "a newer Efir"),
    (in_manifest(made_at="2999-01-01T00:00:00Z"), "clock"),
    (in_manifest(parts=[]), "tables do not match"),
]


@pytest.fixture
def file(make_person, make_webinar, tmp_path) -> Path:
    make_webinar().seats.create(person=make_person())
    path = tmp_path / "efir.zip"
    backup(path)
    return path


@pytest.mark.parametrize(("change", "sentence"), DAMAGES)
def test_check_refuses_damaged_or_newer_backups(file, change, sentence):
    with pytest.raises(BackupRefused, match=sentence):
        check(tampered(file, change))


def test_check_finds_changed_bytes(file):
    """Each entry of a ZIP has a checksum: one changed byte of its content is enough."""
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("tables/accounts_person.jsonl")
    content = bytearray(file.read_bytes())
    middle = entry.header_offset + 30 + len(entry.filename) + 20 + entry.compress_size // 2
    content[middle] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(BackupRefused, match=r"accounts_person\.jsonl cannot be read"):
        check(file)


@pytest.mark.slow
def test_check_accepts_the_format_of_the_first_release(file):
    manifest = check(file).manifest
    old = check(tampered(file, first_release)).manifest
    assert old == replace(manifest, format=1)


def overlong_login(parts: dict[str, bytes]) -> None:
    """Make a login longer than its column, as SQLite keeps it."""
    name = "tables/accounts_person.jsonl"
    parts[name] = parts[name].replace(b'"candidate1"', json.dumps("i\u0307" * 200).encode())


@pytest.mark.slow
def test_check_names_texts_too_long_for_postgresql(file):
    assert check(file).overlong == ()
    wrong = f"its login has 400 characters, and the limit is {LOGIN_MAX_LENGTH}"
    other = tampered(file, overlong_login)
    if connection.vendor == "postgresql":
        with pytest.raises(BackupRefused, match=wrong):
            check(other)
    else:
        assert [(text.table, text.wrong) for text in check(other).overlong] == [("accounts_person", wrong)]


def test_check_refuses_incomplete_files(file, tmp_path):
    cut_off = tmp_path / "cut.zip"
    cut_off.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(BackupRefused, match="truncated"):
        check(cut_off)
    with pytest.raises(BackupRefused, match="no file"):
        check(tmp_path / "none.zip")


def test_backup_overwrites_only_when_told(file, tmp_path):
    with pytest.raises(BackupRefused, match="--overwrite"):
        backup(file)
    backup(file, overwrite=True)
    with pytest.raises(BackupRefused, match="directory that exists"):
        backup(tmp_path / "nowhere" / "efir.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["efir.zip"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.one_database
@pytest.mark.parametrize(("in_force", "is_kept"), [("k" * 64, True), ("of-the-environment" * 3, False)])
def test_backup_has_the_secret_key_only_if_it_is_in_force(settings, tmp_path, capsys, in_force, is_kept):
    """A key file from before EFIR_SECRET_KEY was set is left out."""
    (tmp_path / "secret.key").write_text("k" * 64 + "\n")
    settings.EFIR = replace(settings.EFIR, data_dir=tmp_path, secret_key=in_force)
    file = tmp_path / "efir.zip"
    assert command_line.run_backup(Namespace(file=file, overwrite=False)) == 0
    assert ("secret.key" in zipfile.ZipFile(file).namelist()) is is_kept
    told = capsys.readouterr().out
    assert ("It holds secret.key" in told) is is_kept
    assert ("in EFIR_SECRET_KEY: keep that, too" in told) is not is_kept


def test_restore_explains_a_file_it_may_not_read(monkeypatch, tmp_path, capsys):
    """Only its owner can read a backup, and on a new machine the owner often is root."""

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(command_line, "check", refused)
    assert command_line.run_restore(Namespace(file=tmp_path / "efir.zip", check=True)) == 1
    assert "may not read or write it" in capsys.readouterr().err
