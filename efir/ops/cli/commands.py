"""What each command of `efir` does, once Django is set up."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from efir.accounts.capabilities import Role
from efir.accounts.models import Person, normalize_login
from efir.accounts.services import LoginTaken, close_account, create_person, inviter_by_login
from efir.accounts.validators import NAME_MAX_LENGTH, clean_name
from efir.config import ConfigError
from efir.hooks.actions import ActionRefused, Context, Source
from efir.lib import clock
from efir.ops.cli import backup as keeping
from efir.ops.cli import listings, people
from efir.ops.cli.output import fail, print_lines
from efir.ops.doctor.runner import run_doctor
from efir.pages.audit_entries import AuditFilter, deed_line, every_deed
from efir.server.archiving import archive
from efir.server.migrate import migrate
from efir.server.models import DemoMark
from efir.webinars import core
from efir.webinars.models import Webinar

# What looks at the database in the schema that it is in, whichever that may be.
AS_IT_IS = frozenset({"backup", "restore", "verify"})


def run(options: argparse.Namespace) -> int:
    """Carry out the parsed command; the exit code. Raises ConfigError."""
    if options.command == "doctor":
        return run_doctor(as_json=options.json)
    if options.command not in AS_IT_IS:
        migrate(verbosity=1 if options.command == "migrate" else 0)
    clock.refresh()
    if options.command in {"serve", "web", "worker"}:
        refuse_demo_people()
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "migrate": lambda _: 0,
        **dict.fromkeys(("serve", "web", "worker", "demo"), long_running),
        "person": person,
        "webinar": webinar,
        "journal": lambda options: print_lines(listings.journal(options.webinar)),
        "verdicts": lambda options: print_lines(listings.verdicts(options.webinar)),
        "audit": audit,
        "outbox": lambda options: print_lines(listings.outbox(options.webinar, options.state)),
        "backup": keeping.run_backup,
        "restore": keeping.run_restore,
        "held": keeping.run_held,
        "verify": lambda _: keeping.run_verify(),
    }
    return commands[options.command](options)


def long_running(options: argparse.Namespace) -> int:
    """`efir serve`, `web`, `worker`, `demo`."""
    # Servers and the Bot API's client: half a second that no other command has to wait for.
    from efir.demo.run import run_demo
    from efir.server import processes

    if options.command == "demo":
        return run_demo(reset=options.reset)
    return {"serve": processes.run_serve, "web": processes.run_web, "worker": processes.run_worker}[
        options.command
    ]()


def refuse_demo_people() -> None:
    """Everybody knows the passwords of the demo's people. Raises ConfigError where they are in the database."""
    if DemoMark.objects.exists():
        raise ConfigError(
            "the database holds the demo's people, whose passwords everybody knows. Give the real thing its own "
            "place: EFIR_DATA_DIR (and EFIR_DATABASE_URL, if it is set)."
        )


def person(options: argparse.Namespace) -> int:
    """`efir person …`."""
    actions = {
        "add": add_person,
        "close": close_person,
        "export": people.export_person,
        "erase": people.erase_person,
    }
    return actions[options.action](options)


def add_person(options: argparse.Namespace) -> int:
    """`efir person add`: prints the person as one JSON line."""
    try:
        name = clean_name(options.name or _name_for(options.login))
    except ValidationError:
        return fail(
            "invalid_name",
            f"a name is one line of letters, {NAME_MAX_LENGTH} characters at most: --name NAME",
        )
    inviter = _inviter(options.inviter) if options.inviter else None
    password = _password(options.login) if options.password_stdin else None
    try:
        person = create_person(
            login=options.login,
            name=name,
            role=Role(options.role),
            password=password,
            invited_by=inviter,
            context=Context(None, Source.CLI),
        )
    except LoginTaken:
        return fail("login_taken", f"there is a person with the log-in {options.login}")
    except ValueError as exc:
        return fail("login_too_long", str(exc))
    return print_lines(
        [{"id": person.pk, "login": person.login, "role": person.role, "ref_code": person.ref_code}]
    )


def _name_for(login: str) -> str:
    """What everybody in the room sees of somebody without a name: of an address what stands before the @, no number."""
    spelled = normalize_login(login)
    if spelled.startswith("+"):
        return f"Участник {spelled[-4:]}"
    return spelled.partition("@")[0]


def close_person(options: argparse.Namespace) -> int:
    """`efir person close`: the account stays, as its history does, but nobody logs in to it and its sessions end."""
    person = people.known(options.login)
    if person is None:
        return people.nobody(options.login)
    close_account(person, Context(None, Source.CLI))
    return print_lines([{"id": person.pk, "login": person.login, "is_active": person.is_active}])


def audit(options: argparse.Namespace) -> int:
    """`efir audit`: the latest first."""
    about = people.known_or_erased(options.person) if options.person else None
    if options.person and about is None:
        return people.nobody(options.person)
    asked = AuditFilter(options.webinar, about.pk if about else None, options.action or "")
    return print_lines(map(deed_line, every_deed(asked)))


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
        print(f"efir: a weak password, taken all the same: {' '.join(exc.messages)}", file=sys.stderr)
    return password


def webinar(options: argparse.Namespace) -> int:
    """`efir webinar …`: the list, or one change of status through Core."""
    if options.action == "list":
        return print_lines(listings.webinars())
    try:
        changed = _change(options.action, options.id)
    except ActionRefused as refused:
        return fail(refused.code.value, refused.detail)
    return print_lines([listings.webinar_line(changed)])


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
