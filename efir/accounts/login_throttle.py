"""Guessing passwords: limits for an address and for a log-in, and the browsers that they do not keep out.

django-axes counts wrong passwords for one log-in from one address. Here they are added up, for all of an address and
for a log-in from anywhere. A browser in which somebody has logged in before carries a signed cookie and is limited by
itself, so that nobody locks out somebody else (OWASP calls it a device cookie).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

import structlog
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core import signing
from django.db.models import Sum
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django_ratelimit.core import is_ratelimited

from efir.accounts.models import Person, normalize_login
from efir.web.client_ip import request_rate_limit_key

COOKIE = f"{settings.COOKIE_PREFIX}efir_known"
KEPT_S = 180 * 24 * 3600
# Of one known browser.
RATE = "10/15m"

log = structlog.get_logger(__name__)
_signer = signing.TimestampSigner(salt="efir.known-browser")


def attempted_login(request: HttpRequest, credentials: dict[str, str] | None = None) -> str:
    """The log-in that somebody tries, in its one spelling, so that 8 and +7 share one limit."""
    tried = (credentials or {}).get("username") or request.POST.get("username", "")
    return normalize_login(tried)[:254]


def is_throttled(request: HttpRequest, login: str) -> bool:
    """Whether a try for this log-in (in its one spelling) is refused before the password is looked at."""
    if nonce := device_id(request, login):
        return bool(
            is_ratelimited(request, group="known-browser", key=lambda *_: nonce, rate=RATE, increment=True)
        )
    return (
        _wrong(ip_address=request_rate_limit_key(request)) >= settings.WRONG_FROM_ADDRESS
        or _wrong(username=login) >= settings.WRONG_FOR_ACCOUNT
    )


def is_known_browser(request: HttpRequest, credentials: dict[str, str] | None = None) -> bool:
    """Whether axes has nothing to count here."""
    return bool(device_id(request, attempted_login(request, credentials)))


def remember_browser(response: HttpResponseBase, login: str) -> None:
    """Remember in this browser that `login` has shown the password, or a one-time link."""
    response.set_cookie(
        COOKIE,
        _signer.sign(f"{_digest(login)}.{secrets.token_urlsafe(12)}"),
        max_age=KEPT_S,
        httponly=True,
        samesite="Lax",
        secure=settings.EFIR.is_https,
    )


def device_id(request: HttpRequest, login: str) -> str:
    """The number of this browser, if it is a known one of this log-in's."""
    try:
        digest, _, nonce = _signer.unsign(request.COOKIES.get(COOKIE, ""), max_age=KEPT_S).partition(".")
    except signing.BadSignature:
        return ""
    return nonce if digest == _digest(login) else ""


def _digest(login: str) -> str:
    return hashlib.sha256(login.encode()).hexdigest()[:24]


def _wrong(**whose: Any) -> int:
    since = timezone.now() - timedelta(hours=settings.AXES_COOLOFF_TIME)  # the clock that axes stamps with
    found = AccessAttempt.objects.filter(attempt_time__gte=since, **whose)
    return found.aggregate(wrong=Sum("failures_since_start"))["wrong"] or 0


@receiver(user_logged_in)
def _log_login(sender: object, user: Person, **_: Any) -> None:
    log.info("logged_in", person_id=user.pk)


@receiver(user_logged_out)
def _log_logout(sender: object, user: Person | None, **_: Any) -> None:
    if user:
        log.info("logged_out", person_id=user.pk)


@receiver(user_login_failed)
def _log_failed_login(sender: object, **_: Any) -> None:
    # Without the person: looking them up here would show by its time whether the account exists.
    log.warning("log_in_failed")
