"""What deeds are called on the page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.accounts.capabilities import Role
from efir.audit.actions import Action
from efir.hooks.actions import Source
from efir.pages.audit_entries import AuditRecord
from efir.webinars.models import Webinar

_FIELDS: dict[str, Promise] = {
    "role": gettext_lazy("роль"),
    "consent_version": gettext_lazy("редакция согласия"),
    "attended": gettext_lazy("участие"),
    "delivered": gettext_lazy("дошло"),
    "messages": gettext_lazy("сообщений"),
    "table": gettext_lazy("таблица"),
    "untold": gettext_lazy("изменено, значение не хранится"),
}


def action_label(action: str) -> str:
    """What was done."""
    return str(dict(Action.choices).get(action, action))


def actor_label(deed: AuditRecord) -> str:
    """Who did it: a person, whoever had the command line, or the system."""
    if deed.actor:
        return deed.actor.name
    return _("командная строка") if deed.source == Source.CLI else _("система")


def detail_lines(deed: AuditRecord) -> list[tuple[str, str, str]]:
    """What it changed: field, before, after; what is new, and a plain detail, has nothing before."""
    changed = [
        (_field(name), "" if before is None else _value(name, before), _value(name, after))
        for name, (before, after) in deed.changes.items()
    ]
    return changed + [(_field(name), "", _value(name, value)) for name, value in deed.details.items()]


def _field(name: str) -> str:
    if name in _FIELDS:
        return str(_FIELDS[name])
    try:
        return str(Webinar._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # columns alone
    except (FieldDoesNotExist, AttributeError):
        return name


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return _("да") if value else _("нет")
    if value in (None, ""):
        return "—"
    if name == "untold":
        return ", ".join(map(_field, value))
    return str(dict(Role.choices).get(value, value) if name == "role" else value)
