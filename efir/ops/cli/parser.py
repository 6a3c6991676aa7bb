"""The commands of `efir`, their options and their help."""

from __future__ import annotations

import argparse
from gettext import gettext
from pathlib import Path
from typing import Any

from efir.lib import ids

# Copies of choices that cannot be imported before Django is set up; tests/unit/test_cli.py compares them.
ROLES = ("admin", "speaker", "leader", "partner", "candidate")
MESSAGE_STATES = [
    "waiting_recording",
    "waiting_link",
    "queued",
    "sending",
    "sent",
    "failed",
    "uncertain",
    "expired",
]


# The fields of efir.pages.site_form.SiteForm; an empty text sets the default.
SITE_SETTINGS = {
    "name": "the name of the site",
    "accent": "the accent color, such as #4a3fd6",
    "organisation": "who is responsible for personal data",
    "organisation-address": "their postal address",
    "data-contact": "their contact for questions about personal data",
    "contact-name": "the contact for people nobody invited",
    "telegram-name": "the contact's name in Telegram",
    "phone": "the contact's telephone number",
    "email": "the contact's e-mail address",
    "offer-text": "the text of a button for people nobody invited",
    "offer-url": "the address that button opens",
    "time-zone": "the time zone of new webinars, such as Europe/Moscow",
    "language": "the language for people who have chosen none: ru or en",
}


class Parser(argparse.ArgumentParser):
    """An argument parser in which everything has a help text, shown in the reader's language."""

    def option(self, *names: str, text: str, **kwargs: Any) -> None:
        """Add an option or a positional argument."""
        self.add_argument(*names, help=gettext(text), **kwargs)

    def webinar_option(self, **kwargs: Any) -> None:
        """Add `--webinar ID`."""
        self.option("--webinar", type=parse_id, metavar="ID", text="only this webinar", **kwargs)

    def commands(self, *, required: bool = True) -> argparse._SubParsersAction[Parser]:
        """Begin the list of commands below this parser."""
        metavar = "COMMAND" if required else "[COMMAND]"
        return self.add_subparsers(required=required, metavar=metavar, title=gettext("commands"))


def build_parser() -> Parser:
    """Return the parser. What it parses has `run` and `needs`: see `efir.ops.cli.main.run`."""
    parser = Parser(
        prog="efir",
        description=gettext(
            "Live webinars: broadcast, attendance verdicts from the server's own records, Telegram."
        ),
        epilog=gettext(
            "Exit codes: 0 success; 1 refused, failed, or problems found (doctor, verify); 2 invalid call or settings."
        ),
    )
    parser.option("--version", action=_Version, text="print the version and exit")
    commands = parser.commands()
    _add(commands, "serve", "server:serve", "run the web process and the worker as one process")
    _add(commands, "web", "server:web", "run a web process: pages and streams")
    _add(commands, "worker", "server:worker", "run a worker: verdicts, messages, periodic jobs")
    demo = _add(commands, "demo", "server:demo", "run everything with sample people and a local Telegram")
    demo.option("--reset", action="store_true", text="delete the demo's data first")
    demo.option(
        "--language",
        choices=("ru", "en"),
        text="language of the sample data (default: the locale's)",
    )
    _add(commands, "migrate", "server:migrate", "apply the missing migrations to the database")
    rotate = _add(
        commands, "rotate-key", "server:rotate_key", "change the secret key: everybody has to log in again"
    )
    rotate.option(
        "--old-key-file",
        type=Path,
        metavar="FILE",
        text="the old key, if EFIR_SECRET_KEY has the new one: keeps second factors readable",
    )
    settings = _add(
        commands, "settings", "settings:list_settings", "list the settings in force", needs="nothing"
    )
    doctor = _add(commands, "doctor", "commands:doctor", "check the installation", needs="django")
    for listing in (settings, doctor):
        listing.option("--json", action="store_true", text="print one JSON list instead of lines")
    _add_person(commands)
    _add_import(commands)
    _add_site(commands)
    _add_webinar(commands)
    broadcast = _add(
        commands,
        "broadcast",
        "commands:broadcast",
        "list the senders of own broadcasts, one JSON object a line",
    )
    broadcast.option("id", metavar="ID", nargs="?", type=int, text="only those of this webinar")
    broadcast.option(
        "--media-key",
        action="store_true",
        text="print the key that signs media addresses, for a proxy that checks them",
    )
    journal = _add(commands, "journal", "commands:journal", "list the facts, one JSON object a line")
    journal.webinar_option()
    verdicts = _add(commands, "verdicts", "commands:verdicts", "list the verdicts, one JSON object a line")
    verdicts.webinar_option(required=True)
    messages = _add(
        commands, "messages", "commands:messages", "list the messages of a room, one JSON object a line"
    )
    messages.webinar_option(required=True)
    _add_outbox(commands)
    audit = _add(commands, "audit", "commands:audit", "list the audit log, one JSON object a line")
    audit.webinar_option()
    audit.option("--person", metavar="LOGIN", text="only actions by or about this person")
    audit.option("--action", metavar="ACTION", text="only this kind of action, such as role_assigned")
    _add_backup(commands)
    return parser


def _add(
    commands: argparse._SubParsersAction[Parser], name: str, run: str, text: str, needs: str = "schema"
) -> Parser:
    parser = commands.add_parser(name, help=gettext(text), description=gettext(text))
    parser.set_defaults(run=run, needs=needs)
    return parser


