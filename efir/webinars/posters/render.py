"""Render the files of a poster from its pixels alone, so that nothing else of the upload gets into them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import Any

from PIL import Image, ImageOps

from efir.webinars.posters.decode import decode_image
from efir.webinars.posters.formats import HEIGHT, SHARE_HEIGHT, SHARE_IMAGE, SHARE_WIDTH, WIDTH, WIDTHS

TARGET_FILE_BYTES = 250_000  # reached by lowering the quality of a grainy picture
_QUALITIES = (82, 70, 55, 40)
# A large picture takes some hundred megabytes of memory while it is rendered.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class RenderedPoster:
    """A poster's files by name, and its id, which is made from them."""

    digest: str
    files: Mapping[str, bytes]


def render_upload(content: bytes) -> RenderedPoster:
    """Render an uploaded file: 16:9 in three widths, and one image for link previews. Raises ValidationError."""
    with _ONE_AT_A_TIME:
        return render_image(decode_image(content))


def render_image(image: Image.Image) -> RenderedPoster:
    """Render an RGB image, cropped to its middle."""
    scale = min(image.width / WIDTH, image.height / HEIGHT, 1)
    size = max(1, round(WIDTH * scale)), max(1, round(HEIGHT * scale))
    wide = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    files = {}
    for width in WIDTHS:
        resized = wide
        if wide.width > width:
            resized = wide.resize((width, round(width * HEIGHT / WIDTH)), Image.Resampling.LANCZOS)
        files[f"{width}.webp"] = _encode(resized, "WEBP", method=4)
    shared = ImageOps.fit(image, (SHARE_WIDTH, SHARE_HEIGHT), Image.Resampling.LANCZOS)
    files[SHARE_IMAGE] = _encode(shared, "JPEG", optimize=True)
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
    return RenderedPoster(digest[:32], files)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = b""
    for quality in _QUALITIES:
        file = BytesIO()
        image.save(file, kind, quality=quality, **options)
        content = file.getvalue()
        if len(content) <= TARGET_FILE_BYTES:
            break
    return content
