"""`efir person`: add, close, export, erase and reset the second factor."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from efir.accounts import second_factor
from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import NAME_MAX_LENGTH, Person, normalize_login
from efir.accounts.personal_data import export_data
from efir.accounts.roles import LastAdmin
from efir.accounts.services import LoginTaken, close_account, create_person, inviter_by_login
from efir.accounts.validators import clean_name, name_from_login
from efir.audit.actions import Action
from efir.audit.log import record
from efir.config import ConfigError
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.ops.cli.output import fail, print_lines

BY_OPERATOR = Context(None, Source.CLI)


def add_person(options: argparse.Namespace) -> int:
    """Make an account and print it. Raises ConfigError for an unknown inviter or an empty password."""
    login = options.login
    if not normalize_login(login):
        return fail(
            "invalid_login",
            "a login is an e-mail address or a telephone number; this one has no visible characters",
        )
    try:
        name = clean_name(options.name or name_from_login(normalize_login(login)))
    except ValidationError:
        return fail(
            "invalid_name",
            f"a name is one line of letters without an address, {NAME_MAX_LENGTH} characters at most: --name NAME",
        )
    inviter = inviter_by_login(options.inviter) if options.inviter else None
    if options.inviter and inviter is None:
        raise ConfigError(
            f"--inviter is {options.inviter!r}, but it must be the login of somebody who may have candidates."
        )
    password = _read_password(login) if options.password_stdin else None
    try:
        person = create_person(
            login=login,
            name=name,
            role=Role(options.role),
            password=password,
            invited_by=inviter,
            context=BY_OPERATOR,
        )
    except LoginTaken:
        return fail("login_taken", f"an account exists with the login {login}")
    except ValueError as exc:
        return fail("login_too_long", str(exc))
    return print_lines(
        [{"id": person.pk, "login": person.login, "role": person.role, "ref_code": person.ref_code}]
    )


def _read_password(login: str) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("standard input is empty, but --password-stdin reads the password from it.")
    try:
        validate_password(password, Person(login=login))
    except ValidationError as exc:  # the operator may accept it
        print(f"efir: a weak password, accepted anyway: {' '.join(exc.messages)}", file=sys.stderr)
    return password


def close_person(options: argparse.Namespace) -> int:
    """Close an account: its history stays, its sessions end, and nobody can log in to it."""
    person = find_person(options.login)
    if person is None:
        return person_not_found(options.login)
    try:
        close_account(person, BY_OPERATOR)
    except LastAdmin:
        return _last_admin()
    return print_lines([{"id": person.pk, "login": person.login, "is_active": person.is_active}])


def export_person(options: argparse.Namespace) -> int:
    """Write everything that is stored about a person to a new file that only this user can read."""
    person = find_person(options.login)
    if person is None:
        return person_not_found(options.login)
    data = export_data(person)
    try:
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
    except OSError as exc:
        return fail(
            "file_not_written", f"{options.file}: {exc.strerror}. Name a file that does not exist yet."
        )
    with transaction.atomic():
        record(Action.DATA_EXPORTED, BY_OPERATOR, person_id=person.pk)
    return print_lines([{"id": person.pk, "file": str(options.file)}])


def erase_person(options: argparse.Namespace) -> int:
    """Anonymize a person, whose login becomes `erased-ID`. Idempotent."""
    person = find_person(options.login, erased=True)
    if person is None:
        return person_not_found(options.login)
    try:
        erased = erase(person.pk, BY_OPERATOR)
    except LastAdmin:
        return _last_admin()
    at = clock.iso(erased.erased_at) if erased.erased_at else None
    return print_lines([{"id": erased.pk, "login": erased.login, "erased_at": at}])


def reset_second_factor(options: argparse.Namespace) -> int:
    """Remove a person's second factor, and end their sessions. Idempotent."""
    person = find_person(options.login)
    if person is None:
        return person_not_found(options.login)
    was_on = second_factor.reset(person, BY_OPERATOR)
    return print_lines([{"id": person.pk, "login": person.login, "second_factor_was_on": was_on}])


def _last_admin() -> int:
    return fail("last_admin", "nobody else may assign roles: make somebody else an admin first")


def find_person(login: str, *, erased: bool = False) -> Person | None:
    """Return the person with this login, or None.

    With `erased`, `erased-ID` finds the person by id, too: a restore may have brought the old login back.
    """
    person = Person.objects.filter(login=normalize_login(login)).first()
    if person is None and erased and (match := re.fullmatch(r"erased-(\d{1,18})", login)):
        person = Person.objects.filter(pk=int(match[1])).first()
    return person


def person_not_found(login: str) -> int:
    """Say that there is no such person. Return the exit code."""
    return fail("person_not_found", f"there is no person with the login {login}")
