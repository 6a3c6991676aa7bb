"""Render the files of a poster from its pixels alone, so that nothing else of the upload gets into them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any, Literal

import structlog
from PIL import Image, ImageOps

from efir.site_settings.logo import ICON, LOGO, TOUCH_ICON
from efir.webinars.posters.decode import check_signature, refusal
from efir.webinars.posters.formats import HEIGHT, SHARE_HEIGHT, SHARE_IMAGE, SHARE_WIDTH, WIDTH, WIDTHS

LOGO_BOX = (640, 96)  # three times the size in the site's header
ICON_SIZE, TOUCH_ICON_SIZE = 64, 180
TARGET_FILE_BYTES = 250_000  # grainy pictures get a lower quality to reach it
# Longer than the child's own limits, which also apply if this process is killed.
ANSWER_WITHIN_S = 15
_QUALITIES = (82, 70, 55, 40)
# Each takes up to `child.MEMORY_BYTES`. A file that takes all its time must not hold up another's.
_decoders = BoundedSemaphore(2)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RenderedPoster:
    """A poster's files by name, and its id, which is made from them."""

    digest: str
    files: Mapping[str, bytes]


def render_upload(content: bytes, *, kind: Literal["poster", "logo"] = "poster") -> RenderedPoster:
    """Render an uploaded file with `render_image` or `render_logo`. Raises ValidationError that says what to do.

    A child process with limits decodes it: a malicious file costs this process neither time nor memory.
    """
    check_signature(content)
    # Without the settings: a process that decodes untrusted files must not have secrets.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EFIR_")}
    command = [sys.executable, "-m", "efir.webinars.posters.child", str(os.getpid()), kind]
    with _decoders:
        try:
            done = subprocess.run(  # noqa: S603  # our own module
                command, input=content, capture_output=True, env=environ, timeout=ANSWER_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as exc:
            raise refusal("poster_too_complex") from exc
    if done.returncode != 0:
        log.warning(
            "poster_not_rendered",
            returncode=done.returncode,
            error=done.stderr[-500:].decode("utf-8", "replace"),
        )
        raise refusal("poster_too_complex")
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise refusal(answer["refused"])
    files = {name: base64.b64decode(encoded) for name, encoded in answer["files"].items()}
    return RenderedPoster(answer["digest"], files)


def render_image(image: Image.Image) -> RenderedPoster:
    """Render an RGB image, cropped to its middle: 16:9 in three widths, and one image for link previews."""
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
    return _named(files)


def render_logo(image: Image.Image) -> RenderedPoster:
    """Render an RGBA image as a whole: for the header, for a phone's home screen, and for the browser's tab."""
    files = {
        LOGO: _encode_png(ImageOps.contain(image, LOGO_BOX, Image.Resampling.LANCZOS)),
        ICON: _encode_png(_square(image, ICON_SIZE, (0, 0, 0, 0))),
        # A phone shows transparency as black.
        TOUCH_ICON: _encode_png(_square(image, TOUCH_ICON_SIZE, (255, 255, 255, 255))),
    }
    return _named(files)


def _named(files: Mapping[str, bytes]) -> RenderedPoster:
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
    return RenderedPoster(digest[:32], files)


def _square(image: Image.Image, size: int, background: tuple[int, int, int, int]) -> Image.Image:
    square = Image.new("RGBA", (size, size), background)
    small = ImageOps.contain(image, (size, size), Image.Resampling.LANCZOS)
    square.alpha_composite(small, ((size - small.width) // 2, (size - small.height) // 2))
    return square


def _encode_png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = b""
    for quality in _QUALITIES:
        file = BytesIO()
        image.save(file, kind, quality=quality, **options)
        content = file.getvalue()
        if len(content) <= TARGET_FILE_BYTES:
            break
    return content
