"""Store media files: in a directory, or in S3-compatible storage. Files are immutable and named unguessably."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache, lru_cache
from hashlib import md5
from hmac import compare_digest
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils.crypto import salted_hmac

from efir.lib import clock

# Disk space that media leave to the database.
RESERVED_BYTES = 200 * 2**20
NAME = r"[1-9][0-9]{0,17}/[A-Za-z0-9_-]{16,64}\.(?:m4s|mp4)"
CONTENT_TYPES = {"m4s": b"video/iso.segment", "mp4": b"video/mp4"}
PATH = re.compile(rf"/media/([0-9]{{1,12}})/([A-Za-z0-9_-]{{22}})/({NAME})", re.ASCII)


class NoSpace(Exception):
    """Raised if the disk has no space beyond what the database needs."""


class Store(Protocol):
    """A store of media files. Its methods block and raise OSError."""

    def save(self, name: str, content: bytes) -> None:
        """Store a new file durably. Raises NoSpace."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None if there is none."""

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of a file."""

    def size(self, name: str) -> int | None:
        """Return a file's size, or None if there is none."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    def save_file(self, name: str, path: Path) -> None:
        """Move a finished local file into the store, durably."""

    def names(self) -> Iterator[str]:
        """Yield the names of all files."""

    def free_bytes(self) -> int | None:
        """Return the bytes that still fit, or None if no limit is known."""


class DirectoryStore:
    """Files in `EFIR_MEDIA_DIR`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        if not re.fullmatch(NAME, name, re.ASCII):
            raise ValueError(name)
        return self.root / name

    def save(self, name: str, content: bytes) -> None:
        """Write the file, force it to the disk, and only then give it its name. Raises NoSpace and OSError."""
        path = self.path(name)
        free = self.free_bytes()
        if free < len(content):
            raise NoSpace
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None if there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of a file."""
        with self.path(name).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def size(self, name: str) -> int | None:
        """Return a file's size, or None if there is none."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def save_file(self, name: str, path: Path) -> None:
        """Move a finished file here, from the same file system: see `scratch_file`."""
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.rename(self.path(name))

    def names(self) -> Iterator[str]:
        """Yield the names of all files."""
        for path in self.root.glob("*/*"):
            name = f"{path.parent.name}/{path.name}"
            if re.fullmatch(NAME, name, re.ASCII):
                yield name

    def free_bytes(self) -> int:
        """Return how much media may still be stored here."""
        root = self.root
        while not root.exists():
            root = root.parent
        return max(0, shutil.disk_usage(root).free - RESERVED_BYTES)


@cache
def store() -> Store:
    """Return the media store of this installation."""
    if settings.EFIR.media_url:
        from efir.broadcast.s3 import S3Store  # imported here, because its library is large and seldom needed

        return S3Store(settings.EFIR.media_url)
    return DirectoryStore(settings.EFIR.media_dir)


def scratch_bytes() -> int:
    """Return how much `scratch_file` may hold: it is on this machine's disk, whichever store there is."""
    return DirectoryStore(settings.EFIR.media_dir).free_bytes()


def scratch_file(name: str) -> Path:
    """Return where to write a large file before `save_file`; its directory exists."""
    path = Path(settings.EFIR.media_dir) / f"{name}.new"
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return path


def new_name(webinar_id: int, suffix: str = "m4s") -> str:
    """Return a name for a new file of this webinar."""
    return f"{webinar_id}/{secrets.token_urlsafe(16)}.{suffix}"


@cache
def signing_key() -> str:
    """Return the key of signed addresses, derived from the secret key so that a proxy need not know that one."""
    return salted_hmac("efir.broadcast.media", "addresses").hexdigest()


# The segments of an hour. Each is asked for by every viewer, and listed in a minute of playlists.
@lru_cache(maxsize=4096)
def signature(expires: int, name: str) -> str:
    """Return the signature of an address, in the form of nginx's `secure_link_md5 "$expires/$name $key"`.

    MD5 is what nginx checks by itself. The names cannot be guessed; the signature only makes an address end.
    """
    digest = md5(f"{expires}/{name} {signing_key()}".encode(), usedforsecurity=False).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def url_of(name: str, expires: datetime) -> str:
    """Return the signed path of a file, valid until `expires`."""
    moment = int(expires.timestamp())
    return f"/media/{moment}/{signature(moment, name)}/{name}"


def is_valid(expires: str, given: str, name: str) -> bool:
    """Return whether a signed address is genuine and has not expired."""
    return compare_digest(signature(int(expires), name), given) and int(expires) >= clock.now().timestamp()
