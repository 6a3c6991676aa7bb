"""`efir webinar`, `broadcast`, `journal`, `verdicts`, `messages`, `outbox`, `audit` and `doctor`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from django.utils import translation

from efir.broadcast import media
from efir.hooks.actions import ActionRefused, Context, Source
from efir.ops.cli import listings
from efir.ops.cli.output import fail, print_lines, reader_language
from efir.ops.cli.people import find_person, person_not_found
from efir.ops.doctor.runner import run_doctor
from efir.pages.audit_entries import AuditFilter, entry_as_json, iter_entries
from efir.server.archiving import archive
from efir.webinars import core
from efir.webinars.models import Webinar


def list_webinars(options: argparse.Namespace) -> int:
    """Print every webinar."""
    return print_lines(listings.webinars())


def change_webinar(options: argparse.Namespace) -> int:
    """Change the status of a webinar and print it."""
    changes: dict[str, Callable[[int, Context], Webinar]] = {
        "start": lambda pk, context: core.core_webinar_set_status(pk, "start", context),
        "stop": lambda pk, context: core.core_webinar_set_status(pk, "stop", context),
        "pause": core.pause,
        "resume": core.resume,
        "archive": archive,
    }
    try:
        webinar = changes[options.action](options.id, Context(None, Source.CLI))
    except ActionRefused as refused:
        return fail(refused.code.value, refused.detail)
    return print_lines([listings.webinar_line(webinar)])


def broadcast(options: argparse.Namespace) -> int:
    """Print the sessions of senders, or the key with which a proxy checks media addresses."""
    if options.media_key:
        print(media.signing_key())
        return 0
    return print_lines(listings.broadcasts(options.id))


def journal(options: argparse.Namespace) -> int:
    """Print the facts."""
    return print_lines(listings.journal(options.webinar))


def verdicts(options: argparse.Namespace) -> int:
    """Print the verdicts of a webinar."""
    return print_lines(listings.verdicts(options.webinar))


def messages(options: argparse.Namespace) -> int:
    """Print the messages of a room."""
    return print_lines(listings.messages(options.webinar))


def outbox(options: argparse.Namespace) -> int:
    """Print the messages, their reasons in the reader's language."""
    with translation.override(reader_language(os.environ)):
        return print_lines(listings.outbox(options.webinar, options.state))


def audit(options: argparse.Namespace) -> int:
    """Print the audit log, the latest entries first."""
    about = find_person(options.person, erased=True) if options.person else None
    if options.person and about is None:
        return person_not_found(options.person)
    wanted = AuditFilter(options.webinar, about.pk if about else None, options.action or "")
    return print_lines(map(entry_as_json, iter_entries(wanted)))


def doctor(options: argparse.Namespace) -> int:
    """Check the installation."""
    return run_doctor(as_json=options.json)
