"""Clean player and chat URLs that a speaker pastes, and limit them to what the room may show."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from functools import partial
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.config import PROVIDER_HOSTS
from efir.lib.hosts import ascii_url, host_and_port
from efir.webinars.provider_urls import chat_embed_url, embed_url, is_channel_page, is_unframable_page

MAX_LENGTH = 2000  # of the columns
_YOUTUBE = frozenset({"www.youtube.com", "youtube.com"})
_FORBIDDEN = frozenset("\0<>\"'\\" + string.whitespace)

_CHANNEL_PAGE = gettext_lazy("Это страница канала. Откройте на ней сам эфир и скопируйте его адрес.")
_UNFRAMABLE_PLAYER = gettext_lazy(
    "Эту страницу нельзя показать в комнате. Откройте сам эфир или видео и скопируйте его адрес или код <iframe …>."
)
_UNFRAMABLE_CHAT = gettext_lazy(
    "Эту страницу нельзя показать в комнате. Подойдёт адрес эфира на YouTube или код <iframe …> самого чата."
)
_FOREIGN_PLAYER = gettext_lazy(
    "Плеер с адреса %(host)s не разрешён. Разрешены: %(hosts)s. "
    "Чтобы добавить этот, администратор сервера пишет %(host)s в настройку EFIR_FRAME_HOSTS."
)
_FOREIGN_CHAT = gettext_lazy(
    "Чат с адреса %(host)s не разрешён. Разрешены: %(hosts)s. "
    "Чтобы добавить этот, администратор сервера пишет %(host)s в настройку EFIR_FRAME_HOSTS."
)

_WITHOUT_SCHEME = re.compile(r"[\w-]+(?:\.[\w-]+)+(?::\d+)?/")
_IFRAME_SRC = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s\"'>]+))", re.IGNORECASE)


def clean_player_url(text: str) -> str:
    """Return the URL of an HLS playlist or of a player to frame, from a pasted URL or `<iframe …>` code.

    Raises ValidationError, which names what is allowed.
    """
    return _clean(text, embed_url, _UNFRAMABLE_PLAYER, _FOREIGN_PLAYER, allow_hls=True)


def clean_chat_url(text: str) -> str:
    """Return the URL of a chat to frame, from a pasted URL or `<iframe …>` code. Raises ValidationError."""
    own_host = urlsplit(settings.EFIR.public_url).hostname or ""
    to_embed_url = partial(chat_embed_url, own_host=own_host)
    return _clean(text, to_embed_url, _UNFRAMABLE_CHAT, _FOREIGN_CHAT, allow_hls=False)


def _clean(
    text: str,
    to_embed_url: Callable[[str], str],
    unframable: Promise,
    foreign: Promise,
    *,
    allow_hls: bool,
) -> str:
    code = _IFRAME_SRC.search(text)
    url = unescape(code[1] or code[2] or code[3]).strip() if code else text.strip()
    if url.startswith("//"):
        url = f"https:{url}"
    elif _WITHOUT_SCHEME.match(url):
        url = f"https://{url}"
    if any(character in _FORBIDDEN for character in url):
        raise _not_a_url()
    try:
        url = ascii_url(url)
        if allow_hls and is_hls(url):
            return _clean_hls_url(url)
        url = to_embed_url(url)
        parts = urlsplit(url)
        host = host_and_port(parts)
        is_page = is_unframable_page(url)
    except ValueError:
        raise _not_a_url() from None
    # The code of a known provider is trusted, and so are the hosts that the operator added.
    if is_page and not code and host not in settings.FRAME_HOSTS - frozenset(PROVIDER_HOSTS):
        raise ValidationError(str(_CHANNEL_PAGE if is_channel_page(url) else unframable))
    if not url or url.startswith(settings.OWN_FRAMES):
        return url
    if parts.username or len(url) > MAX_LENGTH:
        raise _not_a_url()
    if not host or parts.scheme not in ("http", "https"):
        raise _not_a_url()
    if host not in settings.FRAME_HOSTS:
        raise ValidationError(str(foreign), params={"host": host, "hosts": allowed_providers()})
    if parts.scheme != "https":
        raise ValidationError(
            _("Такой адрес здесь не откроется. Вставьте тот, который начинается с https://")
        )
    return url


def is_hls(url: str) -> bool:
    """Return whether the room plays this URL itself instead of framing it; `stage.js` uses the same rule."""
    return urlsplit(url).path.lower().endswith(".m3u8")


def _clean_hls_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or not parts.hostname or len(url) > MAX_LENGTH:
        raise _not_a_url()
    origin = f"{parts.scheme}://{host_and_port(parts)}"
    allowed = (settings.EFIR.public_url, *settings.HLS_ORIGINS)
    if origin in allowed:
        return url
    if parts.scheme == "http" and f"https{origin[4:]}" in allowed:
        raise ValidationError(
            _("Здесь видео идёт только по https. Вставьте адрес, который начинается с https://")
        )
    own = urlsplit(settings.EFIR.public_url)
    hosts = ", ".join((host_and_port(own), *settings.HLS_HOSTS))
    raise ValidationError(
        _(
            "Видео HLS с адреса %(host)s не разрешено. Разрешены: %(hosts)s. "
            "Чтобы добавить этот, администратор сервера пишет %(host)s в настройку EFIR_HLS_HOSTS."
        ),
        params={"host": host_and_port(parts), "hosts": hosts},
    )


def chat_frame_url(url: str) -> str:
    """Return the stored chat URL as the room frames it.

    YouTube shows its live chat only in frames of the host that `embed_domain` names.
    """
    parts = urlsplit(url)
    if parts.hostname not in _YOUTUBE or parts.path != "/live_chat":
        return url
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "embed_domain"]
    own = ("embed_domain", urlsplit(settings.EFIR.public_url).hostname or "")
    return parts._replace(query=urlencode([*query, own])).geturl()


def allowed_providers() -> str:
    """Return the names of the known providers, and the hosts that this installation adds."""
    added = sorted(settings.FRAME_HOSTS - frozenset(PROVIDER_HOSTS))
    return ", ".join((_("YouTube, VK Видео, Rutube, Kinescope, Vimeo"), *added))


def _not_a_url() -> ValidationError:
    return ValidationError(_("Это не адрес. Вставьте адрес, который начинается с https://"))
