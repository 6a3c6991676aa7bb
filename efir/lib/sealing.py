"""Encrypt and authenticate a few bytes with keys that are derived from the secret key.

The IV is synthetic (as in RFC 5297, made with HMAC-SHA-256): the same bytes always give the same result, which needs
no random number that must not repeat.
"""

from __future__ import annotations

from hmac import compare_digest

from django.utils.crypto import salted_hmac

TAG_BYTES = 16
# The mask is one HMAC-SHA-256.
LONGEST = 32


def seal(data: bytes, purpose: str, *, key: str | None = None) -> bytes:
    """Encrypt up to 32 bytes for a `purpose`, with the secret key or with another `key`.

    What is sealed for one purpose cannot be opened for another one.
    """
    if len(data) > LONGEST:
        raise ValueError(f"{len(data)} bytes are more than {LONGEST}")
    tag = _tag(data, purpose, key)
    return tag + _masked(data, tag, purpose, key)


def unseal(sealed: bytes, purpose: str, *, key: str | None = None) -> bytes | None:
    """Return what was sealed, or None if it was changed, or sealed for another purpose or with another key."""
    tag, masked = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
    data = _masked(masked, tag, purpose, key)
    is_intact = len(masked) <= LONGEST and compare_digest(tag, _tag(data, purpose, key))
    return data if is_intact else None


def _tag(data: bytes, purpose: str, key: str | None) -> bytes:
    return salted_hmac(f"{purpose}.tag", data, secret=key, algorithm="sha256").digest()[:TAG_BYTES]


def _masked(data: bytes, tag: bytes, purpose: str, key: str | None) -> bytes:
    mask = salted_hmac(f"{purpose}.mask", tag, secret=key, algorithm="sha256").digest()
    return bytes(left ^ right for left, right in zip(data, mask, strict=False))
