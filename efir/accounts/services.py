"""Create and close accounts, and find inviters and candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from efir.accounts.capabilities import Capability, Role, people_who_can
from efir.accounts.consent import consent_version, record_consent
from efir.accounts.models import LOGIN_MAX_LENGTH, Membership, Person, normalize_login, search_name
from efir.accounts.roles import LastAdmin, is_last_admin, lock_actor, lock_admins, role_lost
from efir.audit.actions import Action
from efir.audit.log import record, record_for_people
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, Parameter, columns_of, object_from
from efir.lib.phone import is_phone

log = structlog.get_logger(__name__)


class LoginTaken(ValueError):
    """An account with this login exists."""


def _role() -> QuerySet[Group, tuple[Any, ...]]:
    """Return a row for each permission of the role: id and name of the group, and the permission."""
    groups = Group.objects.filter(name=Parameter("name", Group, "name"))
    return groups.values_list("pk", "name", "permissions__content_type__app_label", "permissions__codename")


def _with_login() -> QuerySet[Person, tuple[int]]:
    return Person.objects.filter(login=Parameter("login", Person, "login")).values_list("pk")


def _inviter() -> QuerySet[Person, tuple[Any, ...]]:
    inviters = people_who_can(Capability.SEE_OWN_CANDIDATES)
    return inviters.filter(ref_code=Parameter("code", Person, "ref_code")).values_list(*columns_of(Person))


# A query of every sign-up.
_ROLE, _WITH_LOGIN, _INVITER = CompiledQuery(_role), CompiledQuery(_with_login), CompiledQuery(_inviter)


def create_person(  # noqa: PLR0913  # the fields of a person, all by name
    *,
    login: str,
    name: str,
    role: Role,
    password: str | None,
    invited_by: Person | None = None,
    consented: bool = False,
    language: str = "",
    context: Context | None = None,
    on_created: Callable[[Person], object] | None = None,
) -> Person:
    """Create an account with its role; with `password=None` nobody can log in to it until a password is set.

    `consented` records the consent; otherwise the first login asks for it. `context` is the admin who adds the person
    (None for a sign-up). `on_created` is called in the same transaction. Raises LoginTaken, ValueError if the login is
    too long, and PermissionDenied if the admin may not add people (any more).
    """
    login = normalize_login(login)
    if len(login) > LOGIN_MAX_LENGTH:
        raise ValueError(f"the login has {len(login)} characters, and the limit is {LOGIN_MAX_LENGTH}")
    person = Person(login=login, name=name, invited_by=invited_by, language=language, **_contact_in(login))
    if consented:
        person.consent_at, person.consent_version = clock.now(), consent_version()
    person.set_password(password)
    if _WITH_LOGIN.rows(login=login):
        raise LoginTaken(login)
    permissions = _ROLE.rows(name=role.value)
    try:
        with transaction.atomic():
            if context and not lock_actor(context, Capability.ASSIGN_ROLES):
                raise PermissionDenied(Capability.ASSIGN_ROLES)
            person.save(force_insert=True)
            Membership.objects.create(person=person, group_id=permissions[0][0])
            person.set_permissions(row[1:] for row in permissions)
            if context:
                record(Action.PERSON_ADDED, context, person_id=person.pk, role=role.value)
            if consented:
                record_consent(person, Context(person.pk, Source.WEB), before="")
            if on_created:
                on_created(person)
    except IntegrityError as exc:
        # Of two sign-ups at the same time the database accepts one.
        if Person.objects.filter(login=login).exists():
            raise LoginTaken(login) from exc
        raise
    log.info("person_created", person_id=person.pk, role=role.value, invited_by_id=person.invited_by_id)
    return person


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody whom `create_people` creates; `login` is normalised, and `name` clean."""

    login: str
    name: str
    role: Role
    email: str = ""
    invited_by_id: int | None = None


def create_people(people: Sequence[NewPerson], context: Context) -> list[Person]:
    """Create many accounts with few queries, in this order. Nobody has a password or has consented.

    Call it in a transaction. Raises IntegrityError if one of the logins exists.
    """
    created = []
    for new in people:
        contact = _contact_in(new.login)
        if new.email:
            contact["email"] = new.email
        person = Person(login=new.login, name=new.name, invited_by_id=new.invited_by_id, **contact)
        person.search_name = search_name(new.name)  # `save`, which sets it, is not called
        person.set_unusable_password()
        created.append(person)
    Person.objects.bulk_create(created)
    groups = dict(Group.objects.values_list("name", "pk"))
    Membership.objects.bulk_create(
        Membership(person=person, group_id=groups[new.role])
        for person, new in zip(created, people, strict=True)
    )
    record_for_people(
        Action.PERSON_ADDED,
        context,
        {person.pk: {"role": new.role.value} for person, new in zip(created, people, strict=True)},
    )
    return created


def _contact_in(login: str) -> dict[str, str]:
    """Return the contact that a login is: an e-mail address, a telephone number, or none."""
    if "@" in login:
        return {"email": login}
    return {"phone": login} if is_phone(login) else {}


def close_account(person: Person, context: Context) -> None:
    """Prevent logins and end all sessions. The account and its history stay.

    Raises LastAdmin if nobody else can assign roles.
    """
    with transaction.atomic():
        lock_admins()
        if is_last_admin(person):
            raise LastAdmin
        person.is_active = False
        person.set_unusable_password()
        person.save(update_fields=["is_active", "password"])
        record(Action.ACCOUNT_CLOSED, context, person_id=person.pk, changes=role_lost(person))


def inviter_by_code(code: str) -> Person | None:
    """Return the person with this referral code, if they may have candidates."""
    found = _INVITER.rows(code=code.strip().lower())
    return object_from(Person, found[0]) if found else None


def inviter_by_login(login: str) -> Person | None:
    """Return the person with this login, if they may have candidates."""
    return people_who_can(Capability.SEE_OWN_CANDIDATES).filter(login=normalize_login(login)).first()


def own_candidate(partner: Person, person_id: int) -> Person | None:
    """Return the person if this partner invited them, else None."""
    return Person.objects.filter(pk=person_id, invited_by=partner).first()
