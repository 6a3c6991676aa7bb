"""The file of a backup: a ZIP whose parts carry their SHA-256 in a manifest. Nothing here knows the database."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from efir.ops.backup import BackupRefused

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 16 * 1024 * 1024
READ_BYTES = 256 * 1024
# Rows of JSON shrink to a tenth at any level; the lowest costs a third of the time of the usual one.
LEVEL = 1


@dataclass(frozen=True)
class Part:
    """One entry. Of a table: `columns` in the order in which each line has them, and how many `rows`."""

    name: str
    sha256: str
    bytes: int
    table: str = ""
    columns: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Manifest:
    """What the backup is. `migrations` are (app, name) pairs: the schema of the rows. `made_at`: ISO 8601."""

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
        """How many rows there are in all."""
        return sum(part.rows for part in self.parts)


class Writer:
    """Writes parts one after another, each in one pass; `finish` adds the manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = ZipFile(file, "w", ZIP_DEFLATED, compresslevel=LEVEL)
        self._parts: list[Part] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """A file of its own."""
        digest, size = self._write(name, chunks)
        self._parts.append(Part(name, digest, size))

    def add_table(self, table: str, columns: Iterable[str], rows: Iterable[list[Any]]) -> None:
        """A table: one JSON array a line."""
        count = 0

        def lines() -> Iterator[bytes]:
            nonlocal count
            for row in rows:
                count += 1
                yield json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

        name = f"tables/{table}.jsonl"
        digest, size = self._write(name, lines())
        self._parts.append(Part(name, digest, size, table, tuple(columns), count))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the disk is full: the file goes anyway
            self._zip.close()

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest and the directory of the ZIP."""
        manifest = Manifest(format=FORMAT, parts=tuple(self._parts), **fields)
        self._zip.writestr(MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
        self._zip.close()
        return manifest

    def _write(self, name: str, chunks: Iterable[bytes]) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as entry:
            for chunk in chunks:
                digest.update(chunk)
                size += entry.write(chunk)
        return digest.hexdigest(), size


class Backup:
    """A backup's file, open for reading."""

    def __init__(self, archive: ZipFile, manifest: Manifest) -> None:
        self._zip = archive
        self.manifest = manifest

    def check(self) -> None:
        """Read every part and compare it with the manifest. Raises KeepingRefused."""
        for part in self.manifest.parts:
            digest, size = hashlib.sha256(), 0
            for chunk in self._chunks(part):
                digest.update(chunk)
                size += len(chunk)
            if (digest.hexdigest(), size) != (part.sha256, part.bytes):
                raise _damaged(f"{part.name} is not what the manifest says")

    def read(self, name: str) -> bytes | None:
        """A small file of its own; None where the backup has none of that name."""
        part = next((part for part in self.manifest.parts if part.name == name and not part.table), None)
        return b"".join(self._chunks(part)) if part else None

    def rows(self, part: Part) -> Iterator[list[Any]]:
        """A table's rows as they were written."""
        with self._zip.open(part.name) as entry:
            for line in entry:
                yield json.loads(line)

    def _chunks(self, part: Part) -> Iterator[bytes]:
        try:
            with self._zip.open(part.name) as entry:
                while chunk := entry.read(READ_BYTES):
                    yield chunk
        except (KeyError, BadZipFile, zlib.error, EOFError) as exc:
            raise _damaged(f"{part.name} cannot be read") from exc


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup's file; its manifest is read, its parts are not looked at yet. Raises KeepingRefused."""
    try:
        with ZipFile(path) as archive:
            yield Backup(archive, _manifest(archive))
    except FileNotFoundError as exc:
        raise BackupRefused(f"there is no file {path}.") from exc
    except BadZipFile as exc:
        raise _damaged(f"{path} is no ZIP file, or it is cut off") from exc


def _manifest(archive: ZipFile) -> Manifest:
    try:
        if archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES:
            raise ValueError(MANIFEST)
        fields: Mapping[str, Any] = json.loads(archive.read(MANIFEST))
        if fields["format"] != FORMAT:
            raise BackupRefused(
                f"the backup is in format {fields['format']!r}, and this Efir reads format {FORMAT}: "
                "restore it with the version that the manifest names, or a newer one."
            )
        parts = tuple(Part(**{**part, "columns": tuple(part["columns"])}) for part in fields["parts"])
        migrations = tuple((str(app), str(name)) for app, name in fields["migrations"])
        return Manifest(**{**fields, "parts": parts, "migrations": migrations})
    except (KeyError, TypeError, ValueError) as exc:
        raise _damaged("its manifest is missing or no manifest") from exc


def _damaged(why: str) -> BackupRefused:
    return BackupRefused(
        f"this is not a whole backup of Efir: {why}. Nothing was touched; take another backup."
    )
