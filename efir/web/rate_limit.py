"""Rate limits: the table of all limits, and the functions by which views count requests and refuse them.

django-ratelimit counts in the memory of each process, which is enough against scripts. Only failed logins of one login
are counted in the database, for all processes together: see `efir.accounts.login_throttle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_ratelimit.core import get_usage

from efir.web.client_ip import request_rate_limit_key

MINUTE_S = 60
HOUR_S = 3600

_TRY_LATER = _("Слишком много попыток. Подождите час и попробуйте ещё раз.")
_LOCKED_OUT = _(
    "Слишком много неверных паролей или кодов. Подождите 15 минут, войдите с устройства, где вы уже входили, "
    "или задайте новый пароль: на странице входа нажмите «Забыли пароль?»."
)
_CODES = _(
    "Слишком много неверных кодов. Подождите 15 минут и попробуйте ещё раз. Нет ни телефона, ни кодов восстановления? "
    "Попросите администратора сбросить вход в два шага."
)
_SIGN_UPS = _("Слишком много регистраций с этого адреса. Подождите час и попробуйте ещё раз.")
_RESETS = _("Слишком много просьб о новом пароле. Подождите 15 минут и попробуйте ещё раз.")
_LINKS = _("Слишком много ссылок подряд: откройте последнюю или возьмите новую через 10 минут.")
_TEST_MESSAGES = _("Слишком много проверочных сообщений подряд. Попробуйте ещё раз через 10 минут.")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests in `period_s` seconds for each `key`; `sentence` says so to the person."""

    count: int
    period_s: int
    key: Literal["address", "person", "login", "login and address", "browser"]
    sentence: Promise | str = ""


LIMITS: dict[str, Limit] = {
    # Wrong passwords and codes for one login from one address: enough for typing errors, too few for guessing.
    "login_failures": Limit(10, 15 * MINUTE_S, "login and address", _LOCKED_OUT),
    # For all logins from one address, and its requests for password links. Beyond it nobody is refused, since hundreds
    # of people may share an address: one request is handled at a time, with a pause after each failure
    # (`efir.edge.address_throttle`).
    "login_failures_address": Limit(200, 15 * MINUTE_S, "address"),
    # For one login from all addresses: many machines are no way around the first limit.
    "login_failures_account": Limit(50, 15 * MINUTE_S, "login"),
    # The same before a code: three of a million codes are right at any time, and somebody who guesses has the password.
    "code_failures_account": Limit(20, 15 * MINUTE_S, "login", _CODES),
    # Warnings to the owner that somebody guesses their codes.
    "guessing_told": Limit(1, HOUR_S, "login"),
    # Attempts in a browser that has logged in before, which the three limits above do not lock out.
    "login_known_browser": Limit(10, 15 * MINUTE_S, "browser"),
    # New accounts: enough for hundreds of people behind one router within an hour, but not for a script.
    "sign_up": Limit(300, HOUR_S, "address", _SIGN_UPS),
    # Responses that a login is taken, so that a list cannot be used to find out which logins exist. Beyond it the page
    # no longer says so, and other sign-ups are not affected.
    "sign_up_taken_address": Limit(20, HOUR_S, "address"),
    "sign_up_taken_account": Limit(20, HOUR_S, "login"),
    # Requests for a password link; a person needs few.
    "password_reset": Limit(3, 15 * MINUTE_S, "login and address", _RESETS),
    # Links for one login, from any client; beyond the limit the response is the usual one, so that it reveals nothing.
    "password_reset_account": Limit(10, HOUR_S, "login"),
    # Forms that ask a logged-in person for the password, so that somebody at an open page cannot guess it.
    "own_password": Limit(20, HOUR_S, "person", _TRY_LATER),
    "own_data": Limit(10, HOUR_S, "person", _TRY_LATER),
    # Each link is a row of the database, and each test a message of the bot.
    "telegram_link": Limit(10, 10 * MINUTE_S, "person", _LINKS),
    "telegram_test": Limit(3, 10 * MINUTE_S, "person", _TEST_MESSAGES),
}

# The key of an ASGI scope under which its request's failures are counted; the edge slows their address down.
FAILED_LOGINS = "efir.failed_logins"

log = structlog.get_logger(__name__)


def note_failed_login(request: HttpRequest) -> None:
    """Report a failed login of this request to the edge. Without the edge (in a test) it does nothing."""
    scope = getattr(request, "scope", {})
    scope.get(FAILED_LOGINS, []).append(True)


def is_exceeded(request: HttpRequest, name: str, key: str | None = None, *, count: bool = True) -> bool:
    """Return whether this request exceeds the limit `name`, and count it unless `count` is False.

    `key` is the value by which the limit counts; limits by address and by person find it in the request.
    """
    limit = LIMITS[name]
    if key is None:
        key = {"address": request_rate_limit_key(request), "person": str(request.user.pk)}[limit.key]
    rate = limit.count, limit.period_s
    usage = get_usage(request, group=name, key=lambda *_: key, rate=rate, increment=count)
    counted: int = usage["count"] if usage else 0  # with this request, if it is counted
    return counted + (not count) > limit.count


def check(
    request: HttpRequest, name: str, key: str | None = None, *, count: bool = True
) -> HttpResponse | None:
    """Return the page that refuses the request if the limit is exceeded, else None. Arguments as in `is_exceeded`."""
    return too_many_requests(request, name) if is_exceeded(request, name, key, count=count) else None


def too_many_requests(request: HttpRequest, name: str) -> HttpResponse:
    """Return the page that tells the person to wait for the period of the limit `name`."""
    limit = LIMITS[name]
    log.warning("request_throttled", limit=name, path=request.path, person_id=request.user.pk)
    response = render(request, "429.html", {"sentence": limit.sentence}, status=429)
    response["Retry-After"] = str(limit.period_s)
    return response
