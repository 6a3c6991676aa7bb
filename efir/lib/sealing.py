"""Encrypt and authenticate a few bytes with a key that is derived from the secret key.

The cipher is AES-SIV (RFC 5297), the key derivation HKDF (RFC 5869), both from `cryptography`. The same bytes always
give the same result, so no random number can repeat, and a link stays the same in every message.
"""

from __future__ import annotations

from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.crypto import salted_hmac

TAG_BYTES = 16
# AES-SIV takes two keys of 256 bits, one for the tag and one for the cipher.
_KEY_BYTES = 64
# The mask of the earlier construction was one HMAC-SHA-256.
_LEGACY_LONGEST = 32


def seal(data: bytes, purpose: str, *, key: str | None = None) -> bytes:
    """Encrypt data for a `purpose`, with the secret key or with another `key`. The result is 16 bytes longer.

    Data that is sealed for one purpose cannot be opened for another.
    """
    return _cipher(key).encrypt(data, [purpose.encode()])


def unseal(sealed: bytes, purpose: str, *, key: str | None = None) -> bytes | None:
    """Return the sealed data, or None if it was changed, or sealed for another purpose or with another key."""
    try:
        return _cipher(key).decrypt(sealed, [purpose.encode()])
    except (InvalidTag, ValueError):  # ValueError: it is shorter than a tag
        return _unseal_legacy(sealed, purpose, key)


def _cipher(key: str | None) -> AESSIV:
    secret = settings.SECRET_KEY if key is None else key
    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"efir.sealing").derive(secret.encode())
    return AESSIV(derived)


def _unseal_legacy(sealed: bytes, purpose: str, key: str | None) -> bytes | None:
    """Open data that an earlier version sealed: links in sent messages, and secrets that were not used since."""
    tag, masked = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
    mask = salted_hmac(f"{purpose}.mask", tag, secret=key, algorithm="sha256").digest()
    data = bytes(left ^ right for left, right in zip(masked, mask, strict=False))
    expected = salted_hmac(f"{purpose}.tag", data, secret=key, algorithm="sha256").digest()[:TAG_BYTES]
    return data if len(masked) <= _LEGACY_LONGEST and compare_digest(tag, expected) else None
