"""`efir backup`, `restore`, `verify`, and `outbox held` and `resolve`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from efir.broadcast.models import Segment
from efir.lib import os_errors
from efir.ops.backup import BackupRefused, held_messages
from efir.ops.backup.archive_file import Manifest
from efir.ops.backup.backup import backup, has_secret
from efir.ops.backup.restore import check, restore
from efir.ops.backup.tables import describe_overlong
from efir.ops.cli.output import print_lines
from efir.ops.verify import verify
from efir.webinars.lifecycle import ON_AIR
from efir.webinars.models import Webinar

HELD_HINT = (
    "Messages held: {count}. They were waiting in the backup, or belong to a webinar that had ended, and may have been "
    "sent after it was made. `efir outbox held` lists them; then run `efir outbox resolve --delivered` or `efir outbox "
    "resolve --resend` (with --webinar ID for one webinar), or decide about each on the webinar's page."
)

OTHER_KEY_HINT = (
    "The secret key here is not the one of the backup: everybody has to log in again, one-time links are invalid, and "
    "people with a second factor need a recovery code (or `efir person reset-second-factor LOGIN`)."
)

ON_AIR_HINT = (
    "Webinar {id} «{title}» was on air when the backup was made. If it has ended since, run `efir webinar stop {id}` "
    "before the first start: an admin then decides its verdicts."
)


def run_backup(options: argparse.Namespace) -> int:
    """Write a backup."""
    with _sigterm_as_exit():
        try:
            manifest = backup(options.file, overwrite=options.overwrite)
        except BackupRefused as refused:
            return _refuse(refused)
        except OSError as exc:
            return _refuse(f"cannot write {options.file}: {os_errors.describe(exc)} Nothing was written.")
    print(f"{options.file}: {_describe(manifest)}.")
    if has_secret(manifest):
        print("It holds secret.key, which signs links and logins: keep the file as safe as the installation.")
    else:
        print("The key that signs links and logins is not in it, but in EFIR_SECRET_KEY: keep that, too.")
    if _names_media(manifest):
        print(f"Videos and recordings are not in it, but in {_media_place()}: copy that, too.")
    return 0


def run_restore(options: argparse.Namespace) -> int:
    """Restore a backup and verify the result; with --check restore it into a scratch database."""
    try:
        if options.check:
            with _sigterm_as_exit():
                checked = check(options.file)
            print(f"{options.file} can be restored: {_describe(checked.manifest)}.")
            if checked.overlong:
                what = describe_overlong(checked.overlong)
                print(f"Not on PostgreSQL, though: {what}. `efir verify` says what to do.")
            if checked.not_here:
                print(f"Not into this installation, though: {checked.not_here}")
            return 0
        if options.nothing_sent_since:
            _note_rename("--nothing-sent-since", "--assume-nothing-sent")
        if options.end_sessions:
            _note_rename("--end-sessions", "--clear-sessions")
        restored = restore(
            options.file,
            assume_nothing_sent=options.assume_nothing_sent or options.nothing_sent_since,
            clear_sessions=options.clear_sessions or options.end_sessions,
        )
    except BackupRefused as refused:
        return _refuse(refused)
    except OSError as exc:
        return _refuse(f"cannot restore {options.file}: {os_errors.describe(exc)} Nothing has changed.")
    print(f"Restored {options.file}: {_describe(restored.manifest)}.")
    if restored.cleared:
        print(f"Sessions ended: {restored.cleared}.")
    if restored.has_other_key:
        print(OTHER_KEY_HINT)
    if restored.held:
        print(HELD_HINT.format(count=restored.held))
    for webinar in Webinar.objects.filter(status__in=ON_AIR).order_by("pk"):
        print(ON_AIR_HINT.format(id=webinar.pk, title=webinar.title))
    if _names_media(restored.manifest):
        place = _media_place()
        print(f"Videos and recordings are not in a backup: copy them into {place}, then run `efir verify`.")
    return run_verify(options, with_media=False)


def _names_media(manifest: Manifest) -> bool:
    """Return whether rows of the backup name files of media. A backup of an older version has no such table."""
    part = manifest.tables.get(Segment._meta.db_table)
    return part is not None and part.rows > 0


def _media_place() -> str:
    return settings.EFIR.media_url or str(settings.EFIR.media_dir)


def list_held(options: argparse.Namespace) -> int:
    """Print how many messages a restore holds, by webinar and kind."""
    return print_lines(held_messages.held_counts(options.webinar))


def resolve_held(options: argparse.Namespace) -> int:
    """Resolve the messages that a restore holds: mark them as delivered, or send them (again)."""
    print(f"Messages: {held_messages.resolve_held(options.delivered, options.webinar)}.")
    return 0


def deprecated_held(options: argparse.Namespace) -> int:
    """Do what `efir held` did in release 0.1, and print the new name."""
    names = {None: "held", "arrived": "resolve --delivered", "send": "resolve --resend"}
    _note_rename("efir held", f"efir outbox {names[options.decision]}")
    options.delivered = options.decision == "arrived"
    return resolve_held(options) if options.decision else list_held(options)


def run_verify(options: argparse.Namespace, *, with_media: bool = True) -> int:
    """Print every contradiction in the database. Return 1 if there is any."""
    found = 0
    for problem in verify(with_media=with_media):
        if isinstance(problem, str):
            print(problem)
        else:
            found += 1
            print(problem.line())
    return 1 if found else 0


def _describe(manifest: Manifest) -> str:
    return (
        f"{manifest.rows} rows of {len(manifest.tables)} tables, made at {manifest.made_at} "
        f"on {manifest.database} by Efir {manifest.efir}"
    )


def _note_rename(old: str, new: str) -> None:
    print(f"efir: {old} is now called {new}; the old name goes in 0.3.", file=sys.stderr)


def _refuse(why: BackupRefused | str) -> int:
    print(f"efir: {why}", file=sys.stderr)
    return 1


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Make SIGTERM raise SystemExit, so that the half-written file is removed."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
