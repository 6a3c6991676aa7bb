"""Media in S3-compatible storage, through django-storages: `EFIR_MEDIA_URL=s3://BUCKET/PREFIX?endpoint=URL`.

The keys come from the environment, as every S3 client reads them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from storages.backends.s3 import S3Storage

from efir.broadcast.media import NAME

OPTIONS = {"endpoint": "endpoint_url", "region": "region_name"}
# A segment lasts a second, so a storage that does not answer must fail soon; the worker tries again.
TIMEOUT_S = 5
MISSING = frozenset({"404", "NoSuchKey"})


class S3Store:
    """Files in a bucket."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        options: dict[str, Any] = {OPTIONS[name]: value for name, value in given.items()}
        self._prefix = parts.path.strip("/")
        self._storage = S3Storage(
            bucket_name=parts.netloc,
            location=self._prefix,
            file_overwrite=True,  # a name is never used twice, so no check is needed before writing
            default_acl=None,
            querystring_auth=False,
            client_config=Config(
                connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"max_attempts": 2}
            ),
            **options,
        )

    def save(self, name: str, content: bytes) -> None:
        """Store a new file. Raises OSError."""
        with _errors():
            self._storage.save(_checked(name), ContentFile(content))

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None if there is none. Raises OSError."""
        return self._get(name)

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of a file. Raises OSError."""
        return self._get(name, Range=f"bytes={start}-{start + length - 1}") or b""

    def size(self, name: str) -> int | None:
        """Return a file's size, or None if there is none. Raises OSError."""
        with _errors():
            try:
                return int(self._object(name).content_length)
            except ClientError as exc:
                if exc.response["Error"]["Code"] in MISSING:
                    return None
                raise

    def delete(self, name: str) -> None:
        """Delete a file, if it is there. Raises OSError."""
        with _errors():
            self._storage.delete(_checked(name))

    def save_file(self, name: str, path: Path) -> None:
        """Upload a finished file of this machine, in parts, and delete it here. Raises OSError."""
        with _errors():
            self._object(name).upload_file(str(path))
        path.unlink()

    def names(self) -> Iterator[str]:
        """Yield the names of all files. Raises OSError."""
        prefix = f"{self._prefix}/" if self._prefix else ""
        with _errors():
            for each in self._storage.bucket.objects.filter(Prefix=prefix):
                name = each.key.removeprefix(prefix)
                if re.fullmatch(NAME, name, re.ASCII):
                    yield name

    def free_bytes(self) -> int | None:
        """Return None: a bucket has no limit that could be queried."""
        return None

    def _object(self, name: str) -> Any:
        return self._storage.bucket.Object("/".join(filter(None, (self._prefix, _checked(name)))))

    def _get(self, name: str, **options: str) -> bytes | None:
        with _errors():
            try:
                return bytes(self._object(name).get(**options)["Body"].read())
            except ClientError as exc:
                if exc.response["Error"]["Code"] in MISSING:
                    return None
                raise


def _checked(name: str) -> str:
    if not re.fullmatch(NAME, name, re.ASCII):
        raise ValueError(name)
    return name


@contextmanager
def _errors() -> Iterator[None]:
    """Raise OSError for the library's errors, without its text, which may name a key."""
    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise OSError(f"the media storage failed: {type(exc).__name__}") from None
