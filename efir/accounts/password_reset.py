"""Passwords that are forgotten: the one-time link, and the question for it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.dispatch import Signal
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from efir.accounts.models import Person

# Sent when somebody asks for a link for this `login` (in its one spelling), whether anybody has it or not. A receiver
# does the same work for every log-in: how long it takes, too, must not tell which accounts there are.
password_forgotten = Signal()


def one_time_link(person: Person) -> str:
    """The address at which the person sets a password, once; it stops working with the next log-in, too."""
    uid, token = urlsafe_base64_encode(force_bytes(person.pk)), default_token_generator.make_token(person)
    return settings.EFIR.public_url + reverse("password_reset_confirm", args=[uid, token])
