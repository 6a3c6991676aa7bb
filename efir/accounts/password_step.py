"""Store the state between the two steps of a login: a signed cookie that only says that the password was right.

It is not a session: only the page that asks for the code reads it.
"""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac

from efir.accounts.models import Person

COOKIE = f"{settings.COOKIE_PREFIX}efir_password_step"
# As long as a password counts as typed just now. Looking for one's recovery codes takes some minutes.
AGE_S = 10 * 60
_signer = signing.TimestampSigner(salt="efir.password-step")


def remember(response: HttpResponseBase, person: Person) -> None:
    """Remember in this browser that the person's password was right."""
    response.set_cookie(
        COOKIE,
        _signer.sign_object({"person": person.pk, "password": _digest(person)}),
        max_age=AGE_S,
        httponly=True,
        samesite="Lax",
        secure=settings.EFIR.is_https,
    )


def forget(response: HttpResponseBase) -> None:
    """Delete the cookie once the login is complete."""
    response.delete_cookie(COOKIE, samesite="Lax")


def person_of(request: HttpRequest) -> Person | None:
    """Return the person whose password was typed in this browser within ten minutes, if the password is unchanged."""
    try:
        step = _signer.unsign_object(request.COOKIES.get(COOKIE, ""), max_age=AGE_S)
    except signing.BadSignature:
        return None
    person = Person.objects.filter(pk=step["person"], is_active=True).first()
    if person is None or not constant_time_compare(step["password"], _digest(person)):
        return None
    return person


def _digest(person: Person) -> str:
    return salted_hmac("efir.password-step", person.password, algorithm="sha256").hexdigest()
