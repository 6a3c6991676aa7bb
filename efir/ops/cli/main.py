"""The console script `efir`."""

from __future__ import annotations

import argparse
import gettext
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db.utils import DatabaseError, OperationalError

from efir.config import ConfigError
from efir.lib import ids, os_errors
from efir.ops.cli.settings import list_settings

LOCALE = Path(__file__).parents[2] / "locale"
# Of `efir.telegram.models.MessageState`, which wants Django.
MESSAGE_STATES = (
    "waiting_recording",
    "waiting_link",
    "queued",
    "sending",
    "sent",
    "failed",
    "uncertain",
    "expired",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when done, 1 when refused, 2 when the call or the environment is wrong."""
    _choose_language(os.environ)
    options = _parser().parse_args(argv)
    try:
        return run(options)
    except ConfigError as exc:
        print(f"efir: {exc}", file=sys.stderr)
        return 2
    except DatabaseError as exc:
        trouble = os_errors.describe_sqlite(exc)
        if not (trouble or isinstance(exc, OperationalError)):
            raise
        why = (
            f"says: {exc}: {trouble}"
            if trouble
            else (f"does not answer: {exc}. Start it, or correct host, port, name or password there")
        )
        print(f"efir: the database of EFIR_DATABASE_URL {why}".rstrip(), file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"efir: {exc.filename or 'EFIR_DATA_DIR'}: {os_errors.describe(exc)}", file=sys.stderr)
        return 1


def _choose_language(environ: Mapping[str, str]) -> None:
    """Use the Russian catalog if that is the reader's language, else the English of the code."""
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    language = next((environ[name] for name in names if environ.get(name)), "")
    # A list such as en:ru must not fall through to Russian for want of an English catalog.
    if language.startswith("ru"):
        gettext.bindtextdomain("cli", LOCALE)
        gettext.textdomain("cli")


def run(options: argparse.Namespace) -> int:
    """Set Django up for the command and hand over to it. Raises ConfigError."""
    if options.command == "settings":
        return list_settings(os.environ, as_json=options.json)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "efir.settings")
    if options.command == "demo":
        from efir.demo.environment import prepare

        prepare(os.environ)

    import django

    django.setup()

    from efir.ops.cli import commands

    return commands.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="efir", description="Живые вебинары: эфир, честный итог, Telegram.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="web and worker in one process")
    commands.add_parser("web", help="pages and streams")
    commands.add_parser("worker", help="verdicts, messages, upkeep")
    commands.add_parser("migrate", help="bring the database to this version")
    doctor = commands.add_parser("doctor", help="look over the installation and say what to do")
    doctor.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    settings = commands.add_parser("settings", help="every setting in force, and where it comes from")
    settings.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    demo = commands.add_parser("demo", help="the whole system with sample people and a local Telegram")
    demo.add_argument("--reset", action="store_true", help="start over: delete the demo's data first")
    _person(commands.add_parser("person", help="people"))
    _webinar(commands.add_parser("webinar", help="webinars and their status"))
    for name, text in (("journal", "facts"), ("verdicts", "verdicts"), ("outbox", "messages")):
        listing = commands.add_parser(name, help=f"{text}, one JSON object a line")
        listing.add_argument("--webinar", type=_id, required=name == "verdicts", metavar="ID")
        if name == "outbox":
            listing.add_argument("--state", choices=MESSAGE_STATES, help="only messages in this state")
    audit = commands.add_parser("audit", help="who did what, the latest first, one JSON object a line")
    audit.add_argument("--webinar", type=_id, metavar="ID")
    audit.add_argument("--person", metavar="LOGIN", help="by them or about them")
    audit.add_argument("--action", metavar="ACTION", help="such as role_assigned")
    _keeping(commands)
    return parser


def _keeping(commands: Any) -> None:
    backup = commands.add_parser("backup", help="everything into one file, while it runs")
    backup.add_argument("file", type=Path, metavar="FILE")
    backup.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    restore = commands.add_parser("restore", help="a backup into an empty installation")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--check", action="store_true", help="only read FILE through: could it be restored?")
    restore.add_argument(
        "--nothing-sent-since",
        action="store_true",
        help="what was backed up has sent nothing since: let what waited go on by itself",
    )
    restore.add_argument("--end-sessions", action="store_true", help="everybody logs in anew")
    held = commands.add_parser(
        "held", help="messages that a restore holds: list them, or say what became of them"
    )
    held.add_argument(
        "decision", nargs="?", choices=["arrived", "send"], help="they arrived, or send them (again)"
    )
    held.add_argument("--webinar", type=_id, metavar="ID")
    commands.add_parser("verify", help="whether everything in the database agrees")


def _person(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make an account")
    add.add_argument("login")
    add.add_argument("--role", required=True, choices=["admin", "speaker", "leader", "partner", "candidate"])
    add.add_argument(
        "--name",
        default="",
        help="how the person is called (default: from the log-in, without what others could write or call to)",
    )
    add.add_argument("--inviter", metavar="LOGIN")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    close = actions.add_parser("close", help="close an account: nobody logs in to it any more")
    close.add_argument("login")
    export = actions.add_parser("export", help="everything that is kept about somebody, as JSON")
    export.add_argument("login")
    export.add_argument("file", type=Path, help="must not exist yet")
    erase = actions.add_parser("erase", help="make somebody unrecognisable, for ever")
    erase.add_argument("login")


def _webinar(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="every webinar, one JSON object a line")
    for name in ("start", "stop", "pause", "resume", "archive"):
        action = actions.add_parser(name)
        action.add_argument("id", type=_id, metavar="ID")


def _id(text: str) -> int:
    number = ids.parse(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an id: write a whole number such as 8")
    return number


if __name__ == "__main__":
    sys.exit(main())
