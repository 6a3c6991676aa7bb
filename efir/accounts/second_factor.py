"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for people who lost it.

The app's secret is sealed with the secret key. A code is accepted once, a recovery code too. Nothing here asks for the
password: the forms do, and `efir.accounts.password_step` between the two steps of a login.
"""

from __future__ import annotations

import secrets
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from enum import Enum
from typing import Any

import pyotp
import structlog
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.dispatch import Signal
from django.utils.crypto import constant_time_compare

from efir.accounts.access_changes import note_change
from efir.accounts.models import REF_ALPHABET, Person, RecoveryCode, SecondFactor, Session
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context
from efir.lib import clock, sealing
from efir.lib.text import clean_token

STEP_S = 30  # of RFC 6238; authenticator apps know no other
# A phone's clock may be half a minute off, and typing takes a while.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
# 59 bits, hashed like a password: too many to guess from a stolen table, few enough to type.
RECOVERY_CODE_LENGTH = 12
_GROUP = 4

# Sent within the transaction, with `person` and `action`: their second factor was set up, switched off or reset, or a
# recovery code was used.
second_factor_changed = Signal()
# Sent with `person`: somebody who knows the password keeps entering wrong codes.
codes_guessed = Signal()

log = structlog.get_logger(__name__)


class Refusal(Enum):
    """The reasons for which a code is not accepted."""

    WRONG = "wrong"
    # As long as a recovery code, but none of those that are left: they are deleted when they are used.
    NO_RECOVERY_CODE = "no_recovery_code"
    USED = "used"
    # The app's secret was sealed with another secret key: only recovery codes are accepted.
    UNREADABLE = "unreadable"


class CodeRefused(Exception):
    """The code is not accepted."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.value)
        self.why = why


class AlreadyOn(Exception):
    """Raised if the person already has a second factor, perhaps set up in another window at the same moment."""


def is_on(person: Person) -> bool:
    """Return whether the person has to show a code beside the password."""
    return SecondFactor.objects.filter(person=person).exists()


def codes_left(person: Person) -> int:
    """Return how many recovery codes the person has not used."""
    return RecoveryCode.objects.filter(person=person).count()


def check_code(person: Person, text: str, context: Context) -> int | None:
    """Accept a code of the person's app or a recovery code, once. Raises CodeRefused.

    Return how many recovery codes are left if it was one of them, else None.
    """
    factor = SecondFactor.objects.filter(person=person).first()
    if factor is None:
        raise CodeRefused(Refusal.WRONG)
    code = _normalize(text)
    if len(code) == RECOVERY_CODE_LENGTH:
        return _spend_recovery_code(person, code, context)
    secret = unseal_secret(factor.sealed_secret, person)
    if secret is None:
        raise CodeRefused(Refusal.UNREADABLE)
    step = matching_step(secret, code)
    if step is None:
        raise CodeRefused(Refusal.WRONG)
    # Of two requests with the same code one finds the row. The secret is sealed again, because an earlier revision had
    # another cipher.
    unused = SecondFactor.objects.filter(person=person, last_step__lt=step)
    if not unused.update(last_step=step, sealed_secret=seal_secret(secret, person)):
        raise CodeRefused(Refusal.USED)
    return None


def matching_step(secret: str, code: str) -> int | None:
    """Return the time step whose code this is, now or one step before or after; None if there is none."""
    app, now = pyotp.TOTP(secret), int(clock.now().timestamp()) // STEP_S
    steps = range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
    return next((step for step in steps if constant_time_compare(app.generate_otp(step), code)), None)


def _normalize(text: str) -> str:
    return clean_token(text).replace("-", "").replace(" ", "").lower()


def _spend_recovery_code(person: Person, code: str, context: Context) -> int:
    for row in RecoveryCode.objects.filter(person=person):
        if check_password(code, row.hash):
            break
    else:
        raise CodeRefused(Refusal.NO_RECOVERY_CODE)
    with transaction.atomic():
        if not RecoveryCode.objects.filter(pk=row.pk).delete()[0]:  # another request was faster
            raise CodeRefused(Refusal.USED)
        left = codes_left(person)
        _note(Action.RECOVERY_CODE_USED, person, context, codes_left=left)
    return left


# Setting up, switching off, resetting.


def new_secret() -> str:
    """Return a new random secret in Base32, as apps take it."""
    return pyotp.random_base32()


def app_address(secret: str, person: Person, issuer: str) -> str:
    """Return the `otpauth:` address that a QR code holds for the app; `issuer` is the site's name."""
    return pyotp.TOTP(secret).provisioning_uri(name=person.login, issuer_name=issuer)


