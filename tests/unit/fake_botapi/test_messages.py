"""sendMessage: what is accepted, what is refused and in which words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter

from efir.fake_botapi import FakeBotApi, running

TOKEN = "42:demo"


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    fake_bot_api.people.add(7, "Anna")
    return fake_bot_api


@pytest.fixture
def address(fake_bot_api: FakeBotApi) -> Iterator[str]:
    with running(fake_bot_api) as address:
        yield address


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """The address of a stand-in shared by the tests that change nothing in it."""
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    fake_bot_api.people.add(7, "Anna")
    with running(fake_bot_api) as address:
        yield address
    assert fake_bot_api.sent == []


def post(address: str, method: str = "sendMessage", token: str = TOKEN, **params: Any) -> httpx.Response:
    return httpx.post(f"{address}/bot{token}/{method}", json=params)


def send_with_library(address: str, token: str = TOKEN, **params: Any) -> Any:
    async def send() -> Any:
        async with Bot(token, base_url=f"{address}/bot") as bot:
            return await bot.send_message(**params)

    return asyncio.run(send())


def test_the_library_sends_html_with_a_button(address: str, fake_bot_api: FakeBotApi) -> None:
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


def test_message_ids_count_within_a_chat(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.add(8, "Boris")
    fake_bot_api.people.start(7)
    ids = [post(address, chat_id=chat, text="hi").json()["result"]["message_id"] for chat in (7, 7, 8)]
    assert ids == [2, 3, 1]


@pytest.mark.parametrize(
    "request_with",
    [
        {"json": {"chat_id": 7, "text": "Привет, 1+1 & co"}},
        {"data": {"chat_id": "7", "text": "Привет, 1+1 & co"}},
        {"files": {"chat_id": (None, "7"), "text": (None, "Привет, 1+1 & co")}},
        {"params": {"chat_id": "7", "text": "Привет, 1+1 & co"}},
    ],
    ids=["json", "urlencoded", "multipart", "query"],
)
def test_parameters_come_in_any_encoding(address: str, request_with: Any) -> None:
    answer = httpx.post(f"{address}/bot{TOKEN}/sendMessage", **request_with)
    assert answer.json()["result"]["text"] == "Привет, 1+1 & co"


def test_get_and_any_case_of_the_method_work(address: str) -> None:
    answer = httpx.get(f"{address}/bot{TOKEN}/SENDmessage", params={"chat_id": 7, "text": "hi"})
    assert answer.json()["ok"] is True


BAD = "Bad Request: "
URL_INVALID = f"{BAD}inline keyboard button URL "


def button(**fields: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x"} | fields]]}


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({"chat_id": 9}, f"{BAD}chat not found"),
        ({"chat_id": "@nobody"}, f"{BAD}chat not found"),
        ({"chat_id": ""}, f"{BAD}chat_id is empty"),
        ({"text": ""}, f"{BAD}message text is empty"),
        ({"text": " \n"}, f"{BAD}text must be non-empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, f"{BAD}text must be non-empty"),
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
def test_a_wrong_message_is_refused(refusing: str, params: Any, description: str) -> None:
    answer = post(refusing, **{"chat_id": 7, "text": "hi"} | params)
    assert answer.json() == {"ok": False, "error_code": 400, "description": description}
    assert answer.status_code == 400


def test_half_of_a_surrogate_pair_is_refused(refusing: str) -> None:
    content = rb'{"chat_id": 7, "text": "\ud83d"}'
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{refusing}/bot{TOKEN}/sendMessage", content=content, headers=headers)
    assert answer.json()["description"] == f"{BAD}strings must be encoded in UTF-8"


def test_the_limit_counts_utf16_units_after_entities(address: str) -> None:
    text = "<b>" + "😀" * 2048 + "</b>"
    assert post(address, chat_id=7, text=text, parse_mode="HTML").status_code == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/r/1", "https://t.me/efir?start=x", "tg://resolve?domain=efir"]
)
def test_a_buttons_address_is_kept(address: str, url: str) -> None:
    keyboard = post(address, chat_id=7, text="hi", reply_markup=button(url=url)).json()["result"][
        "reply_markup"
    ]
    assert keyboard["inline_keyboard"][0][0]["url"] == url


def test_white_space_around_the_text_goes(address: str) -> None:
    result = post(address, chat_id=7, text=" \n<b> 😀x </b>\n", parse_mode="HTML").json()["result"]
    assert result["text"] == "😀x"
    assert result["entities"] == [{"type": "bold", "offset": 0, "length": 3}]


def test_no_chat_before_start(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.add(8, "Boris", chat=False)
    with pytest.raises(BadRequest, match="Chat not found"):
        send_with_library(address, chat_id=8, text="hi")
    fake_bot_api.people.start(8)
    assert send_with_library(address, chat_id=8, text="hi").message_id == 2


def test_a_blocked_bot_is_forbidden(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.people.block(7)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        send_with_library(address, chat_id=7, text="hi")
    fake_bot_api.people.unblock(7)
    assert send_with_library(address, chat_id=7, text="hi").text == "hi"


def test_the_library_is_told_to_wait(address: str, fake_bot_api: FakeBotApi) -> None:
    fake_bot_api.respond_with(429, method="sendMessage", parameters={"retry_after": 17})
    with pytest.raises(RetryAfter) as caught:
        send_with_library(address, chat_id=7, text="hi")
    assert caught.value._retry_after.total_seconds() == 17


def test_an_unknown_token_is_unauthorized(refusing: str) -> None:
    answer = post(refusing, token="42:other", chat_id=7, text="hi")
    assert answer.status_code == 401
    assert answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}
    with pytest.raises(InvalidToken):
        send_with_library(refusing, token="42:other", chat_id=7, text="hi")


@pytest.mark.parametrize("path", [f"bot{TOKEN}/sendPigeon", "botx/getMe", "bot42:demo", "", "elsewhere"])
def test_anything_else_is_not_found(refusing: str, path: str) -> None:
    answer = httpx.post(f"{refusing}/{path}")
    assert answer.status_code == 404
    assert answer.json() == {"ok": False, "error_code": 404, "description": "Not Found"}


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[1]", 400), (b" " * 1_000_001, 413)])
def test_an_unreadable_body_is_refused(refusing: str, content: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    assert httpx.post(f"{refusing}/bot{TOKEN}/getMe", content=content, headers=headers).status_code == status
