"""sendMessage: what is accepted, what is refused, and the error messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter

from tests.unit.fake_botapi.conftest import TOKEN


def send_with_library(address: str, token: str = TOKEN, **params: Any) -> Any:
    async def send() -> Any:
        async with Bot(token, base_url=f"{address}/bot") as bot:
            return await bot.send_message(**params)

    return asyncio.run(send())


def test_library_sends_html_with_a_button(address, fake_bot_api):
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Открыть", url="https://example.org/r/1")]])
    message = send_with_library(
        address,
        chat_id=7,
        text="<b>Эфир</b> начался",
        parse_mode="HTML",
        reply_markup=keyboard,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )
    assert (message.message_id, message.text, message.chat.id) == (1, "Эфир начался", 7)
    assert message.parse_entities() == {message.entities[0]: "Эфир"}
    assert message.reply_markup == keyboard
    assert [sent.message["text"] for sent in fake_bot_api.sent] == ["Эфир начался"]
    assert fake_bot_api.sent[0].params["text"] == "<b>Эфир</b> начался"


def test_message_ids_count_within_a_chat(call, fake_bot_api):
    fake_bot_api.people.add(8, "Boris")
    fake_bot_api.people.start(7)
    ids = [call("sendMessage", chat_id=chat, text="hi").json()["result"]["message_id"] for chat in (7, 7, 8)]
    assert ids == [2, 3, 1]


BAD = "Bad Request: "
URL_INVALID = f"{BAD}inline keyboard button URL "


def button(**fields: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x"} | fields]]}


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({"chat_id": 9}, f"{BAD}chat not found"),
        ({"chat_id": "@nobody"}, f"{BAD}chat not found"),
        ({"text": ""}, f"{BAD}message text is empty"),
        ({"text": " \n"}, f"{BAD}message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, f"{BAD}message text is empty"),
        ({"text": "x" * 4097}, f"{BAD}message is too long"),
        ({"text": "😀" * 2049}, f"{BAD}message is too long"),
        ({"parse_mode": "BBCode"}, f"{BAD}unsupported parse_mode"),
        (
            {"text": "<b>x", "parse_mode": "html"},
            f"{BAD}can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        ({"reply_markup": "{"}, f"{BAD}can't parse reply keyboard markup JSON object"),
        (
            {"reply_markup": button(url="http://localhost:8000/")},
            f"{URL_INVALID}'http://localhost:8000/' is invalid: Wrong HTTP URL",
        ),
        (
            {"reply_markup": button(url="javascript://x.y")},
            f"{URL_INVALID}'javascript://x.y' is invalid: Unsupported URL protocol",
        ),
        ({"reply_markup": button(url="http://")}, f"{BAD}BUTTON_URL_INVALID"),
        (
            {"reply_markup": button()},
            f"{BAD}can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
    ],
)
def test_wrong_message_is_refused(call, fake_bot_api, params, description):
    answer = call("sendMessage", **{"chat_id": 7, "text": "hi"} | params)
    assert answer.json() == {"ok": False, "error_code": 400, "description": description}
    assert answer.status_code == 400
    assert fake_bot_api.sent == []


def test_limit_counts_utf16_units_without_markup(call):
    text = "<b>" + "😀" * 2048 + "</b>"
    assert call("sendMessage", chat_id=7, text=text, parse_mode="HTML").status_code == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/r/1", "https://t.me/efir?start=x"])
def test_button_address_is_kept(call, url):
    result = call("sendMessage", chat_id=7, text="hi", reply_markup=button(url=url)).json()["result"]
    assert result["reply_markup"]["inline_keyboard"][0][0]["url"] == url


def test_no_chat_before_start(address, fake_bot_api):
    fake_bot_api.people.add(8, "Boris", chat=False)
    with pytest.raises(BadRequest, match="Chat not found"):
        send_with_library(address, chat_id=8, text="hi")
    fake_bot_api.people.start(8)
    assert send_with_library(address, chat_id=8, text="hi").message_id == 2


def test_blocked_bot_is_forbidden(address, fake_bot_api):
    fake_bot_api.people.block(7)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        send_with_library(address, chat_id=7, text="hi")
    fake_bot_api.people.unblock(7)
    assert send_with_library(address, chat_id=7, text="hi").text == "hi"


def test_library_gets_retry_after(address, fake_bot_api):
    fake_bot_api.respond_with(429, method="sendMessage", parameters={"retry_after": 17})
    with pytest.raises(RetryAfter) as caught:
        send_with_library(address, chat_id=7, text="hi")
    assert caught.value._retry_after.total_seconds() == 17


def test_unknown_token_is_unauthorized(address, fake_bot_api):
    with pytest.raises(InvalidToken):
        send_with_library(address, token="42:other", chat_id=7, text="hi")
    assert {(call.status, call.description) for call in fake_bot_api.calls} == {(401, "Unauthorized")}
    assert fake_bot_api.sent == []