def _add_person(commands: argparse._SubParsersAction[Parser]) -> None:
    actions = _add(commands, "person", "", "manage the accounts of people").commands()
    add = _add(actions, "add", "people:add_person", "create an account and print it as JSON")
    close = _add(actions, "close", "people:close_person", "close an account: nobody can log in to it")
    export = _add(actions, "export", "people:export_person", "write all data of a person as JSON")
    erase = _add(actions, "erase", "people:erase_person", "anonymize a person permanently")
    reset = _add(
        actions,
        "reset-second-factor",
        "people:reset_second_factor",
        "remove a person's second factor and log them out everywhere",
    )
    for action in (add, close, export, erase, reset):
        action.option("login", metavar="LOGIN", text="the person's e-mail address, phone number or name")
    add.option("--role", required=True, choices=ROLES, text="the role, which decides what the person may do")
    add.option("--name", default="", text="the name that others see (default: made from the login)")
    add.option("--inviter", metavar="LOGIN", text="who invited the person")
    add.option("--password-stdin", action="store_true", text="read the password from standard input")
    links = _add(
        actions, "links", "imports:write_links", "write one-time links for people without a password"
    )
    links.option(
        "--imported",
        type=Path,
        metavar="FILE",
        required=True,
        text="write the links of imported people to this CSV file; it must not exist",
    )
    export.option("file", type=Path, metavar="FILE", text="the file to write; it must not exist")


def _add_import(commands: argparse._SubParsersAction[Parser]) -> None:
    actions = _add(commands, "import", "", "import people and webinars from another system").commands()
    wordpress = _add(
        actions, "wordpress", "imports:import_wordpress", "import webinars and people from a WordPress site"
    )
    wordpress.option("file", type=Path, metavar="FILE", text="the site's export (Tools, Export), an XML file")
    wordpress.option("--users", type=Path, metavar="FILE", text="a CSV file of the site's users")
    wordpress.option(
        "--mapping",
        type=Path,
        metavar="FILE",
        text="a JSON file with the meaning of roles and fields (docs/import.md)",
    )
    wordpress.option("--dry-run", action="store_true", text="only report what would be imported")


def _add_site(commands: argparse._SubParsersAction[Parser]) -> None:
    actions = _add(commands, "site", "", "show and change the site's own settings").commands()
    _add(actions, "show", "site:show", "print the settings as JSON")
    change = _add(actions, "set", "site:change", "change the given settings and print all of them")
    for name, text in SITE_SETTINGS.items():
        change.option(f"--{name}", metavar="TEXT", text=text)
    change.option("--logo", type=Path, metavar="FILE", text="a picture for the header: JPEG, PNG or WebP")
    change.option("--no-logo", action="store_true", text="show Efir's own logo again")


def _add_webinar(commands: argparse._SubParsersAction[Parser]) -> None:
    actions = _add(commands, "webinar", "", "list webinars and change their status").commands()
    _add(actions, "list", "commands:list_webinars", "list every webinar, one JSON object a line")
    for name, text in (
        ("start", "start the broadcast"),
        ("stop", "end the broadcast"),
        ("pause", "pause the broadcast"),
        ("resume", "resume the broadcast after a pause"),
        ("archive", "archive a finished webinar"),
    ):
        action = _add(actions, name, "commands:change_webinar", text)
        action.set_defaults(action=name)
        action.option("id", type=parse_id, metavar="ID", text="the webinar's number")


def _add_outbox(commands: argparse._SubParsersAction[Parser]) -> None:
    outbox = _add(commands, "outbox", "commands:outbox", "list the messages, one JSON object a line")
    outbox.webinar_option()
    outbox.option("--state", choices=MESSAGE_STATES, metavar="STATE", text="only these: %(choices)s")
    actions = outbox.commands(required=False)
    held = _add(actions, "held", "backup:list_held", "count the messages that a restore holds")
    resolve = _add(actions, "resolve", "backup:resolve_held", "resolve the messages that a restore holds")
    outcome = resolve.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--delivered", action="store_true", help=gettext("mark them as delivered"))
    outcome.add_argument(
        "--resend", action="store_true", help=gettext("send them, possibly for the second time")
    )
    for action in (held, resolve):
        # A default here would overwrite the value of `efir outbox --webinar ID held`.
        action.webinar_option(default=argparse.SUPPRESS)
    # The name of release 0.1, hidden from the help.
    old = commands.add_parser("held")
    old.set_defaults(run="backup:deprecated_held", needs="schema")
    old.add_argument("decision", nargs="?", choices=["arrived", "send"])
    old.webinar_option()


def _add_backup(commands: argparse._SubParsersAction[Parser]) -> None:
    backup = _add(commands, "backup", "backup:run_backup", "back up everything into one file")
    backup.option("file", type=Path, metavar="FILE", text="the file to write")
    backup.option("--overwrite", action="store_true", text="replace FILE if it exists")
    restore = _add(commands, "restore", "backup:run_restore", "restore a backup into an empty installation")
    restore.option("file", type=Path, metavar="FILE", text="the backup")
    restore.option(
        "--check",
        action="store_true",
        text="only restore FILE into a scratch database, to check it",
    )
    restore.option(
        "--assume-nothing-sent", action="store_true", text="hold no messages: none was sent since the backup"
    )
    restore.option("--clear-sessions", action="store_true", text="log everybody out")
    # The names of release 0.1, hidden from the help.
    for name in ("--nothing-sent-since", "--end-sessions"):
        restore.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    verify = _add(commands, "verify", "backup:run_verify", "check the database for contradictions")
    for parser in (backup, restore, verify):
        parser.set_defaults(needs="database")


def parse_id(text: str) -> int:
    """Return the id. Raises ArgumentTypeError."""
    number = ids.parse(text)
    if number is None:
        raise argparse.ArgumentTypeError(gettext("%r is not an id: write a whole number such as 8") % text)
    return number


class _Version(argparse.Action):
    """Like argparse's, but looks the version up only when it is asked for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"efir {version('efir')}")
        parser.exit()
