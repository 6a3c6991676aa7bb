"""Decide who may watch which webinar, when a page or a stream is opened and when somebody's access changes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from efir.accounts.access_cache import AccessCache, SessionAccess
from efir.accounts.capabilities import Capability
from efir.accounts.inviter_cache import InviterCache
from efir.lib.concurrency import REQUEST_POOL
from efir.webinars.models import Webinar
from efir.webinars.schedule import ScheduleCache
from efir.webinars.seat_cache import SeatCache
from efir.webinars.selectors import is_visible, visible_webinar


@dataclass(frozen=True, slots=True)
class Admission:
    """The person's access and the webinar, or the HTTP status with which to refuse."""

    status: int
    access: SessionAccess | None = None
    webinar: Webinar | None = None


class AdmissionChecker:
    """Decides from the caches of this process. Its methods run on the event loop and raise the database's errors."""

    def __init__(self) -> None:
        self.access_cache = AccessCache()
        self.inviter_cache = InviterCache()
        self.schedule_cache = ScheduleCache()
        self.seat_cache = SeatCache()

    def invalidate(self, person_ids: Collection[int]) -> None:
        """Drop the cached access of these people, and their referral codes."""
        self.access_cache.invalidate(person_ids)
        self.inviter_cache.invalidate(person_ids)

    def forget_visitor(self, session_key: str, person_id: int) -> None:
        """Drop the cached access and seats of a visitor."""
        self.access_cache.forget(session_key)
        self.seat_cache.invalidate(person_id)

    async def admit(self, session_key: str, webinar_id: int) -> Admission:
        """Return whether the session may watch the webinar: status 200, 401 (no session), 403 or 404."""
        access = await self.access_cache.get(session_key)
        if access is None:
            return Admission(401)
        if not access.can(Capability.ENTER_ROOM):
            return Admission(403, access)
        webinar = await self.webinar(webinar_id, drafts=access.can(Capability.EDIT_WEBINAR))
        return Admission(200, access, webinar) if webinar else Admission(404, access)

    async def webinar(self, webinar_id: int, *, drafts: bool) -> Webinar | None:
        """Return the webinar if it exists and is visible; `drafts`: whether drafts are."""
        webinar = (await self.schedule_cache.get()).get(webinar_id)
        if webinar is None:  # a draft, or finished long ago
            return await REQUEST_POOL.run(visible_webinar, webinar_id, drafts=drafts)
        return webinar if is_visible(webinar, drafts=drafts) else None
