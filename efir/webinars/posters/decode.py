"""Decode an uploaded file into an image, or refuse it and say why. Nothing in the file is trusted."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # a phone's camera; 150 MB when decoded, and one is decoded at a time
MIN_WIDTH, MIN_HEIGHT = 480, 270
# Only these decoders run. MPO is Pillow's name for a phone's JPEG with a second picture behind the first.
FORMATS = ("JPEG", "PNG", "WEBP")
_STILL = frozenset({"JPEG", "MPO"})

_TOO_HEAVY = _("Файл тяжелее 10 МБ. Сохраните картинку поменьше: хватит 1600×900.")
_EMPTY = _("Файл пустой. Выберите картинку: JPEG, PNG или WebP.")
_UNKNOWN = _("Это не картинка, которую можно показать. Подойдут JPEG, PNG и WebP.")
_DRAWING = _("SVG не подойдёт: в нём может быть программа. Сохраните картинку как PNG.")
_PHONE = _("Это фото в формате HEIC или AVIF. Сохраните его как JPEG: подойдут JPEG, PNG и WebP.")
_GIF = _("GIF не подойдёт. Сохраните картинку как PNG или JPEG.")
_MOVING = _("Картинка движется. Нужна неподвижная: JPEG, PNG или WebP без анимации.")
_TOO_LARGE = _("Картинка слишком большая: больше 50 мегапикселей. Уменьшите её, хватит 1600×900.")
_TOO_SMALL = _("Картинка слишком маленькая. Нужно хотя бы 480×270, лучше 1600×900.")
_BROKEN = _("Файл повреждён или загрузился не весь. Сохраните картинку заново и загрузите ещё раз.")


def decode_image(content: bytes) -> Image.Image:
    """Decode an upload into an upright sRGB image without metadata. Raises ValidationError that says what to do."""
    if not content:
        raise ValidationError(_EMPTY, code="poster_empty")
    if len(content) > MAX_FILE_BYTES:
        raise file_too_large()
    if content.startswith((b"GIF87a", b"GIF89a")):
        raise ValidationError(_GIF, code="poster_gif")
    if content[4:8] == b"ftyp":
        raise ValidationError(_PHONE, code="poster_phone")
    if b"<svg" in content[:4096].lower():
        raise ValidationError(_DRAWING, code="poster_svg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large sizes, which are checked here
        image = _open(content)
        try:
            profile = image.info.get("icc_profile")
            image.load()
            upright = ImageOps.exif_transpose(image)
            clean = _flatten(_to_srgb(upright, profile))
        # Decoders raise anything: OSError, SyntaxError, struct.error, EOFError, MemoryError and more.
        except Exception as exc:
            raise ValidationError(_BROKEN, code="poster_broken") from exc
    clean.info = {}  # Pillow would write comments and profiles into the new files
    return clean


def file_too_large() -> ValidationError:
    """Return the error for a file that is refused by its size, without being read."""
    return ValidationError(_TOO_HEAVY, code="poster_too_heavy")


def _open(content: bytes) -> Image.Image:
    """Read the header and check it, before a single pixel is decoded."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValidationError(_TOO_LARGE, code="poster_too_large") from None
    except Exception as exc:
        raise ValidationError(_UNKNOWN, code="poster_unknown") from exc
    if image.width * image.height > MAX_PIXELS:
        raise ValidationError(_TOO_LARGE, code="poster_too_large")
    if max(image.size) < MIN_WIDTH or min(image.size) < MIN_HEIGHT:
        raise ValidationError(_TOO_SMALL, code="poster_too_small")
    if image.format not in _STILL and getattr(image, "n_frames", 1) > 1:
        raise ValidationError(_MOVING, code="poster_moving")
    return image


def _to_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """Convert the colours by the image's profile; ignore a profile that cannot be read."""
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted or image


def _flatten(image: Image.Image) -> Image.Image:
    """Convert to RGB, on white if the image is transparent."""
    if image.mode.startswith("I"):  # 16 bits a pixel: plain conversion would clip instead of scale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    flat = Image.new("RGB", clear.size, (255, 255, 255))
    flat.paste(clear, mask=clear.getchannel("A"))
    return flat
