"""The consent to the processing of personal data: its text, the versions of it, and who accepted which."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.template.loader import render_to_string
from django.utils import translation

from efir.accounts.models import ConsentText, Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context
from efir.lib import clock
from efir.site_settings.current import current, settings_saved
from efir.site_settings.models import ONLY, SiteSettings

TEMPLATE = "accounts/_consent_text.html"
# Change this date whenever the text of the template changes: everybody is then asked again at their next login.
BASE_VERSION = "2026-11-30"


def consent_version(site: SiteSettings | None = None) -> str:
    """Return the version of the text in force: the template's date, and a number for who is responsible."""
    number = (site or current()).consent_number
    return f"{BASE_VERSION}.{number}" if number else BASE_VERSION


def needs_consent(person: Person) -> bool:
    """Return whether the person has yet to accept the current text."""
    return person.consent_version != consent_version()


def accept_consent(person: Person, context: Context) -> None:
    """Record that the person accepts the current text. The audit log keeps the earlier versions."""
    before = person.consent_version
    person.consent_at, person.consent_version = clock.now(), consent_version()
    with transaction.atomic():
        person.save(update_fields=["consent_at", "consent_version"])
        record_consent(person, context, before=before)


def record_consent(person: Person, context: Context, *, before: str) -> None:
    """Write the audit entry of a consent that is stored with the person."""
    version = {"consent_version": (before, person.consent_version)}
    record(Action.CONSENT_GIVEN, context, person_id=person.pk, changes=version)


def earlier_text(version: str, language: str) -> str:
    """Return the HTML of a version that is not in force any more; empty if there is no such version."""
    found = ConsentText.objects.filter(version=version, language=language).values_list("text", flat=True)
    return found.first() or ""


def keep_text(site: SiteSettings) -> None:
    """Store the text of the version in force in every language, so that it can be shown what somebody accepted.

    It is called when the settings change, and after the migrations, which come with a change of the template.
    """
    version = consent_version(site)
    if ConsentText.objects.filter(version=version).exists():
        return
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            text = render_to_string(TEMPLATE, {"site_settings": site}).strip()
        ConsentText.objects.get_or_create(version=version, language=code, defaults={"text": text})


@receiver(settings_saved, dispatch_uid="efir.accounts.consent")
def _on_settings_saved(**_: object) -> None:
    keep_text(SiteSettings.objects.get(pk=ONLY))


def keep_text_after_migrations(**_: object) -> None:
    """Store the text that this release came with."""
    keep_text(current())
