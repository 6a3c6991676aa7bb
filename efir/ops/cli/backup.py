"""`efir backup`, `restore`, `held` and `verify`: what they print, and their exit codes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from efir.lib import os_errors
from efir.ops.backup import BackupRefused, held_messages
from efir.ops.backup.archive_file import Manifest
from efir.ops.backup.backup import backup, has_secret
from efir.ops.backup.restore import check, restore
from efir.ops.backup.tables import describe_overlong
from efir.ops.verify import verify
from efir.webinars.lifecycle import ON_AIR
from efir.webinars.models import Webinar

HELD_HINT = (
    "Messages held: {count}. They waited in the backup, or were caused by a webinar that had ended, and may have gone "
    "out after it was made. `efir held` lists them; then say `efir held send` or `efir held arrived` (with --webinar "
    "ID for one webinar), or decide about each on the webinar's page."
)

ON_AIR_HINT = (
    "Webinar {id} «{title}» was on air when the backup was made. If it has ended since, run `efir webinar stop {id}` "
    "before the first start: an admin then decides its verdicts."
)


def run_backup(options: argparse.Namespace) -> int:
    """`efir backup FILE`."""
    with _whole_or_not_at_all():
        try:
            manifest = backup(options.file, overwrite=options.overwrite)
        except BackupRefused as refused:
            return _refused(refused)
        except OSError as exc:
            return _refused(f"cannot write {options.file}: {os_errors.describe(exc)} Nothing was written.")
    print(f"{options.file}: {_told(manifest)}.")
    if has_secret(manifest):
        print(
            "It holds secret.key, which signs links and log-ins: keep the file as safe as the installation."
        )
    else:
        print("The key that signs links and log-ins is not in it, but in EFIR_SECRET_KEY: keep that, too.")
    return 0


def run_restore(options: argparse.Namespace) -> int:
    """`efir restore FILE`; what it restored is verified."""
    try:
        if options.check:
            return _run_check(options.file)
        restored = restore(
            options.file, assume_nothing_sent=options.nothing_sent_since, clear_sessions=options.end_sessions
        )
    except BackupRefused as refused:
        return _refused(refused)
    except OSError as exc:
        return _refused(f"cannot restore {options.file}: {os_errors.describe(exc)} Nothing has changed.")
    print(f"Restored {options.file}: {_told(restored.manifest)}.")
    if restored.cleared:
        print(f"Sessions ended: {restored.cleared}.")
    if restored.held:
        print(HELD_HINT.format(count=restored.held))
    for webinar in Webinar.objects.filter(status__in=ON_AIR).order_by("pk"):
        print(ON_AIR_HINT.format(id=webinar.pk, title=webinar.title))
    return run_verify()


def _run_check(file: Path) -> int:
    checked = check(file)
    print(f"{file} can be restored: {_told(checked.manifest)}.")
    if checked.overlong:
        print(
            f"Not on PostgreSQL, though: {describe_overlong(checked.overlong)}. `efir verify` says what to do."
        )
    return 0


def run_held(options: argparse.Namespace) -> int:
    """`efir held`: what a restore holds, one JSON object a line; or the decision about it."""
    if options.decision is None:
        for line in held_messages.held_counts(options.webinar):
            print(json.dumps(line))
        return 0
    count = held_messages.resolve_held(options.decision == "arrived", options.webinar)
    print(f"Messages: {count}.")
    return 0


def run_verify() -> int:
    """`efir verify`: every disagreement on a line of its own, and 1 for any."""
    found = 0
    for problem in verify():
        if isinstance(problem, str):
            print(problem)
        else:
            found += 1
            print(problem.line())
    return 1 if found else 0


def _told(manifest: Manifest) -> str:
    return (
        f"{manifest.rows} rows of {len(manifest.tables)} tables, made at {manifest.made_at} "
        f"on {manifest.database} by Efir {manifest.efir}"
    )


def _refused(why: BackupRefused | str) -> int:
    print(f"efir: {why}", file=sys.stderr)
    return 1


@contextmanager
def _whole_or_not_at_all() -> Iterator[None]:
    """Whoever ends the command is obeyed after the half-written file is gone."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
