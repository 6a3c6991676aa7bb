"""Player and chat addresses: what the speaker pastes, and what the room may show from where."""

from __future__ import annotations

import re
import string
from html import unescape
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.config import PROVIDER_HOSTS, bracketed
from efir.webinars.provider_urls import chat_embed_url, embed_url, is_channel_page, is_unframable_page

MAX_LENGTH = 2000  # as the columns are
_YOUTUBE = frozenset({"www.youtube.com", "youtube.com"})
_NEVER = frozenset("\0<>\"'\\" + string.whitespace)

_OF_A_CHANNEL = gettext_lazy("Это страница канала. Откройте на ней сам эфир и скопируйте его адрес.")
_THE_BROADCAST = gettext_lazy(
    "Эту страницу нельзя показать в комнате. Откройте сам эфир или видео и скопируйте его адрес или код <iframe …>."
)
_THE_CHAT = gettext_lazy(
    "Эту страницу нельзя показать в комнате. Подойдёт адрес эфира на YouTube или код <iframe …> самого чата."
)

_WITHOUT_SCHEME = re.compile(r"[\w-]+(?:\.[\w-]+)+/", re.ASCII)
_IFRAME_SRC = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s\"'>]+))", re.IGNORECASE)


def clean_player_url(text: str) -> str:
    """The player's address: an HLS playlist, or what to frame, from a copied address or a whole `<iframe …>`.

    Raises ValidationError, naming what is allowed, for anything else.
    """
    address = _pasted_address(text)
    try:
        if is_hls(address):
            return _hls_address(address)
        address = embed_url(address)
        if not _is_code(text):
            _check_page(address, _THE_BROADCAST)
    except ValueError:
        raise _no_address() from None
    _check(address, _("Плеер с этого адреса не разрешён. Разрешены: %(hosts)s."))
    return address


def is_hls(address: str) -> bool:
    """Whether the room plays this address itself, instead of framing it; `stage.js` tells by the same."""
    return urlsplit(address).path.lower().endswith(".m3u8")


def _hls_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.username or not parts.hostname or len(address) > MAX_LENGTH:
        raise _no_address()
    origin = f"{parts.scheme}://{_host_and_port(parts)}"
    allowed = (settings.EFIR.public_url, *settings.HLS_ORIGINS)
    if origin in allowed:
        return address
    if parts.scheme == "http" and f"https{origin[4:]}" in allowed:
        raise ValidationError(
            _("Здесь видео идёт только по https. Вставьте адрес, который начинается с https://")
        )
    own = urlsplit(settings.EFIR.public_url)
    hosts = ", ".join((_host_and_port(own), *settings.HLS_HOSTS))
    raise ValidationError(
        _("Видео HLS с этого адреса не разрешено. Разрешены: %(hosts)s."), params={"hosts": hosts}
    )


def _host_and_port(parts: SplitResult) -> str:
    """As `EFIR_HLS_HOSTS` names it: a port only where it is not the scheme's own."""
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return f"{bracketed(parts.hostname)}{port}"


def clean_chat_url(text: str) -> str:
    """The chat's address to frame, from a copied address or code. Raises ValidationError, naming what is allowed."""
    address = _pasted_address(text)
    try:
        address = chat_embed_url(address, urlsplit(settings.EFIR.public_url).hostname or "")
        if not _is_code(text):
            _check_page(address, _THE_CHAT)
    except ValueError:
        raise _no_address() from None
    _check(address, _("Чат с этого адреса не разрешён. Разрешены: %(hosts)s."))
    return address


def chat_frame_url(address: str) -> str:
    """Return the stored chat URL as the room frames it.

    YouTube shows its live chat only in frames of the host that `embed_domain` names.
    """
    parts = urlsplit(address)
    if parts.hostname not in _YOUTUBE or parts.path != "/live_chat":
        return address
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "embed_domain"]
    own = ("embed_domain", urlsplit(settings.EFIR.public_url).hostname or "")
    return parts._replace(query=urlencode([*query, own])).geturl()


def _is_code(text: str) -> bool:
    """Whether the provider's own code was pasted: then its address is one for frames, known here or not."""
    return _IFRAME_SRC.search(text) is not None


def _check_page(address: str, else_said: Promise) -> None:
    """Refuse a page of a known provider that stays an empty frame in the room, and say which one to take."""
    added = settings.FRAME_HOSTS - frozenset(PROVIDER_HOSTS)  # the installation vouches for these
    if is_unframable_page(address) and urlsplit(address).hostname not in added:
        raise ValidationError(str(_OF_A_CHANNEL if is_channel_page(address) else else_said))


def _pasted_address(text: str) -> str:
    text = text.strip()
    pasted = _IFRAME_SRC.search(text)
    address = unescape(pasted[1] or pasted[2] or pasted[3]).strip() if pasted else text
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
    if parts.username or len(address) > MAX_LENGTH:
        raise _no_address()
    if not (parts.scheme == "https" and port in (None, 443) and parts.hostname in settings.FRAME_HOSTS):
        raise ValidationError(refusal, params={"hosts": allowed_providers()})


def allowed_providers() -> str:
    """Whose players and chats are allowed: by name, and by host what this installation has added."""
    added = sorted(settings.FRAME_HOSTS - frozenset(PROVIDER_HOSTS))
    return ", ".join((_("YouTube, VK Видео, Rutube, Kinescope, Vimeo"), *added))


def _no_address() -> ValidationError:
    return ValidationError(_("Это не адрес. Вставьте адрес, который начинается с https://"))
