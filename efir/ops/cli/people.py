"""`efir person export` and `efir person erase`: one person's data, taken along and erased."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

from django.db import transaction

from efir.accounts.erasure import erase
from efir.accounts.models import Person, normalize_login
from efir.accounts.personal_data import data_of
from efir.accounts.roles import LastAdmin
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.ops.cli.output import fail, print_lines


def known(login: str) -> Person | None:
    """The person with this log-in."""
    return Person.objects.filter(login=normalize_login(login)).first()


def known_or_erased(login: str) -> Person | None:
    """The person with this log-in; `erased-ID` is one too where a restore brought the old log-in back."""
    erased = re.fullmatch(r"erased-(\d{1,18})", login)
    return known(login) or (Person.objects.filter(pk=int(erased[1])).first() if erased else None)


def nobody(login: str) -> int:
    """There is no such person; the exit code."""
    return fail("person_not_found", f"there is nobody with the log-in {login}")


def export_person(options: argparse.Namespace) -> int:
    """Write everything that is kept about somebody to a new file that only this user may read."""
    person = known(options.login)
    if person is None:
        return nobody(options.login)
    try:
        _write(options.file, data_of(person))
    except OSError as exc:
        return fail(
            "file_not_written", f"{options.file}: {exc.strerror}. Name a file that does not exist yet."
        )
    with transaction.atomic():
        record(Action.DATA_EXPORTED, Context(None, Source.CLI), person_id=person.pk)
    return print_lines([{"id": person.pk, "file": str(options.file)}])


def _write(path: Path, data: dict[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=1)


def erase_person(options: argparse.Namespace) -> int:
    """Make somebody unrecognisable; afterwards their log-in is `erased-ID`, and asking again changes nothing."""
    person = known_or_erased(options.login)
    if person is None:
        return nobody(options.login)
    try:
        erased = erase(person.pk, Context(None, Source.CLI))
    except LastAdmin:
        return fail("last_admin", "nobody else may give roles: make somebody else an admin first")
    at = clock.iso(erased.erased_at) if erased.erased_at else None
    return print_lines([{"id": erased.pk, "login": erased.login, "erased_at": at}])
