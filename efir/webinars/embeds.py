"""Player and chat addresses: what the speaker pastes, and which providers may be framed."""

from __future__ import annotations

import re
import string
from html import unescape
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from efir.webinars.copied import framed

PROVIDER_HOSTS = (
    "www.youtube.com",
    "www.youtube-nocookie.com",
    "vk.com",
    "vkvideo.ru",
    "rutube.ru",
    "kinescope.io",
    "player.vimeo.com",
)

LONGEST = 2000  # as the columns are
_NEVER = frozenset("\0<>\"'\\" + string.whitespace)

_WITHOUT_SCHEME = re.compile(r"[\w-]+(?:\.[\w-]+)+/", re.ASCII)
_IFRAME_SRC = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]+)\"|'([^']+)')", re.IGNORECASE)


def frame_address(text: str) -> str:
    """The player's address to frame, from an address as people copy it or from a whole pasted `<iframe …>`.

    Raises ValidationError, naming the allowed providers, for anything else.
    """
    try:
        address = framed(_pasted_address(text))
    except ValueError:
        raise _no_address() from None
    _check(address, _("Плеер с этого адреса не разрешён. Разрешены: %(hosts)s."))
    return address


def chat_address(text: str) -> str:
    """The chat's address to frame, as it was pasted. Raises ValidationError, naming the allowed providers."""
    address = _pasted_address(text)
    _check(address, _("Чат с этого адреса не разрешён. Разрешены: %(hosts)s."))
    return address


def _pasted_address(text: str) -> str:
    text = text.strip()
    pasted = _IFRAME_SRC.search(text)
    address = unescape(pasted[1] or pasted[2]).strip() if pasted else text
    if address.startswith("//"):
        address = f"https:{address}"
    elif _WITHOUT_SCHEME.match(address):
        address = f"https://{address}"
    if any(c in _NEVER for c in address):
        raise _no_address()
    return address


def _check(address: str, refusal: str) -> None:
    if not address or address.startswith(settings.OWN_FRAMES):
        return
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise _no_address() from None
    if parts.username or len(address) > LONGEST:
        raise _no_address()
    if not (parts.scheme == "https" and port in (None, 443) and parts.hostname in settings.FRAME_HOSTS):
        raise ValidationError(refusal, params={"hosts": ", ".join(sorted(settings.FRAME_HOSTS))})


def _no_address() -> ValidationError:
    return ValidationError(_("Это не адрес. Вставьте адрес, который начинается с https://"))
