"""The one-time links that set a password, and the signal that asks for one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.dispatch import Signal
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from efir.accounts.models import Person

# Sent when somebody asks for a link for the normalised `login`, whether it exists or not. A receiver must do the same
# work for every login: even the response time must not reveal which accounts exist.
password_forgotten = Signal()


# People who come over from another system are asked once, not when they are waiting for the link: two weeks outlast a
# holiday.
INVITATION_TIMEOUT = timedelta(days=14)


class _InvitationTokenGenerator(PasswordResetTokenGenerator):
    """Dates tokens ahead, so that the default generator, which verifies them, accepts them for longer."""

    def _now(self) -> datetime:
        return super()._now() + INVITATION_TIMEOUT - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


_invitation_tokens = _InvitationTokenGenerator()


def one_time_link(person: Person) -> str:
    """Return the address at which the person can set a password once. The next login makes it invalid, too."""
    return _link(person, default_token_generator)


def invitation_link(person: Person) -> str:
    """Return a one-time link for an imported person without a password, valid for `INVITATION_TIMEOUT`."""
    return _link(person, _invitation_tokens)


def _link(person: Person, tokens: PasswordResetTokenGenerator) -> str:
    uid, token = urlsafe_base64_encode(force_bytes(person.pk)), tokens.make_token(person)
    return settings.EFIR.public_url + reverse("password_reset_confirm", args=[uid, token])
