"""Referral: the code that a link carries, kept in a cookie until sign-up. The last valid one wins."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from efir.accounts.models import Person
from efir.accounts.services import inviter_by_code

COOKIE = f"{settings.COOKIE_PREFIX}efir_ref"
KEPT_S = 90 * 24 * 3600

_CODE = re.compile(r"[a-z0-9]{1,16}")


def valid_inviter(code: str) -> Person | None:
    """Whose code this is, where it counts; anything else is ignored."""
    code = code.strip().lower()
    return inviter_by_code(code) if _CODE.fullmatch(code) else None


def inviter_of(request: HttpRequest) -> Person | None:
    """Who invited this visitor: the address now, else the cookie of the last visit; the form's, where there is none."""
    told = (request.GET.get("ref", ""), request.COOKIES.get(COOKIE, ""), request.POST.get("ref", ""))
    return next(filter(None, map(valid_inviter, told)), None)


def is_dead(request: HttpRequest) -> bool:
    """Whether the address carries a code that does not count."""
    code = request.GET.get("ref", "")
    return bool(code) and valid_inviter(code) is None


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep the code that the address carries in the visitor's cookie, if it counts."""
    inviter = valid_inviter(request.GET.get("ref", ""))
    if inviter:
        response.set_cookie(
            COOKIE,
            inviter.ref_code,
            max_age=KEPT_S,
            httponly=True,
            samesite="Lax",
            secure=settings.EFIR.is_https,
        )
