"""The language of messages to a person: the one they chose for the interface, else the site's default."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from efir.accounts.models import Person
from efir.site_settings.current import current
from efir.web.locale import LANGUAGES


def language_for(person: Person | None) -> str:
    """Return the person's language; the site's default if they never chose one, or if there is no person."""
    chosen = person.language if person else ""
    return chosen or current().language or settings.LANGUAGE_CODE


def in_language_of(person: Person | None) -> AbstractContextManager[None]:
    """Translate into the person's language while the block runs."""
    return translation.override(language_for(person))


def language_chosen(request: HttpRequest) -> str:
    """Return the language that this browser's visitor chose in the footer, or an empty string."""
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in LANGUAGES else ""


def remember_language(request: HttpRequest, response: HttpResponseBase, person: Person) -> None:
    """At a login, let the browser show the person's language, or store the one that the visitor had chosen before."""
    chosen = language_chosen(request)
    if person.language and not chosen:
        _set_cookie(response, person.language)
    elif chosen and not person.language:
        store_language(person, chosen)


def store_language(person: Person, language: str) -> None:
    """Store the language that the person chose."""
    Person.objects.filter(pk=person.pk).update(language=language)


# Exempt: cached pages carry no token for this form. A form on another site sends no session cookie (SameSite=Lax), so
# all that it could change is the language of its own visitor's browser.
@csrf_exempt
def choose_language(request: HttpRequest) -> HttpResponseBase:
    """Show pages in the language that was chosen in the footer; a logged-in person also gets messages in it."""
    response = set_language(request)
    language = request.POST.get("language", "")
    if request.method == "POST" and language in LANGUAGES and isinstance(request.user, Person):
        store_language(request.user, language)
    return response


def _set_cookie(response: HttpResponseBase, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        samesite="Lax",
    )
