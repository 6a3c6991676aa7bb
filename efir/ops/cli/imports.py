"""`efir import wordpress` and `efir person links`."""

from __future__ import annotations

import argparse
import csv
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from gettext import gettext
from typing import Any

from django.db import IntegrityError, transaction

from efir.accounts.models import Person
from efir.accounts.password_reset import INVITATION_TIMEOUT, invitation_link
from efir.attendance.report.csv_export import BOM, escape_formula
from efir.audit.actions import Action
from efir.audit.log import record_for_people
from efir.hooks.actions import Context, Source
from efir.importing import wordpress
from efir.importing.mapping import load_mapping
from efir.importing.models import ImportedRecord
from efir.importing.report import FileRefused, Report
from efir.lib import clock
from efir.lib.phone import is_phone
from efir.ops.cli.output import fail, print_lines

# What each code means. A line each: the test of the Russian catalog looks for them here.
SENTENCES = {
    # The whole file is refused:
    "too_large": "the file is larger than %(limit)s MB: export it in parts",
    "too_many_rows": "the file has more than %(limit)s rows: split it",
    "not_xml": "line %(line)s is not valid XML (%(reason)s): export the site again",
    "has_doctype": "line %(line)s declares a document type, which no export of WordPress does",
    "tag_endless": "line %(line)s has a tag that is never closed",
    "too_deep": "line %(line)s is nested deeper than any export of WordPress",
    "not_wxr": "this is not a WordPress export: it has no wp:wxr_version",
    "another_source": "this export is from %(source)s, not from %(known)s: name it in the mapping (source)",
    "not_utf8": "line %(line)s is not UTF-8: save the file as CSV UTF-8",
    "not_csv": "line %(line)s is not valid CSV (%(reason)s)",
    "no_column": "there is no column %(columns)s: name yours in the mapping",
    "overtaken": "somebody else changed the same data at the same time: run the import again",
    # A line is left out:
    "id_missing": "it has no id of its own",
    "id_twice": "an earlier line of the file has the same id",
    "deleted": "it was deleted on the old site (%(status)s)",
    "title_length": "its title has %(length)s characters: write 1 to %(limit)s",
    "text_length": "its text has more than %(limit)s characters",
    "status_unknown": "its status %(status)r is not scheduled, live, paused or ended",
    "start_missing": "it has no start time",
    "start_unreadable": "its start %(text)r is not a time: write 2026-11-25 19:00, or add its format to the mapping",
    "on_air": "it is on air now (%(status)s): import again when it is over",
    "ended_ahead": "it has ended, but its start is in the future: correct one of them",
    "cells": "it has %(cells)s cells, and the header has %(columns)s",
    "login_length": "its login is empty or longer than %(limit)s characters",
    "person_twice": "an earlier line of the file has the same id or login",
    "role_unknown": "the role %(role)r is not in the mapping",
    "inviter_unknown": "there is no inviter %(inviter)r: correct the cell, or empty it",
    "inviter_ambiguous": "the inviter %(inviter)r is ambiguous (by %(ways)s): choose with inviter_is in the mapping",
    "inviter_refused": "the inviter, line %(inviter_line)s, is left out: correct that line first",
    "inviter_circle": "its inviters form a circle: empty the cell of one of them",
    # A line is taken, with a remark:
    "no_webinars": "it has no posts of the type %(type)s; it has: %(types)s",
    "not_ended": "its time is over, although its status is %(status)s: archived",
    "length_unreadable": "its length %(text)r is not a number of minutes: %(length)s minutes are used",
    "field_length": "the field %(field)s is longer than %(limit)s characters: left empty",
    "player_missing": "it has no player: it gets the own broadcast",
    "player_unusable": "its player cannot be shown here: it gets the own broadcast",
    "chat_unusable": "its chat cannot be shown here: left out",
    "poster_left": "its poster is not imported: upload it on the speaker's page",
    "cta_link_left": "the address of its call-to-action is not imported: here it opens the inviter's contacts",
    "recording_unusable": "its recording has no usable address, or the webinar is not over: left out",
    "login_exists": "an account with this login exists here: it stays as it is and counts as this person",
    "name_unusable": "its name cannot be shown to others: the name is made from the login",
    "email_unusable": "its e-mail address is not valid: left empty",
    "inviter_sees_nobody": "the inviter, line %(inviter_line)s, is a candidate and does not see whom they invited",
}


def import_wordpress(options: argparse.Namespace) -> int:
    """Import an export; print a line for each finding, and one with the counts. Return 1 if anything was left out."""
    mapping = load_mapping(options.mapping)
    try:
        with _quiet():
            report = wordpress.import_wordpress(options.file, options.users, mapping, dry_run=options.dry_run)
    except FileRefused as refused:
        return fail(refused.code, _sentence(refused.code, refused.values))
    except IntegrityError:
        return fail("overtaken", _sentence("overtaken", {}))
    print_lines(_lines(report))
    print_lines([{"dry_run": options.dry_run, **report.counts}])
    return 1 if report.refused else 0


def _lines(report: Report) -> Iterator[Mapping[str, Any]]:
    for finding in sorted(report.findings, key=lambda each: (each.kind, each.line)):
        yield {
            "file": finding.file,
            "line": finding.line,
            "id": finding.foreign_id or None,
            "result": finding.level,
            "reason": finding.code,
            "detail": _sentence(finding.code, finding.values),
        }


def _sentence(code: str, values: Mapping[str, Any]) -> str:
    return gettext(SENTENCES[code]) % values


@contextmanager
def _quiet() -> Iterator[None]:
    """Log no line for each of thousands of webinars; warnings are still shown."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def write_links(options: argparse.Namespace) -> int:
    """Write a one-time link for each imported person who has no password yet, to a file only this user may read."""
    path, now = options.imported, clock.now()
    imported = ImportedRecord.objects.filter(created=True).values("person")
    waiting = Person.objects.filter(pk__in=imported, is_active=True, erased_at=None).order_by("pk")
    people = [person for person in waiting if not person.has_usable_password()]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        return fail("file_not_written", f"{path}: {exc.strerror}. Name a file that does not exist yet.")
    try:
        with transaction.atomic():
            record_for_people(
                Action.PASSWORD_LINK_MADE, Context(None, Source.CLI), {person.pk: {} for person in people}
            )
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(BOM)
                writer = csv.writer(file)
                writer.writerow(["login", "name", "link"])
                writer.writerows(_link_row(person) for person in people)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    until = clock.iso(now + INVITATION_TIMEOUT)
    return print_lines([{"people": len(people), "file": str(path), "valid_until": until}])


def _link_row(person: Person) -> tuple[object, object, str]:
    # A spreadsheet shows a telephone number as it is.
    login = person.login if is_phone(person.login) else escape_formula(person.login)
    return login, escape_formula(person.name), invitation_link(person)
