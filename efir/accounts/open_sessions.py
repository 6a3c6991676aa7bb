"""List and end a person's open sessions. Pages name each by a mark instead of its key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from efir.accounts.access_cache import read_access
from efir.accounts.models import Session
from efir.accounts.sessions import SessionStore, current_person, other_sessions

# Somebody who logs in every day has 30 open sessions; the page says how many more there are.
MAX_SHOWN = 40
# The most that are read: a script that logs in again and again must not make the page slow.
MAX_READ = 500


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is logged in."""

    mark: str
    device: str
    used_at: datetime | None
    is_this: bool


def list_open(request: HttpRequest) -> list[OpenSession]:
    """Return this session and the person's other valid ones, the latest used first."""
    own_key = request.session.session_key or ""
    others = other_sessions(request).order_by("-used_at", "-expire_date")[:MAX_READ]
    rows = {row.session_key: row for row in others}
    valid = read_access(rows)
    this = Session.objects.filter(session_key=own_key)
    return [_open_session(row, is_this=True) for row in this] + [
        _open_session(row, is_this=False) for key, row in rows.items() if key in valid
    ]


def _open_session(row: Session, *, is_this: bool) -> OpenSession:
    return OpenSession(_mark(row.session_key), row.device, row.used_at, is_this)


def is_own(request: HttpRequest, mark: str) -> bool:
    """Return whether the mark is that of the request's own session."""
    return constant_time_compare(mark, _mark(request.session.session_key or ""))


def end(request: HttpRequest, mark: str) -> None:
    """End the person's session with this mark. Every process closes its streams."""
    keys = Session.objects.filter(person=current_person(request)).values_list("session_key", flat=True)
    for key in keys:
        if constant_time_compare(mark, _mark(key)):
            SessionStore(key).delete()


def _mark(session_key: str) -> str:
    # With the key itself, anybody who reads the page could log in.
    return salted_hmac("efir.session-mark", session_key, algorithm="sha256").hexdigest()[:32]
