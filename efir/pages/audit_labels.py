"""What deeds are called on the page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.accounts.labels import role_label
from efir.audit.actions import Action
from efir.hooks.actions import Source
from efir.pages.audit_entries import AuditRecord
from efir.webinars.models import Webinar

ACTIONS: dict[str, Promise] = {
    Action.WEBINAR_CREATED.value: gettext_lazy("создание вебинара"),
    Action.WEBINAR_EDITED.value: gettext_lazy("правка вебинара"),
    Action.WEBINAR_PUBLISHED.value: gettext_lazy("публикация"),
    Action.WEBINAR_STARTED.value: gettext_lazy("начало эфира"),
    Action.WEBINAR_PAUSED.value: gettext_lazy("пауза"),
    Action.WEBINAR_RESUMED.value: gettext_lazy("конец паузы"),
    Action.WEBINAR_STOPPED.value: gettext_lazy("конец эфира"),
    Action.WEBINAR_ARCHIVED.value: gettext_lazy("перенос в архив"),
    Action.CTA_SHOWN.value: gettext_lazy("показ кнопки"),
    Action.CTA_HIDDEN.value: gettext_lazy("скрытие кнопки"),
    Action.RECORDING_PUBLISHED.value: gettext_lazy("публикация записи"),
    Action.VERDICT_DECIDED.value: gettext_lazy("решение об участии"),
    Action.MESSAGES_RETRIED.value: gettext_lazy("повтор сообщений"),
    Action.MESSAGES_RESOLVED.value: gettext_lazy("решение о сообщениях"),
    Action.TABLE_EXPORTED.value: gettext_lazy("выгрузка таблицы"),
    Action.PERSON_ADDED.value: gettext_lazy("новый человек"),
    Action.ROLE_ASSIGNED.value: gettext_lazy("смена роли"),
    Action.PASSWORD_LINK_MADE.value: gettext_lazy("ссылка для пароля"),
    Action.ACCOUNT_CLOSED.value: gettext_lazy("закрытие аккаунта"),
    Action.CONSENT_GIVEN.value: gettext_lazy("согласие на обработку данных"),
    Action.DATA_EXPORTED.value: gettext_lazy("выгрузка своих данных"),
    Action.PERSON_ERASED.value: gettext_lazy("удаление аккаунта"),
}
_FIELDS: dict[str, Promise] = {
    "role": gettext_lazy("роль"),
    "consent_version": gettext_lazy("редакция согласия"),
    "attended": gettext_lazy("участие"),
    "delivered": gettext_lazy("дошло"),
    "messages": gettext_lazy("сообщений"),
    "table": gettext_lazy("таблица"),
    "untold": gettext_lazy("изменено, значение не хранится"),
}


def action_words(action: str) -> str:
    """What was done."""
    return str(ACTIONS.get(action, action))


def actor_words(deed: AuditRecord) -> str:
    """Who did it: a person, whoever had the command line, or the system."""
    if deed.actor:
        return deed.actor.name
    return _("командная строка") if deed.source == Source.CLI else _("система")


def details_words(deed: AuditRecord) -> list[tuple[str, str, str]]:
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
    return role_label(value) if name == "role" else str(value)
