"""Cache who a session belongs to and what that person may do, for requests that are answered before Django.

These are the cached pages, the stream and the room's state. All other code asks `capabilities.can`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.contrib.auth import HASH_SESSION_KEY
from django.utils.crypto import constant_time_compare

from efir.accounts.capabilities import Capability
from efir.accounts.models import Person, Session
from efir.accounts.sessions import SessionStore, is_use_stale, note_use
from efir.lib import clock
from efir.lib.batch_cache import BatchCache

# Changes of access invalidate an entry at once. This limits how long a missed change can have an effect.
MAX_AGE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SessionAccess:
    """A session's person and their capabilities.

    `invited`: they have an inviter. `until`: the entry expires then. `used_at`: when the session was used, to the hour.
    """

    person_id: int
    invited: bool
    capabilities: frozenset[str]
    until: datetime
    used_at: datetime | None = None

    def can(self, capability: Capability) -> bool:
        """Return whether the person has the capability."""
        return capability in self.capabilities


def read_access(session_keys: Iterable[str]) -> dict[str, SessionAccess]:
    """Read the access of these sessions with one query, leaving out those that are not valid."""
    rows = Session.objects.filter(
        session_key__in=session_keys, expire_date__gt=clock.now(), person__is_active=True
    ).values_list(
        "session_key",
        "session_data",
        "expire_date",
        "used_at",
        "person_id",
        "person__invited_by_id",
        "person__password",
        "person__groups__permissions__codename",
    )
    codenames: dict[str, set[str]] = defaultdict(set)
    people: dict[str, tuple[int, int | None, datetime, datetime | None]] = {}
    for key, data, expires_at, used_at, person_id, inviter_id, password, codename in rows:
        if key in people or _has_current_password(data, password):
            people[key] = person_id, inviter_id, expires_at, used_at
            codenames[key] |= {codename} if codename else set()
    latest = clock.now() + MAX_AGE
    return {
        key: SessionAccess(
            person_id,
            inviter_id is not None,
            _shared(frozenset(codenames[key])),
            min(expires_at, latest),
            used_at,
        )
        for key, (person_id, inviter_id, expires_at, used_at) in people.items()
    }


def _has_current_password(session_data: str, password: str) -> bool:
    """Return whether the session began with the password that the person has now."""
    session_hash = SessionStore().decode(session_data).get(HASH_SESSION_KEY, "")
    return constant_time_compare(session_hash, Person(password=password).get_session_auth_hash())


def _read(session_keys: list[str]) -> dict[str, SessionAccess]:
    read = read_access(session_keys)
    # Requests that are answered from memory count as uses of the session, too.
    if stale := [key for key, access in read.items() if is_use_stale(access.used_at)]:
        note_use(stale)
    return read


@cache
def _shared(codenames: frozenset[str]) -> frozenset[str]:
    """Return one object for equal sets, of which there are no more than roles."""
    return codenames


class AccessCache:
    """The access of the sessions that this process knows. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._cache: BatchCache[str, SessionAccess] = BatchCache(_read)

    async def get(self, session_key: str) -> SessionAccess | None:
        """Return the session's access, or None if the session is not valid. Raises the database's errors."""
        return await self._cache.get(session_key) if session_key else None

    def forget(self, session_key: str) -> None:
        """Drop the entry of one session."""
        self._cache.forget(session_key)

    def invalidate(self, person_ids: Iterable[int]) -> None:
        """Drop the entries of these people. Reads in progress for them are not stored either."""
        changed = set(person_ids)
        self._cache.forget_all(lambda _, access: access.person_id in changed)
