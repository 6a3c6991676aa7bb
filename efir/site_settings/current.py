"""The settings in force, cached in web processes, and the one function that writes them.

The hub of a web process is notified of every change: in the same process by `settings_changed`, in others like a
changed webinar. A process without a hub gets no notification, so it reads the row each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.dispatch import Signal

from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, columns_of, object_from
from efir.site_settings.models import ONLY, SiteSettings

# The first is sent in the transaction of the change, the second after it.
settings_saved = Signal()
settings_changed = Signal()
# The text of the consent names these.
_IN_CONSENT = frozenset({"organisation", "organisation_address", "data_contact"})

# The audit log records only that these changed, because they may name a person.
PERSONAL = frozenset(
    {
        "organisation",
        "organisation_address",
        "data_contact",
        "contact_name",
        "telegram_name",
        "phone",
        "email",
    }
)

# A process without a hub reads it several times for each message.
_ROW = CompiledQuery(lambda: SiteSettings.objects.filter(pk=ONLY).values_list(*columns_of(SiteSettings)))

_cached: SiteSettings | None = None
_is_caching = False
_changes = 0


def current() -> SiteSettings:
    """Return the settings in force. Do not change the object."""
    global _cached  # noqa: PLW0603  # one cache for the process  # one row for the process
    site, changes_before = _cached, _changes
    if site is None:
        found = _ROW.rows()
        site = object_from(SiteSettings, found[0]) if found else SiteSettings(pk=ONLY)
        if _is_caching and _changes == changes_before:  # a change during the read may be missing from it
            _cached = site
    return site


def cached() -> SiteSettings:
    """Return the settings as this process last read them, or the defaults, without asking the database."""
    return _cached or SiteSettings(pk=ONLY)


def set_caching(on: bool) -> None:
    """Begin to cache, or stop: the caller promises to call `forget` at every change."""
    global _is_caching  # noqa: PLW0603  # one cache for the process
    _is_caching = on
    forget()


def forget() -> None:
    """Read the settings again at the next use."""
    global _cached, _changes
    _cached, _changes = None, _changes + 1


def default_language() -> str:
    """Return the language for a visitor who has chosen none and whose browser asks for none that Efir has."""
    return cached().language or settings.LANGUAGE_CODE


def default_time_zone() -> str:
    """Return the name of the time zone of a new webinar."""
    return current().time_zone or settings.TIME_ZONE


def save(changes: Mapping[str, str], context: Context) -> SiteSettings:
    """Write these fields and record who did it. A call that changes nothing marks the settings as reviewed."""
    with transaction.atomic():
        SiteSettings.objects.get_or_create(pk=ONLY)
        site = SiteSettings.objects.select_for_update().get(pk=ONLY)
        changed = {name: value for name, value in changes.items() if getattr(site, name) != value}
        pairs = {
            name: (getattr(site, name), value) for name, value in changed.items() if name not in PERSONAL
        }
        untold = sorted(PERSONAL & changed.keys())
        for name, value in changed.items():
            setattr(site, name, value)
        site.version += 1
        site.consent_number += bool(_IN_CONSENT & changed.keys())
        site.changed_at = clock.now()
        site.save()
        if changed:
            details: dict[str, Any] = {"untold": untold} if untold else {}
            record(Action.SITE_EDITED, context, changes=pairs, **details)
        settings_saved.send(sender=SiteSettings)
        transaction.on_commit(_announce)
    return site


def _announce() -> None:
    forget()
    settings_changed.send(sender=SiteSettings)
