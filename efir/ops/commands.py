"""What each command of `efir` does, once Django is set up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from efir import clock
from efir.accounts.capabilities import Role
from efir.accounts.models import Person, normalize_login
from efir.accounts.people import LoginTaken, create_person, inviter_by_login
from efir.config import ConfigError
from efir.hooks.actions import Context, Refused, Source
from efir.ops import listings
from efir.ops.archive import archive
from efir.ops.database import migrate
from efir.ops.models import DemoMark
from efir.ops.run import run_demo, run_serve, run_web, run_worker
from efir.webinars import core
from efir.webinars.models import Webinar


def run(options: argparse.Namespace) -> int:
    """Carry out the parsed command; the exit code. Raises ConfigError."""
    migrate(verbosity=1 if options.command == "migrate" else 0)
    clock.refresh()
    if options.command in {"serve", "web", "worker"}:
        refuse_demo_people()
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "migrate": lambda _: 0,
        "serve": lambda _: run_serve(),
        "web": lambda _: run_web(),
        "worker": lambda _: run_worker(),
        "demo": lambda options: run_demo(reset=options.reset),
        "person": lambda options: {"add": add_person, "close": close_person}[options.action](options),
        "webinar": webinar,
        "journal": lambda options: _print_lines(listings.journal(options.webinar)),
        "verdicts": lambda options: _print_lines(listings.verdicts(options.webinar)),
        "outbox": lambda options: _print_lines(listings.outbox(options.webinar, options.state)),
    }
    return commands[options.command](options)


def refuse_demo_people() -> None:
    """Everybody knows the passwords of the demo's people. Raises ConfigError where they are in the database."""
    if DemoMark.objects.exists():
        raise ConfigError(
            "the database holds the demo's people, whose passwords everybody knows. Give the real thing its own "
            "place: EFIR_DATA_DIR (and EFIR_DATABASE_URL, if it is set)."
        )


def add_person(options: argparse.Namespace) -> int:
    """`efir person add`: prints the person as one JSON line."""
    inviter = _inviter(options.inviter) if options.inviter else None
    password = _password(options.login) if options.password_stdin else None
    try:
        person = create_person(
            login=options.login,
            name=options.name or options.login,
            role=Role(options.role),
            password=password,
            invited_by=inviter,
        )
    except LoginTaken:
        return _fail("login_taken", f"there is a person with the log-in {options.login}")
    return _print_lines(
        [{"id": person.pk, "login": person.login, "role": person.role, "ref_code": person.ref_code}]
    )


def close_person(options: argparse.Namespace) -> int:
    """`efir person close`: the account stays, as its history does, but nobody logs in to it and its sessions end."""
    person = Person.objects.filter(login=normalize_login(options.login)).first()
    if person is None:
        return _fail("person_not_found", f"there is nobody with the log-in {options.login}")
    person.is_active = False
    person.set_unusable_password()
    person.save(update_fields=["is_active", "password"])
    return _print_lines([{"id": person.pk, "login": person.login, "is_active": person.is_active}])


def _inviter(login: str) -> Person:
    inviter = inviter_by_login(login)
    if inviter is None:
        raise ConfigError(
            f"--inviter is {login!r}, but it must be the log-in of somebody who may have candidates."
        )
    return inviter


def _password(login: str) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("standard input is empty, but --password-stdin reads the password from it.")
    try:
        validate_password(password, Person(login=login))
    except ValidationError as exc:  # whoever has this command line may know why
        print(f"efir: a weak password: {' '.join(exc.messages)}", file=sys.stderr)
    return password


def webinar(options: argparse.Namespace) -> int:
    """`efir webinar …`: the list, or one change of status through Core."""
    if options.action == "list":
        return _print_lines(listings.webinars())
    try:
        changed = _change(options.action, options.id)
    except Refused as refused:
        return _fail(refused.code.value, refused.detail)
    return _print_lines([listings.webinar_line(changed)])


def _change(action: str, webinar_id: int) -> Webinar:
    context = Context(None, Source.CLI)
    if action in ("start", "stop"):
        return core.core_webinar_set_status(webinar_id, action, context)
    system: dict[str, Callable[[int, Context], Webinar]] = {
        "pause": core.pause,
        "resume": core.resume,
        "archive": archive,
    }
    return system[action](webinar_id, context)


def _fail(code: str, detail: str) -> int:
    print(json.dumps({"error": code, "detail": detail}, ensure_ascii=False), file=sys.stderr)
    return 1


def _print_lines(lines: Iterable[dict[str, Any]]) -> int:
    for line in lines:
        print(json.dumps(line, ensure_ascii=False), flush=False)
    return 0
