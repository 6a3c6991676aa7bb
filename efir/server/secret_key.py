"""The installation's secret key, which signs sessions and links: its fingerprint in the database, and its rotation.

A process with another key would end the sessions of everybody who logged in at the first one, and vice versa.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from efir.accounts import second_factor
from efir.accounts.models import Session
from efir.config import KEY_FILE, ConfigError, new_secret_key, secret_key_variable
from efir.lib import clock
from efir.server.heartbeats import is_running
from efir.server.locks import exclusive_lock
from efir.server.models import SecretKeyFingerprint


def fingerprint(key: str) -> str:
    """Return the keyed hash that identifies the key in the database; the key cannot be computed from it."""
    return salted_hmac("efir.secret-key-fingerprint", "", secret=key, algorithm="sha256").hexdigest()


def is_installations_key(key: str) -> bool:
    """Return whether the database has the fingerprint of this key, or none yet."""
    known = SecretKeyFingerprint.objects.values_list("fingerprint", flat=True).first()
    return known is None or constant_time_compare(known, fingerprint(key))


def confirm() -> None:
    """Write the fingerprint of the key at the installation's first start. Raises ConfigError for another key."""
    key = settings.EFIR.secret_key
    if not SecretKeyFingerprint.objects.exists():
        # Of two processes that start at this moment one writes the row, and both compare with it.
        SecretKeyFingerprint.objects.get_or_create(
            defaults={"fingerprint": fingerprint(key), "set_at": clock.now()}
        )
    if is_installations_key(key):
        return
    variable = secret_key_variable(os.environ)
    path = settings.EFIR.data_dir / KEY_FILE
    raise ConfigError(
        f"the secret key of this process ({variable or path}) is not the installation's: each would end the "
        "sessions of the other. Give it the same key as the other processes: the same "
        f"EFIR_SECRET_KEY, or a copy of their {KEY_FILE} (mode 600) in EFIR_DATA_DIR. If that key is lost, stop "
        "all processes and run `efir rotate-key`: everybody has to log in again."
    )


def store_fingerprint(key: str) -> bool:
    """Make `key` the installation's; return whether it replaces another one."""
    if SecretKeyFingerprint.objects.exists() and is_installations_key(key):
        return False
    _row, is_new = SecretKeyFingerprint.objects.update_or_create(
        defaults={"fingerprint": fingerprint(key), "set_at": clock.now()}
    )
    return not is_new


class Rotated(NamedTuple):
    """The result of a rotation: sessions that ended, and second factors whose app's codes are no longer accepted."""

    sessions: int
    second_factors_lost: int


def rotate(old_key: str | None = None) -> Rotated:
    """Change the key and end all sessions. A key of the data directory is made again.

    A key from the environment was changed there before, so it is adopted; then `old_key`, if it is given, lets second
    factors be sealed with the new one. Raises ConfigError while processes run, if the environment still gives the old
    key, and if `old_key` is not the one in force.
    """
    with exclusive_lock("web"), exclusive_lock("worker"):
        if is_running():
            raise ConfigError(
                "a process of this installation is running with the old key: stop all of them, on every machine, "
                "and try again (half a minute later, if one was killed)."
            )
        variable = secret_key_variable(os.environ)
        key = settings.EFIR.secret_key if variable else new_secret_key()
        if variable and is_installations_key(key):
            raise ConfigError(
                f"{variable} still gives the key that is in force: put a new one there first, of at least 32 "
                "characters (`openssl rand -base64 48` makes one), then run this again."
            )
        if old_key is not None and not is_installations_key(old_key):
            raise ConfigError("the given old key is not the one that was in force.")
        if old_key is None and not variable:
            old_key = settings.EFIR.secret_key
        with transaction.atomic():
            # An empty key decrypts nothing, so all second factors count as lost.
            lost = second_factor.change_key(old_key or "", key)
            store_fingerprint(key)
            ended = Session.objects.all().delete()[0]
            # Last before the commit: if it fails nothing has changed, and if the commit fails this can be run again.
            if not variable:
                write_key_file(key.encode())
    return Rotated(ended, lost)


def write_key_file(key: bytes) -> None:
    """Replace the key of the data directory; the file appears as a whole. Raises OSError."""
    path = settings.EFIR.data_dir / KEY_FILE
    temporary = path.with_name(f".{KEY_FILE}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
