"""The room's door: who may watch what. Asked when a page or a stream is opened, and when somebody's access changes."""

from __future__ import annotations

from dataclasses import dataclass

from efir.accounts.access_cache import AccessCache, SessionAccess
from efir.accounts.capabilities import Capability
from efir.lib.concurrency import REQUEST_POOL
from efir.webinars.models import Webinar
from efir.webinars.schedule import ScheduleCache
from efir.webinars.selectors import is_visible, visible_webinar


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may watch what; or the HTTP status that says why not."""

    status: int
    access: SessionAccess | None = None
    webinar: Webinar | None = None


class AdmissionChecker:
    """What this process keeps in mind to answer quickly. Its methods run on the event loop.

    They raise the database's errors.
    """

    def __init__(self) -> None:
        self.accesses = AccessCache()
        self.programme = ScheduleCache()

    async def admit(self, session_key: str, webinar_id: int) -> Admission:
        """Decide from the session alone."""
        access = await self.accesses.of(session_key)
        if access is None:
            return Admission(401)
        if not access.can(Capability.ENTER_ROOM):
            return Admission(403, access)
        webinar = await self.webinar(webinar_id, drafts=access.can(Capability.EDIT_WEBINAR))
        return Admission(200, access, webinar) if webinar else Admission(404, access)

    async def webinar(self, webinar_id: int, *, drafts: bool) -> Webinar | None:
        """The webinar, for somebody who sees drafts or does not."""
        webinar = (await self.programme.now()).get(webinar_id)
        if webinar is None:  # a draft, or long over
            return await REQUEST_POOL.run(visible_webinar, webinar_id, drafts=drafts)
        return webinar if is_visible(webinar, drafts=drafts) else None
