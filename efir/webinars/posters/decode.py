"""Decode an uploaded file into an image, or refuse it and say why. Nothing in the file is trusted."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps

from efir.webinars.posters.formats import HEIGHT, WIDTH

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # a phone's camera; 200 MB when decoded
# Transparency, palettes and 16 bits need copies in other modes: the child's memory has room for these.
MAX_CONVERTED_PIXELS = 20_000_000
PLAIN_MODES = frozenset({"RGB", "L"})
# A progressive JPEG is decoded once for each scan; encoders make some ten of them.
MAX_SCANS = 100
MAX_SCANNED_PIXELS = 250_000_000
START_OF_SCAN = b"\xff\xda"
MIN_WIDTH, MIN_HEIGHT = 480, 270
LOGO_LEAST = 64  # twice the height in the header, for dense screens
# Only these decoders run. MPO is Pillow's name for a phone's JPEG with a second picture behind the first.
FORMATS = ("JPEG", "PNG", "WEBP")
_JPEG = frozenset({"JPEG", "MPO"})

_TOO_HEAVY = _("Файл тяжелее 10 МБ. Сохраните картинку поменьше: хватит 1600×900.")
_EMPTY = _("Файл пустой. Выберите картинку: JPEG, PNG или WebP.")
_UNKNOWN = _("Это не картинка, которую можно показать. Подойдут JPEG, PNG и WebP.")
_DRAWING = _("SVG не подойдёт: в нём может быть программа. Сохраните картинку как PNG.")
_PHONE = _("Это фото в формате HEIC или AVIF. Сохраните его как JPEG: подойдут JPEG, PNG и WebP.")
_GIF = _("GIF не подойдёт. Сохраните картинку как PNG или JPEG.")
_MOVING = _("Картинка движется. Нужна неподвижная: JPEG, PNG или WebP без анимации.")
_TOO_LARGE = _("Картинка слишком большая: столько точек не обработать. Уменьшите её, хватит 1600×900.")
_TOO_COMPLEX = _(
    "Эту картинку слишком долго обрабатывать. Сохраните её заново обычным JPEG, хватит 1600×900."
)
_TOO_SMALL = _("Картинка слишком маленькая. Нужно хотя бы 480×270, лучше 1600×900.")
_LOGO_TOO_SMALL = _("Логотип слишком маленький. Нужно хотя бы 64 точки в высоту и в ширину.")
_BROKEN = _("Файл повреждён или загрузился не весь. Сохраните картинку заново и загрузите ещё раз.")


SENTENCES = {
    "poster_too_heavy": _TOO_HEAVY,
    "poster_empty": _EMPTY,
    "poster_unknown": _UNKNOWN,
    "poster_svg": _DRAWING,
    "poster_phone": _PHONE,
    "poster_gif": _GIF,
    "poster_moving": _MOVING,
    "poster_too_large": _TOO_LARGE,
    "poster_too_complex": _TOO_COMPLEX,
    "poster_too_small": _TOO_SMALL,
    "poster_broken": _BROKEN,
    "logo_too_small": _LOGO_TOO_SMALL,
}


def refusal(code: str) -> ValidationError:
    """Return the error that says what to do about an upload."""
    return ValidationError(SENTENCES[code], code=code)


def check_signature(content: bytes) -> None:
    """Check the size and the first bytes, without decoding anything. Raises ValidationError."""
    if not content:
        raise refusal("poster_empty")
    if len(content) > MAX_FILE_BYTES:
        raise refusal("poster_too_heavy")
    if content.startswith((b"GIF87a", b"GIF89a")):
        raise refusal("poster_gif")
    if content[4:8] == b"ftyp":
        raise refusal("poster_phone")
    if b"<svg" in content[:4096].lower():
        raise refusal("poster_svg")
    if not content.startswith((b"\xff\xd8", b"\x89PNG", b"RIFF")):
        raise refusal("poster_unknown")


def decode_image(content: bytes, *, logo: bool = False) -> Image.Image:
    """Decode an upload into an upright sRGB image without metadata. Raises ValidationError that says what to do.

    A logo may be smaller than a poster, and keeps its transparency.

    Call it in a child process with limits: `efir.webinars.posters.child`.
    """
    check_signature(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images, whose size is checked here
        image = _open(content, logo=logo)
        try:
            profile = image.info.get("icc_profile")
            # A JPEG is decoded at the smallest scale that is large enough.
            image.draft(None, (WIDTH, WIDTH))
            image.load()
            small = _reduced(image)
            ImageOps.exif_transpose(small, in_place=True)
            coloured = _to_srgb(small, profile)
            clean = _with_alpha(coloured) if logo else _flatten(coloured)
        except MemoryError as exc:
            raise refusal("poster_too_large") from exc
        # Decoders raise anything: OSError, SyntaxError, struct.error, EOFError and more.
        except Exception as exc:
            raise refusal("poster_broken") from exc
    clean.info = {}  # Pillow would write comments and profiles into the new files
    return clean


def read_upload(file: UploadedFile[bytes]) -> bytes:
    """Return the content of an uploaded file. Raises ValidationError by its size, without reading it."""
    if (file.size or 0) > MAX_FILE_BYTES:
        raise refusal("poster_too_heavy")
    content: bytes = file.read()
    return content


def _open(content: bytes, *, logo: bool) -> Image.Image:
    """Read the header and check it, before a single pixel is decoded."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise refusal("poster_too_large") from None
    except Exception as exc:
        raise refusal("poster_unknown") from exc
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise refusal("poster_too_large")
    if image.mode not in PLAIN_MODES and pixels > MAX_CONVERTED_PIXELS and image.format not in _JPEG:
        raise refusal("poster_too_large")
    scans = content.count(START_OF_SCAN) if image.format in _JPEG else 0
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise refusal("poster_too_complex")
    if logo and min(image.size) < LOGO_LEAST:
        raise refusal("logo_too_small")
    if not logo and (max(image.size) < MIN_WIDTH or min(image.size) < MIN_HEIGHT):
        raise refusal("poster_too_small")
    if image.format not in _JPEG and getattr(image, "n_frames", 1) > 1:
        raise refusal("poster_moving")
    return image


def _reduced(image: Image.Image) -> Image.Image:
    """Return a copy of a much larger image that is at least as large as a poster, to save memory and time."""
    factor = int(min(image.size) // HEIGHT)
    if factor < 2:
        return image
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    exif = image.getexif()
    reduced = image.reduce(factor)
    reduced.info["exif"] = exif.tobytes()
    return reduced


def _to_eight_bits(image: Image.Image) -> Image.Image:
    # Plain conversion would clip instead of scale.
    return image.convert("I").point(lambda value: value / 256).convert("L")


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


def _with_alpha(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    return image.convert("RGBA")


def _flatten(image: Image.Image) -> Image.Image:
    """Convert to RGB, on white if the image is transparent."""
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    flat = Image.new("RGB", clear.size, (255, 255, 255))
    flat.paste(clear, mask=clear.getchannel("A"))
    return flat
