"""The one-time link that sets a password, and the signal that asks for one."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.dispatch import Signal
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from efir.accounts.models import Person

# Sent when somebody asks for a link for the normalised `login`, whether it exists or not. A receiver must do the same
# work for every login: even the response time must not reveal which accounts exist.
password_forgotten = Signal()


def one_time_link(person: Person) -> str:
    """Return the address at which the person can set a password once. The next login makes it invalid, too."""
    uid, token = urlsafe_base64_encode(force_bytes(person.pk)), default_token_generator.make_token(person)
    return settings.EFIR.public_url + reverse("password_reset_confirm", args=[uid, token])
