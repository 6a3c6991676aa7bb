"""Replace a password, so that one of several concurrent changes succeeds, and send the signals about it."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import Signal

from efir.accounts.access_changes import note_change
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context

# Sent within the transaction, with `person`: the password was changed by its owner, with the old one.
password_changed = Signal()
# Sent within the transaction, with `person`: an admin made a one-time link that sets the password.
password_link_made = Signal()


class PasswordOvertaken(Exception):
    """Raised if the password was changed, or the account was closed, after the person was read."""


def set_password(person: Person, password: str, action: Action, context: Context) -> None:
    """Replace the password that `person` was read with, which ends all sessions, and record `action`.

    Of several calls at the same time one succeeds. Raises PasswordOvertaken for the others; nothing is changed then.
    """
    before = person.password
    # Outside the transaction: hashing takes a tenth of a second, and on SQLite nobody else could write meanwhile.
    person.set_password(password)
    with transaction.atomic():
        unchanged = Person.objects.filter(pk=person.pk, password=before, is_active=True)
        if not unchanged.update(password=person.password):
            raise PasswordOvertaken
        note_change([person.pk])
        record(action, context, person_id=person.pk)
        if action is Action.PASSWORD_CHANGED:
            password_changed.send(sender=Person, person=person)
