"""The file of a backup: a ZIP with one entry per table and a manifest. This module does not access the database.

Damage shows in the CRC-32 that ZIP keeps of each entry. Format 1 (Efir 0.1) also had a SHA-256 of each entry in the
manifest; it is ignored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from efir.ops.backup import BackupRefused

FORMAT = 2
READABLE_FORMATS = (1, 2)
MANIFEST = "manifest.json"
# A manifest has some 20 kB. The limit keeps a forged file from filling the memory.
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
READ_BYTES = 256 * 1024
# Rows of JSON shrink to a tenth at any level; the lowest takes a third of the usual one's time.
COMPRESSION_LEVEL = 1


@dataclass(frozen=True)
class Part:
    """One entry of the ZIP. For a table: `columns` in the order of each line's values, and the number of `rows`."""

    name: str
    table: str = ""
    columns: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Manifest:
    """What the backup is. `migrations` are (app, name) pairs: the schema of the rows. `made_at` is ISO 8601."""

    format: int
    efir: str
    made_at: str
    database: str
    migrations: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]

    @property
    def tables(self) -> dict[str, Part]:
        """The parts that are tables, by the table's name."""
        return {part.table: part for part in self.parts if part.table}

    @property
    def rows(self) -> int:
        """The number of rows of all tables."""
        return sum(part.rows for part in self.parts)


def create(file: IO[bytes]) -> ZipFile:
    """Begin a backup in a file open for writing; `write_manifest` completes it."""
    return ZipFile(file, "w", ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL)


def write_table(archive: ZipFile, table: str, columns: Iterable[str], rows: Iterable[list[Any]]) -> Part:
    """Add a table as one JSON array a line."""
    name, count = f"tables/{table}.jsonl", 0
    with archive.open(name, "w", force_zip64=True) as entry:
        for count, row in enumerate(rows, 1):  # noqa: B007  # the last one is the number of rows
            entry.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return Part(name, table, tuple(columns), count)


def write_manifest(archive: ZipFile, manifest: Manifest) -> None:
    """Add the manifest."""
    archive.writestr(MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))


class Backup:
    """A backup's file, open for reading. Every method raises BackupRefused if the file is damaged."""

    def __init__(self, archive: ZipFile, manifest: Manifest) -> None:
        self._zip = archive
        self.manifest = manifest

    def check(self) -> None:
        """Read every part to its end, where its CRC-32 is compared."""
        for part in self.manifest.parts:
            with self._open(part) as entry:
                while entry.read(READ_BYTES):
                    pass

    def read(self, name: str) -> bytes | None:
        """Return a small part that is no table; None if the backup has none of that name."""
        for part in self.manifest.parts:
            if part.name == name and not part.table:
                with self._open(part) as entry:
                    return entry.read()
        return None

    def rows(self, part: Part) -> Iterator[list[Any]]:
        """Yield a table's rows as they were written. Raises ValueError if a line is no JSON."""
        with self._open(part) as entry:
            for line in entry:
                yield json.loads(line)

    @contextmanager
    def _open(self, part: Part) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(part.name) as entry:
                yield entry
        except (KeyError, BadZipFile, zlib.error, EOFError) as exc:
            raise _damaged(f"{part.name} cannot be read") from exc


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup and read its manifest, but none of its parts. Raises BackupRefused."""
    try:
        with ZipFile(path) as archive:
            yield Backup(archive, _read_manifest(archive))
    except FileNotFoundError as exc:
        raise BackupRefused(f"there is no file {path}.") from exc
    except BadZipFile as exc:
        raise _damaged(f"{path} is not a ZIP file, or is truncated") from exc


def _read_manifest(archive: ZipFile) -> Manifest:
    try:
        if archive.getinfo(MANIFEST).file_size > MAX_MANIFEST_BYTES:
            raise ValueError(MANIFEST)
        fields = json.loads(archive.read(MANIFEST))
        if fields["format"] not in READABLE_FORMATS:
            raise BackupRefused(
                f"the backup is in format {fields['format']!r}, and this Efir reads formats 1 to {FORMAT}: "
                "restore it with the version that the manifest names, or a newer one."
            )
        parts = tuple(
            Part(part["name"], part["table"], tuple(part["columns"]), part["rows"])
            for part in fields["parts"]
        )
        migrations = tuple((str(app), str(name)) for app, name in fields["migrations"])
        return Manifest(**{**fields, "parts": parts, "migrations": migrations})
    except (KeyError, TypeError, ValueError) as exc:
        raise _damaged("its manifest is missing or cannot be read") from exc


def _damaged(why: str) -> BackupRefused:
    return BackupRefused(
        f"this is not a complete backup of Efir: {why}. Nothing was changed; use another backup."
    )
