"""Every answer of the stand-in against an independent schema of the Bot API: aiogram's models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from aiogram import Bot, exceptions
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.methods import SendMessage
from aiogram.methods.base import Response
from aiogram.types import Message, Update, User, WebhookInfo
from pydantic import BaseModel

from efir.fake_botapi import FakeBotApi, running
from efir.fake_botapi.errors_catalogue import OFFICIAL_ERRORS

TOKEN = "42:demo"
HTML = (
    '<b>bold</b> <i>italic</i> <a href="https://example.org/a?b=1&amp;c=2">link</a> '
    '<pre><code class="language-python">x = 1</code></pre> <tg-spoiler>hidden</tg-spoiler>'
)


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    fake_bot_api = FakeBotApi()
    fake_bot_api.people.add(7, "Anna", "anna")
    return fake_bot_api


@pytest.fixture
def call(fake_bot_api: FakeBotApi) -> Iterator[Any]:
    with running(fake_bot_api) as address, httpx.Client(base_url=f"{address}/bot{TOKEN}/") as client:

        def call(method: str, **params: Any) -> httpx.Response:
            return client.post(method, json=params)

        yield call


def official(answer: httpx.Response, model: Any) -> Any:
    """The parsed result; fails on a missing field and on one that the schema does not know."""
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


def test_the_schema_notices_a_missing_and_an_unknown_field() -> None:
    with pytest.raises(ValueError, match="first_name"):
        official(httpx.Response(200, json={"ok": True, "result": {"id": 1, "is_bot": True}}), User)
    surprising = {"id": 1, "is_bot": True, "first_name": "x", "surprise": 1}
    with pytest.raises(AssertionError, match="surprise"):
        official(httpx.Response(200, json={"ok": True, "result": surprising}), User)
    with pytest.raises(AssertionError, match="surprise"):
        official(httpx.Response(200, json={"ok": True, "result": True, "surprise": 1}), bool)


def test_get_me_is_a_bot(call: Any) -> None:
    me = official(call("getMe"), User)
    assert (me.id, me.is_bot) == (42, True)


def test_a_sent_message_is_a_message(call: Any) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Open", "url": "https://example.org/webinar"}]]}
    preview = {"is_disabled": True}
    answer = call(
        "sendMessage",
        chat_id=7,
        text=HTML,
        parse_mode="HTML",
        reply_markup=keyboard,
        link_preview_options=preview,
    )
    message = official(answer, Message)
    assert message.text == "bold italic link x = 1 hidden"
    assert [entity.type for entity in message.entities] == ["bold", "italic", "text_link", "pre", "spoiler"]
    assert message.reply_markup.inline_keyboard[0][0].url == "https://example.org/webinar"
    assert message.link_preview_options.is_disabled


def test_each_kind_of_update_is_an_update(call: Any, fake_bot_api: FakeBotApi) -> None:
    call(
        "sendMessage",
        chat_id=7,
        text="pick",
        reply_markup={"inline_keyboard": [[{"text": "A", "callback_data": "a"}]]},
    )
    fake_bot_api.people.start(7, "token")
    fake_bot_api.people.press(7, 1, "a")
    fake_bot_api.people.block(7)
    fake_bot_api.people.unblock(7)
    updates = official(call("getUpdates"), list[Update])
    kinds = [update.event_type for update in updates]
    assert kinds == ["message", "callback_query", "my_chat_member", "my_chat_member"]
    assert [update.my_chat_member.new_chat_member.status for update in updates[2:]] == ["kicked", "member"]


def test_the_small_methods_answer_officially(call: Any, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.start(7)
    assert official(call("getWebhookInfo"), WebhookInfo).pending_update_count == 1
    assert official(call("deleteWebhook", drop_pending_updates=True), bool) is True
    assert official(call("getWebhookInfo"), WebhookInfo).pending_update_count == 0
    assert (
        official(call("setMyCommands", commands=[{"command": "start", "description": "Begin"}]), bool) is True
    )


def test_a_pressed_button_is_answered_once(call: Any, fake_bot_api: FakeBotApi) -> None:
    call("sendMessage", chat_id=7, text="pick")
    fake_bot_api.people.press(7, 1, "a")
    query = official(call("getUpdates"), list[Update])[0].callback_query
    assert official(call("answerCallbackQuery", callback_query_id=query.id), bool) is True
    assert call("answerCallbackQuery", callback_query_id=query.id).status_code == 400


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502])
def test_errors_are_error_objects(call: Any, fake_bot_api: FakeBotApi, status: int) -> None:
    fake_bot_api.respond_with(status)
    parsed = official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert parsed.error_code == status
    assert parsed.description
    assert (parsed.parameters is not None) == (status == 429)


@pytest.mark.parametrize("name", OFFICIAL_ERRORS)
def test_each_official_answer_is_what_another_library_takes_it_for(
    call: Any, fake_bot_api: FakeBotApi, name: str
) -> None:
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


def test_a_chat_that_became_a_supergroup_tells_its_new_id_and_takes_messages_there(
    call: Any, fake_bot_api: FakeBotApi
) -> None:
    fake_bot_api.people.upgrade(7, -1001111111111)
    parsed = official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert (parsed.error_code, parsed.parameters.migrate_to_chat_id) == (400, -1001111111111)
    message = official(call("sendMessage", chat_id=-1001111111111, text="hi"), Message)
    assert (message.chat.id, message.chat.type, message.chat.title) == (-1001111111111, "supergroup", "Anna")
