"""Who comes with a session, and what they may: read once, kept in memory, dropped when it changes.

For what is answered before Django: the stream, the room's page and its state. Everything else asks `capabilities.can`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.contrib.auth import HASH_SESSION_KEY
from django.utils.crypto import constant_time_compare

from efir.accounts.capabilities import Capability
from efir.accounts.models import Person, Session
from efir.accounts.sessions import SessionStore
from efir.lib import clock
from efir.lib.concurrency import REQUEST_POOL

KEPT = 50_000
KEPT_FOR = timedelta(minutes=10)
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SessionAccess:
    """What one session carries. `invited`: somebody brought this person. `until`: after that it is read again."""

    person_id: int
    invited: bool
    capabilities: frozenset[str]
    until: datetime

    def can(self, capability: Capability) -> bool:
        """Whether the person has the capability."""
        return capability in self.capabilities


def read_access(session_keys: Iterable[str]) -> dict[str, SessionAccess]:
    """Who is behind these sessions, with one joined read; a session that counts for nobody is left out."""
    rows = Session.objects.filter(
        session_key__in=session_keys, expire_date__gt=clock.now(), person__is_active=True
    ).values_list(
        "session_key",
        "session_data",
        "expire_date",
        "person_id",
        "person__invited_by_id",
        "person__password",
        "person__groups__permissions__codename",
    )
    codenames: dict[str, set[str]] = defaultdict(set)
    people: dict[str, tuple[int, int | None, datetime]] = {}
    for key, data, expires_at, person_id, inviter_id, password, codename in rows:
        if key in people or _counts(data, password):
            people[key] = person_id, inviter_id, expires_at
            codenames[key] |= {codename} if codename else set()
    latest = clock.now() + KEPT_FOR
    return {
        key: SessionAccess(
            person_id, inviter_id is not None, _shared(frozenset(codenames[key])), min(expires_at, latest)
        )
        for key, (person_id, inviter_id, expires_at) in people.items()
    }


def _counts(session_data: str, password: str) -> bool:
    """Whether the session was made under the password that the person has now."""
    told = SessionStore().decode(session_data).get(HASH_SESSION_KEY, "")
    return constant_time_compare(told, Person(password=password).get_session_auth_hash())


@cache
def _shared(codenames: frozenset[str]) -> frozenset[str]:
    """One set of capabilities for all who have the same: there are as many as roles."""
    return codenames


class AccessCache:
    """What the sessions of this process's visitors carry. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, SessionAccess] = {}
        self._wanted: dict[str, asyncio.Future[SessionAccess | None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._dropped: set[int] = set()

    async def of(self, session_key: str) -> SessionAccess | None:
        """What this session carries; None where it counts for nobody. Raises the database's errors."""
        access = self._kept.get(session_key)
        if access and access.until > clock.now():
            return access
        if not session_key:
            return None
        wanted = self._wanted.get(session_key)
        if wanted is None:
            wanted = self._wanted[session_key] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(wanted)

    def drop(self, person_ids: Iterable[int]) -> None:
        """Forget what is kept about these people; what is being read about them now is not kept either."""
        gone = set(person_ids)
        self._dropped |= gone
        for key in [key for key, access in self._kept.items() if access.person_id in gone]:
            del self._kept[key]

    async def _read(self) -> None:
        """Read all that are wanted, together, until nobody waits: a rush makes larger reads, not more of them."""
        try:
            while self._wanted:
                await self._read_some()
        finally:
            self._reading = None

    async def _read_some(self) -> None:
        keys = list(self._wanted)[:AT_ONCE]
        self._dropped.clear()
        try:
            found = await REQUEST_POOL.run(read_access, keys)
        except Exception as exc:  # it is for each who waits
            for key in keys:
                self._wanted.pop(key).set_exception(exc)
            return
        for key in keys:
            access = found.get(key)
            if access and access.person_id not in self._dropped:
                self._keep(key, access)
            self._wanted.pop(key).set_result(access)

    def _keep(self, key: str, access: SessionAccess) -> None:
        while len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = access
