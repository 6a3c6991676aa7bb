"""The files of one poster, drawn anew: whatever else the uploaded file carried is not in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageOps

from efir.webinars.posters.decode import decode_image
from efir.webinars.posters.formats import HEIGHT, SHARE_HEIGHT, SHARE_IMAGE, SHARE_WIDTH, WIDTH, WIDTHS

TARGET_FILE_BYTES = 250_000  # bytes; a picture full of grain gets a lower quality instead
_QUALITIES = (82, 70, 55, 40)
# A large picture is a hundred megabytes while it is drawn: several speakers wait for each other.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class RenderedPoster:
    """A poster's files by name, and its id, which is made from them."""

    digest: str
    files: Mapping[str, bytes]


def render_upload(content: bytes) -> RenderedPoster:
    """The poster from an uploaded file: 16:9 in three widths, and one for link previews. Raises ValidationError."""
    with _ONE_AT_A_TIME:
        return render_image(decode_image(content))


def render_image(image: Image.Image) -> RenderedPoster:
    """The poster from a picture in RGB, cut to its middle."""
    wide = _cut(image, WIDTH, HEIGHT)
    files = {f"{width}.webp": _small(_no_wider(wide, width), "WEBP") for width in WIDTHS}
    shared = ImageOps.fit(image, (SHARE_WIDTH, SHARE_HEIGHT), Image.Resampling.LANCZOS)
    files[SHARE_IMAGE] = _small(shared, "JPEG")
    whole = hashlib.sha256(b"".join(files[name] for name in sorted(files)))
    return RenderedPoster(whole.hexdigest()[:32], files)


def _cut(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of the picture in this shape, at most this large."""
    scale = min(image.width / width, image.height / height, 1)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def _no_wider(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    return image.resize((width, round(width * HEIGHT / WIDTH)), Image.Resampling.LANCZOS)


def _small(image: Image.Image, kind: str) -> bytes:
    content = b""
    for quality in _QUALITIES:
        file = BytesIO()
        image.save(file, kind, quality=quality, **({"method": 4} if kind == "WEBP" else {"optimize": True}))
        content = file.getvalue()
        if len(content) <= TARGET_FILE_BYTES:
            break
    return content
