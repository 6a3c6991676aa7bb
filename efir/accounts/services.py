"""Making accounts, and finding who invited whom."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from efir.accounts.capabilities import Capability, Role, people_who_can
from efir.accounts.models import LONGEST_LOGIN, Membership, Person, is_phone, normalize_login
from efir.accounts.roles import role_lost
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context, Source
from efir.lib import clock

# Moves with every change of what the text promises: everybody is asked again at their next log-in.
CONSENT_VERSION = "2026-11-23"

log = structlog.get_logger(__name__)


class LoginTaken(ValueError):
    """An account with this login exists."""


def create_person(  # noqa: PLR0913  # the fields of a person, all by name
    *,
    login: str,
    name: str,
    role: Role,
    password: str | None,
    invited_by: Person | None = None,
    consented: bool = False,
    context: Context | None = None,
    on_created: Callable[[Person], object] | None = None,
) -> Person:
    """Make an account with its role; without a password nobody can log in until one is set.

    `context` tells who adds somebody else; `on_created` is called in the transaction that makes the account. Who has
    not consented is asked at their first log-in. Raises LoginTaken, and ValueError for a log-in that is too long.
    """
    login = normalize_login(login)
    if len(login) > LONGEST_LOGIN:
        raise ValueError(f"a log-in of {len(login)} characters: {LONGEST_LOGIN} are the most")
    person = Person(login=login, name=name, invited_by=invited_by)
    if "@" in login:
        person.email = login
    elif is_phone(login):
        person.phone = login
    person.set_password(password)
    if Person.objects.filter(login=login).exists():
        raise LoginTaken(login)
    try:
        with transaction.atomic():
            person.save(force_insert=True)
            Membership.objects.create(person=person, group=Group.objects.get(name=role))
            if context:
                record(Action.PERSON_ADDED, context, person_id=person.pk, role=role.value)
            if consented:
                accept_consent(person, Context(person.pk, Source.WEB))
            if on_created:
                on_created(person)
    except IntegrityError as exc:
        # Two sign-ups at once: the database let one of them in.
        if Person.objects.filter(login=login).exists():
            raise LoginTaken(login) from exc
        raise
    log.info("person_created", person_id=person.pk, role=role, invited_by_id=person.invited_by_id)
    return person


def needs_consent(person: Person) -> bool:
    """Whether the person has not consented to the text as it is now."""
    return person.consent_version != CONSENT_VERSION


def accept_consent(person: Person, context: Context) -> None:
    """The person consents to the text as it is now; which ones they consented to before, the audit log tells."""
    version = {"consent_version": (person.consent_version, CONSENT_VERSION)}
    person.consent_at, person.consent_version = clock.now(), CONSENT_VERSION
    with transaction.atomic():
        person.save(update_fields=["consent_at", "consent_version"])
        record(Action.CONSENT_GIVEN, context, person_id=person.pk, changes=version)


def close_account(person: Person, context: Context) -> None:
    """The account stays, as its history does, but nobody logs in to it and its sessions end."""
    with transaction.atomic():
        person.is_active = False
        person.set_unusable_password()
        person.save(update_fields=["is_active", "password"])
        record(Action.ACCOUNT_CLOSED, context, person_id=person.pk, changes=role_lost(person))


def inviter_by_code(code: str) -> Person | None:
    """The person behind a referral code; only the codes of those who may have candidates count."""
    inviter: Person | None = (
        people_who_can(Capability.SEE_OWN_CANDIDATES).filter(ref_code=code.strip().lower()).first()
    )
    return inviter


def inviter_by_login(login: str) -> Person | None:
    """The person with this log-in, if they may have candidates."""
    return people_who_can(Capability.SEE_OWN_CANDIDATES).filter(login=normalize_login(login)).first()


def own_candidate(partner: Person, person_id: int) -> Person | None:
    """A candidate whom this partner invited, or nothing: other people's are not shown."""
    return Person.objects.filter(pk=person_id, invited_by=partner).first()
