"""Referral codes: taken from a link and kept in a cookie until sign-up. The last valid code wins."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from efir.accounts.models import Person
from efir.accounts.services import inviter_by_code

COOKIE = f"{settings.COOKIE_PREFIX}efir_ref"
# An invitation may be used weeks after it was opened.
COOKIE_AGE_S = 90 * 24 * 3600

_CODE = re.compile(r"[a-z0-9]{1,16}")


def valid_inviter(code: str) -> Person | None:
    """Return the person with this code if their codes count, else None."""
    code = code.strip().lower()
    return inviter_by_code(code) if _CODE.fullmatch(code) else None


def inviter_of(request: HttpRequest) -> Person | None:
    """Return the visitor's inviter by the first valid code in the address, the cookie or the form."""
    codes = (request.GET.get("ref", ""), request.COOKIES.get(COOKIE, ""), request.POST.get("ref", ""))
    return next(filter(None, map(valid_inviter, codes)), None)


def has_invalid_code(request: HttpRequest) -> bool:
    """Return whether the address has a code that does not count."""
    code = request.GET.get("ref", "")
    return bool(code) and valid_inviter(code) is None


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Store the code of the address in the visitor's cookie, if it is valid."""
    inviter = valid_inviter(request.GET.get("ref", ""))
    if inviter:
        response.set_cookie(
            COOKIE,
            inviter.ref_code,
            max_age=COOKIE_AGE_S,
            httponly=True,
            samesite="Lax",
            secure=settings.EFIR.is_https,
        )
