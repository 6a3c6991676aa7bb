"""Cache the forms for guests, to which partners' links lead: sign-up and login.

They differ by language, inviter, webinar and next page. A session or a message to be shown leaves the request to
Django.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from django.conf import settings

from efir.accounts import referral
from efir.edge.cached_pages import MESSAGES_COOKIE
from efir.edge.page_cache import NOT_STORED, PageCache, visitor_scope
from efir.edge.page_query import parse_query, referral_headers
from efir.edge.schedule_edition import QUARTER_S, ScheduleEditions
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of
from efir.room.hub import current_hub
from efir.web.locale import language_of

PERSONAL_COOKIES = frozenset({settings.SESSION_COOKIE_NAME, MESSAGES_COOKIE})
# A referral code as its cookie has it.
_CODE = re.compile(r"[a-z0-9]{1,16}")
# The part of a code in an address that is read (`referral.code_in`).
_LONGEST_REF = 64


class LogInPage:
    """The login form by language and by the page that comes next."""

    def __init__(self, django: Application, editions: ScheduleEditions) -> None:
        self._cache = PageCache(django, max_age_s=QUARTER_S)
        self._editions = editions

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0."""
        hub, cookies, query = current_hub(), cookies_of(scope), parse_query(scope["query_string"])
        if hub is None or query is None or not PERSONAL_COOKIES.isdisjoint(cookies):
            return 0
        edition = await self._editions.current(hub.admission.schedule_cache)
        language = language_of(cookies, header_of(scope, b"accept-language"))
        shown = _encode(next=query.next)
        page = await self._cache.get(
            (language, scope["scheme"], shown),
            visitor_scope(scope, language, query=shown),
            edition=edition.number,
            cache_control=NOT_STORED,
        )
        return await page.answer(scope, send) if page else 0


class SignUpPage:
    """The sign-up form by language, inviter, webinar, and the page that comes next."""

    def __init__(self, django: Application, editions: ScheduleEditions) -> None:
        self._cache = PageCache(django, max_age_s=QUARTER_S)
        self._editions = editions

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0."""
        hub, cookies, query = current_hub(), cookies_of(scope), parse_query(scope["query_string"])
        if hub is None or query is None or not PERSONAL_COOKIES.isdisjoint(cookies):
            return 0
        remembered = cookies.get(referral.COOKIE, "")
        if (remembered and not _CODE.fullmatch(remembered)) or len(query.ref) > _LONGEST_REF:
            return 0
        inviters = hub.admission.inviter_cache
        code = referral.code_in(query.ref)
        inviter, ref = await inviters.get(code), query.ref
        if inviter:
            # The page is the same as for a visitor whose cookie has the code already.
            remembered, ref = code, ""
        else:
            inviter = await inviters.get(remembered)
        edition = await self._editions.current(hub.admission.schedule_cache)
        language = language_of(cookies, header_of(scope, b"accept-language"))
        # If the schedule does not show the webinar, it may change without a new edition.
        is_shown = query.webinar_id is None or query.webinar_id in edition.webinar_ids
        shown = _encode(ref=ref, webinar=str(query.webinar_id or ""), next=query.next)
        page = await self._cache.get(
            (language, scope["scheme"], shown, remembered, inviter and (inviter.person_id, inviter.name)),
            visitor_scope(
                scope, language, query=shown, cookies={referral.COOKIE: remembered} if remembered else {}
            ),
            edition=edition.number if is_shown else (edition.number, edition.check),
            cache_control=NOT_STORED,
        )
        if page is None:
            return 0
        return await page.answer(scope, send, await referral_headers(inviters, query.ref))


def _encode(**parameters: str) -> bytes:
    """Encode the parameters that are given as a query, always in the same way."""
    return urlencode({name: value for name, value in parameters.items() if value}).encode()
