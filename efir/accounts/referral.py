"""Referral codes: read from a link and stored in a cookie until sign-up. The last valid code wins."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from efir.accounts.models import Person
from efir.accounts.services import inviter_by_code
from efir.lib.text import clean_token

COOKIE = f"{settings.COOKIE_PREFIX}efir_ref"
# An invitation may be used weeks after it was opened.
COOKIE_AGE_S = 90 * 24 * 3600

# The code, and punctuation that a messenger or a person put around its link.
_PASTED_CODE = re.compile(r"[^a-z0-9]*([a-z0-9]{1,16})(?![a-z0-9])")


def code_in(pasted: str) -> str:
    """Return the code in what was pasted, without the signs around it, or an empty string."""
    # Four times the longest code: longer input cannot be a code and is not searched.
    match = _PASTED_CODE.match(clean_token(pasted[:64]).lower())
    return match[1] if match else ""


def valid_inviter(pasted: str) -> Person | None:
    """Return the person with this code if they may invite, else None. Punctuation around the code is ignored."""
    code = code_in(pasted)
    return inviter_by_code(code) if code else None


def inviter_of(request: HttpRequest) -> Person | None:
    """Return the visitor's inviter by the first valid code in the address, the cookie or the form."""
    codes = (request.GET.get("ref", ""), request.COOKIES.get(COOKIE, ""), request.POST.get("ref", ""))
    return next((inviter for code in codes if (inviter := _inviter_once(request, code))), None)


def _inviter_once(request: HttpRequest, code: str) -> Person | None:
    """Return `valid_inviter` of the code, looked up once for a request: each of these functions asks for it."""
    found: dict[str, Person | None] = request.__dict__.setdefault("_inviters", {})
    if code not in found:
        found[code] = valid_inviter(code)
    return found[code]


def has_invalid_code(request: HttpRequest) -> bool:
    """Return whether the code of the address or the form, or a code that is only in the cookie, is invalid."""
    codes = [code for code in (request.GET.get("ref"), request.POST.get("ref")) if code]
    return any(
        _inviter_once(request, code) is None for code in codes or filter(None, [request.COOKIES.get(COOKIE)])
    )


def loses_inviter(request: HttpRequest) -> bool:
    """Return whether there is a code but none is valid, so that the account would have no inviter."""
    is_given = bool(request.GET.get("ref") or request.POST.get("ref"))
    return is_given and inviter_of(request) is None


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Store the code of the address in the visitor's cookie, if it is valid."""
    inviter = _inviter_once(request, request.GET.get("ref", ""))
    if inviter:
        store_code(response, inviter.ref_code)


def store_code(response: HttpResponseBase, code: str) -> None:
    """Store a code in the visitor's cookie."""
    response.set_cookie(
        COOKIE,
        code,
        max_age=COOKIE_AGE_S,
        httponly=True,
        samesite="Lax",
        secure=settings.EFIR.is_https,
    )
