"""Notices: what a person asks the bot for, in a row that outlives the process; `errands` sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.dispatch import receiver

from efir.accounts.models import Person
from efir.accounts.password_reset import password_forgotten
from efir.lib import clock
from efir.telegram.models import ChatNotice, Purpose

# Nobody waits longer at the page that says "in a few seconds".
LIVES = timedelta(minutes=15)


def ask_test(person: Person) -> None:
    """Have the bot write to this person."""
    _ask(Purpose.TEST, person.login)


@receiver(password_forgotten, dispatch_uid="efir.telegram.password_forgotten")
def ask_password_reset(login: str, **kwargs: Any) -> None:
    """Have the bot send a link for a new password to whoever has this log-in, if anybody has and can be reached.

    Without a bot nobody would ever send it.
    """
    if settings.EFIR.telegram_token:
        _ask(Purpose.PASSWORD_RESET, login)


def _ask(purpose: Purpose, login: str) -> None:
    """Asking again while the first is on its way changes nothing."""
    now = clock.now()
    ChatNotice.objects.filter(purpose=purpose, login=login, expires_at__lte=now).delete()
    fresh = ChatNotice(purpose=purpose, login=login, created_at=now, expires_at=now + LIVES, next_at=now)
    ChatNotice.objects.bulk_create([fresh], ignore_conflicts=True)
