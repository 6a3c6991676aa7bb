"""`/account/audit/`: the audit log, filtered by person, webinar, action and days."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db.models import Field
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, Role, capability_required, people_who_can
from efir.accounts.models import LOGIN_MAX_LENGTH, Person, normalize_login
from efir.audit.actions import Action
from efir.hooks.actions import Source
from efir.lib import clock, ids
from efir.lib.text import clean_token
from efir.pages.audit_entries import AuditFilter, AuditRecord, find_entries, load_entries
from efir.site_settings.models import SiteSettings
from efir.webinars.labels import zone_label
from efir.webinars.models import Webinar, default_time_zone

ON_A_PAGE = 50
# A longer list would be hard to use: older webinars have a link to their entries on their own page.
MAX_CHOICES = 100
# An id that no row has, so that a filter by something unknown finds nothing.
NO_ID = 0
_FILTERS = ("person", "webinar", "action", "since", "until")

_DETAIL_LABELS: dict[str, Promise] = {
    "codes_left": gettext_lazy("осталось кодов"),
    "role": gettext_lazy("роль"),
    "consent_version": gettext_lazy("редакция согласия"),
    "attended": gettext_lazy("участие"),
    "delivered": gettext_lazy("дошло"),
    "messages": gettext_lazy("сообщений"),
    "message": gettext_lazy("номер сообщения"),
    "table": gettext_lazy("таблица"),
    "untold": gettext_lazy("изменено, значение не хранится"),
}


@never_cache
@require_safe
@capability_required(Capability.ASSIGN_ROLES)
def audit_log(request: HttpRequest) -> HttpResponse:
    """Show a page of entries, the latest first."""
    zone = ZoneInfo(default_time_zone())
    asked = {name: clean_token(request.GET.get(name, "")[:LOGIN_MAX_LENGTH]) for name in _FILTERS}
    person = asked["person"] and Person.objects.filter(login=normalize_login(asked["person"])).first()
    webinar_id = ids.parse(asked["webinar"])
    wanted = AuditFilter(
        webinar_id=(webinar_id or NO_ID) if asked["webinar"] else None,
        person_id=(person.pk if person else NO_ID) if asked["person"] else None,
        action=asked["action"] if asked["action"] in Action.values else "",
        since=_midnight(asked["since"], zone),
        until=_midnight(asked["until"], zone, later=timedelta(days=1)),
    )
    page = Paginator(find_entries(wanted), ON_A_PAGE).get_page(request.GET.get("page"))
    lines = [
        {
            "record": record,
            "action": dict(Action.choices).get(record.action, record.action),
            "actor": _actor_label(record),
            "details": _detail_lines(record),
        }
        for record in load_entries(list(page.object_list))
    ]
    kept = urlencode({name: value for name, value in asked.items() if value})
    context = {
        "page": page,
        "lines": lines,
        "actions": Action.choices,
        "people": _people_to_choose(asked["person"], person or None),
        "webinars": _webinars_to_choose(asked["webinar"], webinar_id),
        "more": f"&{kept}" if kept else "",
        "zone": zone,
        "zone_label": zone_label(clock.now(), zone),
    }
    return render(request, "pages/audit.html", context | asked)


def _people_to_choose(login: str, chosen: Person | None) -> list[tuple[str, str]]:
    """Return login and label of speakers and admins, and of the chosen person."""
    staff = people_who_can(Capability.EDIT_WEBINAR).order_by("name", "pk")[:MAX_CHOICES]
    choices = {person.login: f"{person.name} ({person.login})" for person in staff}
    if login:
        label = f"{chosen.name} ({chosen.login})" if chosen else login
        choices.setdefault(normalize_login(login), label)
    return list(choices.items())


def _webinars_to_choose(asked: str, chosen_id: int | None) -> list[tuple[str, str]]:
    """Return id and title of the latest webinars, and of the chosen one."""
    latest = Webinar.objects.order_by("-pk").values_list("pk", "title")
    choices = {str(pk): title for pk, title in latest[:MAX_CHOICES]}
    if asked and asked not in choices:
        choices[asked] = dict(latest.filter(pk=chosen_id or NO_ID)).get(chosen_id or NO_ID, asked)
    return list(choices.items())


def _midnight(day: str, zone: ZoneInfo, later: timedelta = timedelta()) -> datetime | None:
    """Return the beginning of a day such as 2026-11-25 in the zone; None if it is no day."""
    try:
        return datetime.combine(date.fromisoformat(day) + later, time.min, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _actor_label(record: AuditRecord) -> str:
    if record.actor:
        return record.actor.shown_name
    return _("командная строка") if record.source == Source.CLI else _("система")


def _detail_lines(record: AuditRecord) -> list[tuple[str, str, str]]:
    """Return label, old value and new value of each change and detail; a new field has no old value."""
    changes = [
        (_label(name), "" if before is None else _value(name, before), _value(name, after))
        for name, (before, after) in record.changes.items()
    ]
    return changes + [(_label(name), "", _value(name, value)) for name, value in record.details.items()]


def _label(name: str) -> str:
    if name in _DETAIL_LABELS:
        return str(_DETAIL_LABELS[name])
    field = _field(name)
    return str(field.verbose_name) if field else name


def _field(name: str) -> Field[Any, Any] | None:
    for model in (Webinar, SiteSettings):
        with suppress(FieldDoesNotExist):
            field = model._meta.get_field(name)
            return field if isinstance(field, Field) else None
    return None


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return _("да") if value else _("нет")
    if value in (None, ""):
        return "—"
    if name == "untold":
        return ", ".join(map(_label, value))
    field = _field(name)
    choices = Role.choices if name == "role" else field.flatchoices if field else ()
    return str(dict(choices).get(str(value), value))
