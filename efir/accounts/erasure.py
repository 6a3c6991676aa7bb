"""Erasing a person: what they did stays as facts about a number, and nothing tells any more whose number it is."""

from __future__ import annotations

import structlog
from axes.models import AccessAttempt
from django.db import transaction
from django.dispatch import Signal

from efir.accounts.models import Membership, Person, Session, new_ref_code
from efir.accounts.roles import LastAdmin, is_last_admin, lock_admins, role_lost
from efir.audit.actions import Action
from efir.audit.log import record
from efir.audit.models import AuditAddress
from efir.hooks.actions import Context
from efir.lib import clock

# What the people who knew them read in their place, in the messages' language.
ERASED_NAME = "Аккаунт удалён"

# Sent within the transaction, with `person` as they were: each room erases what it keeps of them.
erasing = Signal()

log = structlog.get_logger(__name__)


def erase(person_id: int, context: Context) -> Person:
    """Make the person unrecognisable everywhere, for ever; asked again, it is answered as done. Raises LastAdmin."""
    with transaction.atomic():
        lock_admins()
        # no_key: what refers to the person goes on meanwhile, and is erased with the rest if it comes first.
        person = Person.objects.select_for_update(no_key=True).get(pk=person_id)
        if person.erased_at:
            return person
        if is_last_admin(person):
            raise LastAdmin
        record(Action.PERSON_ERASED, context, person_id=person.pk, changes=role_lost(person))
        erasing.send(sender=Person, person=person)
        _forget_access(person)
        anonymize(person)
        log.info("person_erased", person_id=person.pk, actor_id=context.actor_id)
        return person


def _forget_access(person: Person) -> None:
    Session.objects.filter(person=person).delete()
    Membership.objects.filter(person=person).delete()
    AccessAttempt.objects.filter(username=person.login).delete()
    AuditAddress.objects.filter(actor_id=person.pk).delete()


def anonymize(person: Person) -> None:
    """Saving also tells every process that the person's access has changed: open streams are cut off."""
    person.login, person.name, person.ref_code = f"erased-{person.pk}", ERASED_NAME, new_ref_code()
    person.email = person.phone = person.telegram_name = ""
    person.last_login = None
    person.set_unusable_password()
    person.is_active = False
    person.erased_at = clock.now()
    person.save()
