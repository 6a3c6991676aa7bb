"""The chat's address as the room frames it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings

_YOUTUBE = frozenset({"www.youtube.com", "youtube.com"})


def framed_chat(address: str) -> str:
    """What is stored; YouTube's live chat is told which host frames it, since it shows itself to no other."""
    parts = urlsplit(address)
    if parts.hostname not in _YOUTUBE or parts.path != "/live_chat":
        return address
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "embed_domain"]
    own = ("embed_domain", urlsplit(settings.EFIR.public_url).hostname or "")
    return parts._replace(query=urlencode([*query, own])).geturl()
