"""Erase a person: facts keep the person's id, but nothing says any more who that was."""

from __future__ import annotations

import structlog
from axes.models import AccessAttempt
from django.db import transaction
from django.dispatch import Signal

from efir.accounts import second_factor
from efir.accounts.models import Membership, Person, Session, new_ref_code
from efir.accounts.roles import LastAdmin, is_last_admin, lock_admins, role_lost
from efir.audit.actions import Action
from efir.audit.log import record
from efir.audit.models import AuditAddress
from efir.hooks.actions import Context
from efir.lib import clock

# In Russian, like every name in the database; `Person.shown_name` translates it.
ERASED_NAME = "Аккаунт удалён"

# Sent within the transaction, with `person` still complete: each app erases what it stores about them.
erasing = Signal()

log = structlog.get_logger(__name__)


def erase(person_id: int, context: Context) -> Person:
    """Anonymize the person everywhere, forever. Idempotent: an erased person is returned unchanged.

    Raises LastAdmin if nobody else can assign roles.
    """
    with transaction.atomic():
        lock_admins()
        # no_key: inserts that refer to the person are not blocked; those that commit first are erased, too.
        person = Person.objects.select_for_update(no_key=True).get(pk=person_id)
        if person.erased_at:
            return person
        if is_last_admin(person):
            raise LastAdmin
        record(Action.PERSON_ERASED, context, person_id=person.pk, changes=role_lost(person))
        erasing.send(sender=Person, person=person)
        Session.objects.filter(person=person).delete()
        second_factor.forget(person)
        Membership.objects.filter(person=person).delete()
        AccessAttempt.objects.filter(username=person.login).delete()
        AuditAddress.objects.filter(actor_id=person.pk).delete()
        anonymize(person)
        log.info("person_erased", person_id=person.pk, actor_id=context.actor_id)
        return person


def anonymize(person: Person) -> None:
    """Replace everything that identifies the person.

    Saving records a change of access, which closes their open streams.
    """
    person.login, person.name, person.ref_code = f"erased-{person.pk}", ERASED_NAME, new_ref_code()
    person.email = person.phone = person.telegram_name = ""
    person.last_login = None
    person.set_unusable_password()
    person.is_active = False
    person.erased_at = clock.now()
    person.save()
