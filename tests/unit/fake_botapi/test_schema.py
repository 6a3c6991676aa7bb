"""Every response against an independent schema of the Bot API: aiogram's models."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from aiogram import Bot, exceptions
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.methods import SendMessage
from aiogram.methods.base import Response
from aiogram.types import Message, Update, User, WebhookInfo
from pydantic import BaseModel

from efir.fake_botapi.errors import OFFICIAL_ERRORS
from tests.unit.fake_botapi.conftest import TOKEN

HTML = '<b>bold</b> <i>italic</i> <a href="https://example.org/a?b=1&amp;c=2">link</a> <pre>x = 1</pre>'


def official(answer: httpx.Response, model: Any) -> Any:
    """Return the parsed result. Fail on a missing field and on one that the schema does not know."""
    parsed = Response[model].model_validate_json(answer.content)
    assert set(answer.json()) <= set(Response.model_fields)
    assert unknown_fields(parsed) == []
    assert parsed.ok is (answer.status_code == 200)
    return parsed if model is type(None) else parsed.result


def unknown_fields(model: object) -> list[str]:
    if isinstance(model, list):
        return [name for item in model for name in unknown_fields(item)]
    if not isinstance(model, BaseModel):
        return []
    values = [getattr(model, name) for name in type(model).model_fields]
    return [*(model.model_extra or {}), *unknown_fields(values)]


def test_schema_notices_a_missing_and_an_unknown_field() -> None:
    with pytest.raises(ValueError, match="first_name"):
        official(httpx.Response(200, json={"ok": True, "result": {"id": 1, "is_bot": True}}), User)
    surprising = {"id": 1, "is_bot": True, "first_name": "x", "surprise": 1}
    with pytest.raises(AssertionError, match="surprise"):
        official(httpx.Response(200, json={"ok": True, "result": surprising}), User)
    with pytest.raises(AssertionError, match="surprise"):
        official(httpx.Response(200, json={"ok": True, "result": True, "surprise": 1}), bool)


def test_get_me_is_a_bot(call):
    me = official(call("getMe"), User)
    assert (me.id, me.is_bot) == (42, True)


def test_sent_message_is_a_message(call):
    keyboard = {"inline_keyboard": [[{"text": "Open", "url": "https://example.org/webinar"}]]}
    answer = call("sendMessage", chat_id=7, text=HTML, parse_mode="HTML", reply_markup=keyboard)
    message = official(answer, Message)
    assert message.text == "bold italic link x = 1"
    assert [entity.type for entity in message.entities] == ["bold", "italic", "text_link", "pre"]
    assert message.reply_markup.inline_keyboard[0][0].url == "https://example.org/webinar"


def test_each_kind_of_update_is_an_update(call, fake_bot_api):
    fake_bot_api.people.start(7, "token")
    fake_bot_api.people.block(7)
    fake_bot_api.people.unblock(7)
    updates = official(call("getUpdates"), list[Update])
    assert [update.event_type for update in updates] == ["message", "my_chat_member", "my_chat_member"]
    assert [update.my_chat_member.new_chat_member.status for update in updates[1:]] == ["kicked", "member"]


def test_webhook_methods(call, fake_bot_api):
    fake_bot_api.people.start(7)
    assert official(call("getWebhookInfo"), WebhookInfo).pending_update_count == 1
    assert official(call("deleteWebhook"), bool) is True


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502])
def test_errors_are_error_objects(call, fake_bot_api, status):
    fake_bot_api.respond_with(status)
    parsed = official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert parsed.error_code == status
    assert parsed.description
    assert (parsed.parameters is not None) == (status == 429)


@pytest.mark.parametrize("name", OFFICIAL_ERRORS)
def test_another_library_understands_each_official_error(call, fake_bot_api, name):
    fake_bot_api.respond_with(official=name)
    answer = call("sendMessage", chat_id=7, text="hi")
    parsed = official(answer, type(None))
    assert (parsed.error_code, answer.status_code) == (
        OFFICIAL_ERRORS[name].status,
        OFFICIAL_ERRORS[name].status,
    )
    with pytest.raises(exceptions.TelegramAPIError) as raised:
        AiohttpSession().check_response(
            Bot(TOKEN), SendMessage(chat_id=7, text="hi"), answer.status_code, answer.text
        )
    assert type(raised.value) is RAISED.get(name, BY_STATUS.get(answer.status_code))


BY_STATUS = {
    400: exceptions.TelegramBadRequest,
    401: exceptions.TelegramUnauthorizedError,
    403: exceptions.TelegramForbiddenError,
    404: exceptions.TelegramNotFound,
    421: exceptions.TelegramAPIError,
    429: exceptions.TelegramAPIError,  # aiogram knows how long to wait by `retry_after` alone
    500: exceptions.TelegramServerError,
    502: exceptions.TelegramServerError,
    504: exceptions.TelegramServerError,
}
RAISED = {
    "wait": exceptions.TelegramRetryAfter,
    "migrated": exceptions.TelegramMigrateToChat,
    "restart": exceptions.RestartingTelegram,
}


def test_migrated_chat_tells_its_new_id(call, fake_bot_api):
    fake_bot_api.people.migrate(7, -1001111111111)
    parsed = official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert (parsed.error_code, parsed.parameters.migrate_to_chat_id) == (400, -1001111111111)
    message = official(call("sendMessage", chat_id=-1001111111111, text="hi"), Message)
    assert (message.chat.id, message.chat.type, message.chat.title) == (-1001111111111, "supergroup", "Anna")
