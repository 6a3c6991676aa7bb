"""Every response against an independent schema of the Bot API: aiogram's models."""

from __future__ import annotations

from types import ModuleType

import httpx
import pytest

from efir.fake_botapi.errors import OFFICIAL_ERRORS

HTML = '<b>bold</b> <i>italic</i> <a href="https://example.org/a?b=1&amp;c=2">link</a> <pre>x = 1</pre>'


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """Import the schema in the one process that needs it: aiogram's models take three seconds to build."""
    from tests.unit.fake_botapi import aiogram_schema

    return aiogram_schema


def test_schema_notices_a_missing_and_an_unknown_field(schema):
    with pytest.raises(ValueError, match="first_name"):
        schema.official(
            httpx.Response(200, json={"ok": True, "result": {"id": 1, "is_bot": True}}), schema.User
        )
    surprising = {"id": 1, "is_bot": True, "first_name": "x", "surprise": 1}
    with pytest.raises(AssertionError, match="surprise"):
        schema.official(httpx.Response(200, json={"ok": True, "result": surprising}), schema.User)
    with pytest.raises(AssertionError, match="surprise"):
        schema.official(httpx.Response(200, json={"ok": True, "result": True, "surprise": 1}), bool)


def test_get_me_is_a_bot(schema, call):
    me = schema.official(call("getMe"), schema.User)
    assert (me.id, me.is_bot) == (42, True)


def test_sent_message_is_a_message(schema, call):
    keyboard = {"inline_keyboard": [[{"text": "Open", "url": "https://example.org/webinar"}]]}
    answer = call("sendMessage", chat_id=7, text=HTML, parse_mode="HTML", reply_markup=keyboard)
    message = schema.official(answer, schema.Message)
    assert message.text == "bold italic link x = 1"
    assert [entity.type for entity in message.entities] == ["bold", "italic", "text_link", "pre"]
    assert message.reply_markup.inline_keyboard[0][0].url == "https://example.org/webinar"


def test_each_kind_of_update_is_an_update(schema, call, fake_bot_api):
    fake_bot_api.people.start(7, "token")
    fake_bot_api.people.block(7)
    fake_bot_api.people.unblock(7)
    updates = schema.official(call("getUpdates"), list[schema.Update])
    assert [update.event_type for update in updates] == ["message", "my_chat_member", "my_chat_member"]
    assert [update.my_chat_member.new_chat_member.status for update in updates[1:]] == ["kicked", "member"]


def test_webhook_methods(schema, call, fake_bot_api):
    fake_bot_api.people.start(7)
    assert schema.official(call("getWebhookInfo"), schema.WebhookInfo).pending_update_count == 1
    assert schema.official(call("deleteWebhook"), bool) is True


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502])
def test_errors_are_error_objects(schema, call, fake_bot_api, status):
    fake_bot_api.respond_with(status)
    parsed = schema.official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert parsed.error_code == status
    assert parsed.description
    assert (parsed.parameters is not None) == (status == 429)


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFICIAL_ERRORS)
def test_another_library_understands_each_official_error(schema, call, fake_bot_api, name):
    fake_bot_api.respond_with(official=name)
    answer = call("sendMessage", chat_id=7, text="hi")
    parsed = schema.official(answer, type(None))
    assert (parsed.error_code, answer.status_code) == (
        OFFICIAL_ERRORS[name].status,
        OFFICIAL_ERRORS[name].status,
    )
    assert schema.error_raised(answer) is schema.expected_error(name, answer.status_code)


def test_migrated_chat_tells_its_new_id(schema, call, fake_bot_api):
    fake_bot_api.people.migrate(7, -1001111111111)
    parsed = schema.official(call("sendMessage", chat_id=7, text="hi"), type(None))
    assert (parsed.error_code, parsed.parameters.migrate_to_chat_id) == (400, -1001111111111)
    message = schema.official(call("sendMessage", chat_id=-1001111111111, text="hi"), schema.Message)
    assert (message.chat.id, message.chat.type, message.chat.title) == (-1001111111111, "supergroup", "Anna")
