"""Addresses of a person's own Telegram link and of a webinar's messages."""

from __future__ import annotations

from django.urls import path

from efir.telegram.views import chat, messages

urlpatterns = [
    path("account/telegram/link", chat.link, name="telegram-link"),
    path("account/telegram/qr", chat.qr, name="telegram-qr"),
    path("account/telegram/unlink", chat.unlink_chat, name="telegram-unlink"),
    path("account/telegram/test", chat.test, name="telegram-test"),
    path("admin_webinar/<id:webinar_id>/messages/retry", messages.retry_failed, name="messages_retry"),
    path(
        "admin_webinar/<id:webinar_id>/messages/<id:message_id>/retry",
        messages.retry_one,
        name="message_retry",
    ),
    path(
        "admin_webinar/<id:webinar_id>/messages/<id:message_id>/resolve",
        messages.resolve,
        name="message_resolve",
    ),
]
