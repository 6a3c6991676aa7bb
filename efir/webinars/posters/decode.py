"""An uploaded file becomes a picture, or a sentence that says why not. Nothing in the file is believed."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # what phones make; decoded this is 150 MB, and one is decoded at a time
MIN_WIDTH, MIN_HEIGHT = 480, 270
# One decoder for each kind that is taken. MPO is how Pillow calls a phone's JPEG with a second picture behind it.
FORMATS = ("JPEG", "PNG", "WEBP")
_STILL = frozenset({"JPEG", "MPO"})
_BACKGROUND = (255, 255, 255)

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
    """The picture upright, in sRGB and without anything but its pixels. Raises ValidationError with what to do."""
    _look_at_beginning(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of sizes that are checked here
        image = _opened(content)
        try:
            return _upright(image)
        # Decoders raise whatever they stumble over (OSError, SyntaxError, struct.error, EOFError, MemoryError …).
        except Exception as exc:
            raise ValidationError(_BROKEN, code="poster_broken") from exc


def _look_at_beginning(content: bytes) -> None:
    if not content:
        raise ValidationError(_EMPTY, code="poster_empty")
    if len(content) > MAX_FILE_BYTES:
        raise file_too_large()
    if (refusal := _known_refusal(content)) is not None:
        raise ValidationError(str(refusal[1]), code=refusal[0])


def file_too_large() -> ValidationError:
    """For a file that need not be read to be refused."""
    return ValidationError(_TOO_HEAVY, code="poster_too_heavy")


def _known_refusal(content: bytes) -> tuple[str, Promise] | None:
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "poster_gif", _GIF
    if content[4:8] == b"ftyp":
        return "poster_phone", _PHONE
    if b"<svg" in content[:4096].lower():
        return "poster_svg", _DRAWING
    return None


def _opened(content: bytes) -> Image.Image:
    """The picture as its header describes it: checked before a single pixel is decoded."""
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


def _upright(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image.load()
    turned = ImageOps.exif_transpose(image)
    clean = _on_white(_as_srgb(turned, profile))
    clean.info = {}  # Pillow carries comments and profiles on into what it writes
    return clean


def _as_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """The colours as the profile means them; a profile that cannot be read is left aside."""
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted or image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: converting would clip, not scale
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    flat = Image.new("RGB", clear.size, _BACKGROUND)
    flat.paste(clear, mask=clear.getchannel("A"))
    return flat
