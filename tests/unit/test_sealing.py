"""Sealing: what is sealed opens with its key and for its purpose alone."""

from __future__ import annotations

import pytest

from efir.lib.sealing import seal, unseal


@pytest.mark.parametrize("data", [b"", b"\x00", b"secret", b"x" * 100])
def test_unseals_its_own_values(data):
    assert unseal(seal(data, "test"), "test") == data


def test_hides_own_data():
    assert b"secret" not in seal(b"secret", "test")


def test_is_the_same_each_time():
    assert seal(b"secret", "test") == seal(b"secret", "test")


def test_opens_for_no_other_purpose_or_key():
    sealed = seal(b"secret", "test", key="one")
    assert unseal(sealed, "other", key="one") is None
    assert unseal(sealed, "test", key="two") is None
    assert unseal(sealed, "test", key="one") == b"secret"


@pytest.mark.parametrize("at", range(22))
def test_change_of_any_byte_is_noticed(at):
    sealed = bytearray(seal(b"secret", "test"))
    sealed[at] ^= 1
    assert unseal(bytes(sealed), "test") is None


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 200])
def test_forged_values_are_not_unsealed(sealed):
    assert unseal(sealed, "test") is None


LEGACY = bytes.fromhex("bf98f9be7bc5538fa818b2a26f6423c88e97ee0bd19f")


def test_unseals_values_of_earlier_versions():
    assert unseal(LEGACY, "test", key="one") == b"secret"
    assert unseal(LEGACY, "other", key="one") is None
    assert unseal(LEGACY, "test", key="two") is None
    assert seal(b"secret", "test", key="one") != LEGACY