def enable(person: Person, secret: str, code: str, context: Context) -> list[str]:
    """Begin to ask for codes, and return the recovery codes, which are shown once and stored as hashes.

    `code` proves that the app has the secret. Raises CodeRefused and AlreadyOn.
    """
    step = matching_step(secret, _normalize(code))
    if step is None:
        raise CodeRefused(Refusal.WRONG)
    codes, rows = _new_recovery_codes(person)
    try:
        with transaction.atomic():
            SecondFactor.objects.create(
                person=person, sealed_secret=seal_secret(secret, person), last_step=step
            )
            RecoveryCode.objects.filter(person=person).delete()
            RecoveryCode.objects.bulk_create(rows)
            _note(Action.SECOND_FACTOR_ENABLED, person, context)
    except IntegrityError:
        raise AlreadyOn from None
    return codes


def replace_recovery_codes(person: Person, context: Context) -> list[str]:
    """Return new recovery codes; those from before end."""
    codes, rows = _new_recovery_codes(person)
    with transaction.atomic():
        RecoveryCode.objects.filter(person=person).delete()
        RecoveryCode.objects.bulk_create(rows)
        record(Action.RECOVERY_CODES_ISSUED, context, person_id=person.pk)
    log.info("recovery_codes_issued", person_id=person.pk)
    return codes


def disable(person: Person, context: Context) -> None:
    """Stop asking for codes, at their owner's request. Idempotent."""
    with transaction.atomic():
        if forget(person):
            _note(Action.SECOND_FACTOR_DISABLED, person, context)


def reset(person: Person, context: Context) -> bool:
    """Remove the second factor of somebody who lost it, and end all their sessions. Return whether there was one."""
    with transaction.atomic():
        if not forget(person):
            return False
        # Somebody who found the lost telephone may be logged in on it.
        Session.objects.filter(person=person).delete()
        note_change([person.pk])
        _note(Action.SECOND_FACTOR_RESET, person, context)
    return True


def forget(person: Person) -> bool:
    """Delete the second factor and its recovery codes. Return whether there was one."""
    RecoveryCode.objects.filter(person=person).delete()
    return bool(SecondFactor.objects.filter(person=person).delete()[0])


def _new_recovery_codes(person: Person) -> tuple[list[str], list[RecoveryCode]]:
    # Outside a transaction: each hash takes a tenth of a second, and on SQLite nobody else could write meanwhile.
    codes = [
        "".join(secrets.choice(REF_ALPHABET) for _ in range(RECOVERY_CODE_LENGTH))
        for _ in range(RECOVERY_CODES)
    ]
    rows = [RecoveryCode(person=person, hash=make_password(code)) for code in codes]
    return ["-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP)) for code in codes], rows


def _note(action: Action, person: Person, context: Context, **details: Any) -> None:
    record(action, context, person_id=person.pk, **details)
    second_factor_changed.send(sender=Person, person=person, action=action)
    log.info(action.value, person_id=person.pk, actor_id=context.actor_id)


# The secret at rest. It is sealed for its person, so that it cannot be opened in the row of another one.


def seal_secret(secret: str, person: Person, *, key: str | None = None) -> str:
    """Return the secret as it is stored."""
    data = pyotp.TOTP(secret).byte_secret()
    return urlsafe_b64encode(sealing.seal(data, _purpose(person.pk), key=key)).decode()


def unseal_secret(sealed: str, person: Person, *, key: str | None = None) -> str | None:
    """Return the secret in Base32, or None if it was sealed with another secret key or for somebody else."""
    data = sealing.unseal(urlsafe_b64decode(sealed), _purpose(person.pk), key=key)
    return b32encode(data).decode() if data else None


def unreadable() -> list[int]:
    """Return the ids of people whose secret was sealed with another secret key."""
    factors = SecondFactor.objects.select_related("person").order_by("pk")
    return [each.pk for each in factors if unseal_secret(each.sealed_secret, each.person) is None]


def change_key(old: str, new: str) -> int:
    """Seal all secrets with a new secret key; return how many of them the old key could not open."""
    lost = 0
    for factor in SecondFactor.objects.select_related("person"):
        secret = unseal_secret(factor.sealed_secret, factor.person, key=old)
        if secret is None:
            lost += 1
            continue
        factor.sealed_secret = seal_secret(secret, factor.person, key=new)
        factor.save(update_fields=["sealed_secret"])
    return lost


def _purpose(person_id: int) -> str:
    return f"efir.second-factor.{person_id}"
