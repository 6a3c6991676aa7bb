"""The actions that the audit log knows, with their labels."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Action(TextChoices):
    """One kind of action. Those up to `VERDICT_DECIDED` are read from the ledger and the journal."""

    WEBINAR_PUBLISHED = "webinar_published", _("публикация")
    WEBINAR_STARTED = "webinar_started", _("начало эфира")
    WEBINAR_STOPPED = "webinar_stopped", _("конец эфира")
    WEBINAR_PAUSED = "webinar_paused", _("пауза")
    WEBINAR_RESUMED = "webinar_resumed", _("конец паузы")
    WEBINAR_ARCHIVED = "webinar_archived", _("перенос в архив")
    CTA_SHOWN = "cta_shown", _("показ кнопки")
    CTA_HIDDEN = "cta_hidden", _("скрытие кнопки")
    VERDICT_DECIDED = "verdict_decided", _("решение об участии")

    WEBINAR_CREATED = "webinar_created", _("создание вебинара")
    WEBINAR_EDITED = "webinar_edited", _("правка вебинара")
    WEBINAR_DELETED = "webinar_deleted", _("удаление черновика")
    STREAM_KEY_ISSUED = "stream_key_issued", _("новый ключ трансляции")  # no key
    RECORDING_PUBLISHED = "recording_published", _("публикация записи")
    MESSAGES_RETRIED = "messages_retried", _("повтор сообщений")
    MESSAGES_RESOLVED = "messages_resolved", _("решение о сообщениях")
    TALK_HIDDEN = "talk_hidden", _("скрытие сообщения в комнате")
    TALK_SHOWN = "talk_shown", _("показ сообщения в комнате")
    TALK_PINNED = "talk_pinned", _("закрепление сообщения")
    TALK_UNPINNED = "talk_unpinned", _("открепление сообщения")
    TALK_ANSWERED = "talk_answered", _("ответ на вопрос")
    TALK_MUTED = "talk_muted", _("скрытие сообщений человека")
    TALK_UNMUTED = "talk_unmuted", _("возврат сообщений человека")
    TABLE_EXPORTED = "table_exported", _("выгрузка таблицы")
    PERSON_ADDED = "person_added", _("новый человек")
    ROLE_ASSIGNED = "role_assigned", _("смена роли")
    PASSWORD_LINK_MADE = "password_link_made", _("ссылка для пароля")  # no password
    PASSWORD_CHANGED = "password_changed", _("смена пароля")  # no password
    PASSWORD_RESET = "password_reset", _("новый пароль по ссылке")  # no password
    SECOND_FACTOR_ENABLED = "second_factor_enabled", _("включение входа в два шага")  # no secret
    SECOND_FACTOR_DISABLED = "second_factor_disabled", _("выключение входа в два шага")
    SECOND_FACTOR_RESET = "second_factor_reset", _("сброс входа в два шага")
    RECOVERY_CODES_ISSUED = "recovery_codes_issued", _("новые коды восстановления")  # no codes
    RECOVERY_CODE_USED = "recovery_code_used", _("вход с кодом восстановления")  # no code
    TELEGRAM_LINKED = "telegram_linked", _("привязка Telegram")
    TELEGRAM_MOVED = "telegram_moved", _("перенос Telegram в другой чат")
    TELEGRAM_UNLINKED = "telegram_unlinked", _("отвязка Telegram")
    ACCOUNT_CLOSED = "account_closed", _("закрытие аккаунта")
    CONSENT_GIVEN = "consent_given", _("согласие на обработку данных")
    SITE_EDITED = "site_edited", _("правка настроек сайта")
    DATA_EXPORTED = "data_exported", _("выгрузка своих данных")
    PERSON_ERASED = "person_erased", _("удаление аккаунта")
