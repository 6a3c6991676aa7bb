"""Parse the query of a page that is answered before Django, and set the inviter's cookie."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import NamedTuple

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, QueryDict

from efir.accounts import referral
from efir.accounts.inviter_cache import InviterCache
from efir.lib import ids
from efir.lib.asgi import Headers, set_cookie_header

# Longer queries are left to Django; our own links, with a next page and campaign parameters, have half as many.
MAX_BYTES = 500
# An address of this site that begins with its path. A host, with or without a scheme, is Django's to judge.
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")


# `expires` in a cookie's header may be this old, beside 90 days.
COOKIE_AGE_S = 60


class PageQuery(NamedTuple):
    """The parameters that matter: the code of an inviter, the id of a webinar, and the next page."""

    ref: str = ""
    webinar_id: int | None = None
    next: str = ""


@lru_cache(maxsize=1000)
def parse_query(query: bytes) -> PageQuery | None:
    """Return the parameters that matter, or None if Django has to handle the query."""
    if len(query) > MAX_BYTES:
        return None
    try:
        given = QueryDict(query.decode("ascii"))
    except (UnicodeDecodeError, SuspiciousOperation):
        return None
    if "page" in given:  # later pages of a long schedule are rare: only the first page is cached
        return None
    following = given.get("next", "")
    if following and not _OWN_PATH.fullmatch(following):
        return None
    return PageQuery(given.get("ref", ""), ids.parse_pasted(given.get("webinar", "")), following)


async def referral_headers(inviters: InviterCache, pasted: str) -> Headers:
    """Return the header that stores the code of an address in the visitor's cookie, if it is valid, as Django does."""
    code = referral.code_in(pasted) if pasted else ""
    if not await inviters.get(code):
        return ()
    return (_referral_cookie(code, int(time.time() // COOKIE_AGE_S)),)


@lru_cache(maxsize=1000)
def _referral_cookie(code: str, _minute: int) -> tuple[bytes, bytes]:
    response = HttpResponse()
    referral.store_code(response, code)
    return set_cookie_header(response.cookies)
