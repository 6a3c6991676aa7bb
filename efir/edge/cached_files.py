"""Static files under their hashed names, from memory: they are few and small, and a full hall asks for all of them."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

from efir.edge.cached_response import CachedResponse
from efir.lib.asgi import Scope, Send
from efir.web.security_headers import EVERYWHERE

FOR_EVER = b"public, max-age=31536000, immutable"


class StaticFiles:
    """What `collectstatic` left; a file without a hash in its name is left to Django."""

    def __init__(self) -> None:
        hashed = getattr(staticfiles_storage, "hashed_files", {}).values()
        paths = {name: Path(settings.STATIC_ROOT) / name for name in hashed}
        self._files = {
            f"{settings.STATIC_URL}{name}": _kept(path) for name, path in paths.items() if path.is_file()
        }

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or leave it: the HTTP status, or 0."""
        file = self._files.get(scope["path"])
        if file is None:
            return 0
        return await file.answer(scope, send)


def _kept(path: Path) -> CachedResponse:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    headers = [
        (b"content-type", f"{kind}{charset}".encode()),
        *EVERYWHERE,
        (b"access-control-allow-origin", b"*"),
    ]
    return CachedResponse.of(path.read_bytes(), headers, FOR_EVER, b"Accept-Encoding")
