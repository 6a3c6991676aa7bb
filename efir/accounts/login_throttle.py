"""Stop password guessing, and log logins.

The numbers are in `efir.web.rate_limit.LIMITS`. django-axes counts wrong passwords for each login and address in the
database; this module adds them up for a login. A browser in which the person has logged in before carries a signed
cookie (OWASP: device cookie) and has a limit of its own, so that nobody can lock out somebody else. An address is not
locked out but slowed down: see `efir.edge.address_throttle`.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_credentials
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core import signing
from django.db.models import Sum
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from efir.accounts.models import Person, normalize_login
from efir.web import rate_limit

COOKIE = f"{settings.COOKIE_PREFIX}efir_known"
# Half a year: after a longer absence the browser counts as unknown again.
COOKIE_AGE_S = 180 * 24 * 3600

log = structlog.get_logger(__name__)
_signer = signing.TimestampSigner(salt="efir.known-browser")


def is_throttled(request: HttpRequest, login: str, account_limit: str = "login_failures_account") -> bool:
    """Return whether to refuse this attempt to log in, before its password or its code costs a hash."""
    if device := device_id(request, login):
        return rate_limit.is_exceeded(request, "login_known_browser", device)
    limit = rate_limit.LIMITS[account_limit]
    since = timezone.now() - timedelta(seconds=limit.period_s)  # the clock by which axes stamps attempts
    attempts = AccessAttempt.objects.filter(attempt_time__gte=since, username=login)
    wrong: int | None = attempts.aggregate(wrong=Sum("failures_since_start"))["wrong"]
    return (wrong or 0) >= limit.count


def is_code_throttled(request: HttpRequest, login: str) -> bool:
    """Return whether to refuse this code: wrong ones count together with wrong passwords."""
    return is_throttled(request, login, "code_failures_account") or not AxesProxyHandler.is_allowed(
        request, {"username": login}
    )


def note_wrong_code(request: HttpRequest, login: str) -> None:
    """Count a wrong code like a wrong password: for the login and the address, and for the address."""
    user_login_failed.send(sender=__name__, credentials={"username": login}, request=request)


def locked_out(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer a refused password or code, with the same page for every login; axes calls this, too."""
    is_code = request.resolver_match is not None and request.resolver_match.url_name == "login_code"
    return rate_limit.too_many_requests(request, "code_failures_account" if is_code else "login_failures")


def attempted_login(request: HttpRequest, credentials: dict[str, str] | None = None) -> str:
    """Return the login that the request tries, normalised, so that 8 999 … and +7 999 … share their limits."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    return normalize_login(typed)[:254]  # the width of axes' column


# What django-axes calls, by its settings.


def axes_failure_limit(request: HttpRequest, credentials: dict[str, str] | None) -> int:
    """Return after how many wrong passwords axes locks out a login from one address."""
    return rate_limit.LIMITS["login_failures"].count


def axes_cool_off(request: HttpRequest | None) -> timedelta:
    """Return for how long axes locks out."""
    return timedelta(seconds=rate_limit.LIMITS["login_failures"].period_s)


def is_known_browser(request: HttpRequest, credentials: dict[str, str] | None = None) -> bool:
    """Return whether axes must not count this attempt, because the browser has its own limit."""
    return bool(device_id(request, attempted_login(request, credentials)))


class AttemptsHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Counts wrong passwords in the database, as axes does."""

    def user_logged_in(self, sender: object, request: HttpRequest, user: Person, **kwargs: Any) -> None:
        """Forget the person's wrong passwords; axes alone would begin two transactions even if there are none."""
        counted = self.filter_user_attempts(request, get_credentials(user.get_username()))
        if any(attempts.exists() for attempts in counted):
            super().user_logged_in(sender, request, user, **kwargs)


# The cookie of known browsers.


def remember_browser(response: HttpResponseBase, login: str) -> None:
    """Mark this browser as known: in it, `login` was used with its password or a one-time link."""
    response.set_cookie(
        COOKIE,
        _signer.sign(f"{_digest(login)}.{secrets.token_urlsafe(12)}"),
        max_age=COOKIE_AGE_S,
        httponly=True,
        samesite="Lax",
        secure=settings.EFIR.is_https,
    )


def device_id(request: HttpRequest, login: str) -> str:
    """Return this browser's number if it is a known one of `login`, else an empty string."""
    try:
        value = _signer.unsign(request.COOKIES.get(COOKIE, ""), max_age=COOKIE_AGE_S)
    except signing.BadSignature:
        return ""
    digest, _, device = value.partition(".")
    return device if digest == _digest(login) else ""


def _digest(login: str) -> str:
    return hashlib.sha256(login.encode()).hexdigest()[:24]


# The log: people by id, and nothing that was typed.


@receiver(user_logged_in)
def _log_login(sender: object, user: Person, **_: Any) -> None:
    log.info("logged_in", person_id=user.pk)


@receiver(user_logged_out)
def _log_logout(sender: object, user: Person | None, **_: Any) -> None:
    if user:
        log.info("logged_out", person_id=user.pk)


@receiver(user_login_failed)
def _log_failed_login(
    sender: object, credentials: dict[str, str], request: HttpRequest | None = None, **_: Any
) -> None:
    if request is not None and not is_known_browser(request, credentials):
        rate_limit.note_failed_login(request)
    # Without the person's id: a lookup would reveal by its duration whether the account exists.
    log.warning("log_in_failed")
