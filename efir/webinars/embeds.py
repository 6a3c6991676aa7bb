"""Player and chat addresses: what the speaker pastes, and which providers may be framed."""

from __future__ import annotations

import re
import string
from html import unescape
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

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

_IFRAME_SRC = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]+)\"|'([^']+)')", re.IGNORECASE)


def frame_address(text: str) -> str:
    """The address to frame, from an address or from a whole pasted `<iframe …>`.

    Raises ValidationError, naming the allowed providers, for anything else.
    """
    text = text.strip()
    if not text:
        return ""
    pasted = _IFRAME_SRC.search(text)
    address = unescape(pasted[1] or pasted[2]).strip() if pasted else text
    if address.startswith("//"):
        address = f"https:{address}"
    _check(address)
    return address


def _check(address: str) -> None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValidationError(_("Это не адрес. Вставьте адрес, который начинается с https://")) from None
    if len(address) > LONGEST or any(c in _NEVER for c in address) or parts.username:
        raise ValidationError(_("Это не адрес. Вставьте адрес, который начинается с https://"))
    if parts.scheme == "https" and port in (None, 443) and host in settings.FRAME_HOSTS:
        return
    if address.startswith(settings.OWN_FRAMES):
        return
    raise ValidationError(
        _("Плеер с этого адреса не разрешён. Разрешены: %(hosts)s."),
        params={"hosts": ", ".join(sorted(settings.FRAME_HOSTS))},
    )
