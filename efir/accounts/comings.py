"""Who came in, who went and who was not let in, for the log: people by number, and nothing of what was typed."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from efir.accounts.models import Person

log = structlog.get_logger(__name__)


@receiver(user_logged_in)
def _came(sender: object, user: Person, **_: Any) -> None:
    log.info("logged_in", person_id=user.pk)


@receiver(user_logged_out)
def _went(sender: object, user: Person | None, **_: Any) -> None:
    if user:
        log.info("logged_out", person_id=user.pk)


@receiver(user_login_failed)
def _not_let_in(sender: object, **_: Any) -> None:
    """Whose log-in it was and from where is in axes' table, for a day: a search here would tell by its time."""
    log.warning("log_in_failed")
