"""The Bot API client: `telegram.Bot`, with every failure as one typed exception.

The library rewords Telegram's errors and makes one exception of connect timeouts and read timeouts, but the outcome of
a call depends on the difference. So the request class below raises before the library interprets a response. The
library also fails on a response whose fields differ from its own release, although the message was delivered. So the
library makes the call, and the outcome is read from the raw response.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx
from django.conf import settings
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from efir.telegram.bot.outcomes import (
    INT64,
    CallFailed,
    Decision,
    Delivery,
    NotSent,
    OutcomeUnknown,
    TokenRejected,
    classify_outcome,
)

T = TypeVar("T")

CONNECT_S = 5.0
READ_S = 15.0
# `getMe` changes nothing, so it need not be waited for as long as a call that may have had an effect.
READ_BOT_S = 5.0
# More than the dispatcher ever uses at once, so that no call waits for a free connection.
CONNECTIONS = 256
# How much later than its own timeout a long poll may be answered.
POLL_GRACE_S = 5.0

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.ProxyError,
)


class BotApiError(CallFailed, TelegramError):
    """A failed call, in the form that python-telegram-bot lets through from its request class."""


class _Request(HTTPXRequest):
    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *args: Any, **timeouts: Any
    ) -> tuple[int, bytes]:
        try:
            status, body = await super().do_request(url, method, request_data, *args, **timeouts)
        except Exception as exc:
            raise _unanswered(exc.__cause__ or exc) from None
        answer = _parsed(body)
        if 200 <= status < 300 and answer.get("ok") is True and "result" in answer:
            return status, body
        raise _answered(status, answer)


def _unanswered(cause: BaseException) -> BotApiError:
    delivery = Delivery.NOT_SENT if isinstance(cause, _NEVER_SENT) else Delivery.UNKNOWN
    # The class alone, because the exception's text might contain the address and so the token.
    return BotApiError(delivery, type(cause).__name__)


def _answered(status: int, answer: dict[str, Any]) -> BotApiError:
    error_code, parameters = answer.get("error_code"), answer.get("parameters")
    return BotApiError(
        Delivery.ANSWERED,
        str(answer.get("description") or f"HTTP {status}"),
        status=status,
        error_code=error_code if isinstance(error_code, int) and answer.get("ok") is False else None,
        parameters=parameters if isinstance(parameters, dict) else None,
    )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


class _Bot(Bot):
    async def call(self, method: str, *, read_timeout: float | None = None, **parameters: Any) -> Any:
        """Make a call. Return its `result` as Telegram gave it. Every failure is a BotApiError."""
        try:
            return await self._post(method, parameters, read_timeout=read_timeout or READ_S)
        except BotApiError:
            raise
        except Exception as exc:  # any other error of the library: it is unknown how far the call got
            raise BotApiError(Delivery.UNKNOWN, type(exc).__name__) from None


def _unexpected(result: Any) -> BotApiError:
    return BotApiError(Delivery.UNKNOWN, f"a malformed result ({type(result).__name__})", status=200)


def _read_username(bot: Any) -> str:
    if not isinstance(bot, dict):
        raise _unexpected(bot)
    username = bot.get("username")
    return username if isinstance(username, str) else ""


def _read_message_id(message: Any) -> int:
    message_id = message.get("message_id") if isinstance(message, dict) else None
    if type(message_id) is not int or message_id not in INT64:
        raise _unexpected(message)
    return message_id


def _read_updates(updates: Any) -> list[dict[str, Any]]:
    if not isinstance(updates, list):
        raise _unexpected(updates)
    # An update without an id could never be acknowledged, so it would be fetched again forever.
    return [each for each in updates if isinstance(each, dict) and isinstance(each.get("update_id"), int)]


class BotApi:
    """The few calls that Efir makes. Each raises BotApiError, and nothing else.

    If the settings name a proxy (EFIR_TELEGRAM_PROXY), every call goes through it.
    """

    def __init__(self, token: str, address: str) -> None:
        self._requests: list[BaseRequest] = [
            _Request(
                size,
                proxy=settings.EFIR.telegram_proxy or None,
                read_timeout=READ_S,
                connect_timeout=CONNECT_S,
                pool_timeout=CONNECT_S,
            )
            for size in (1, CONNECTIONS)
        ]
        # Whether the last call failed in such a way that perhaps no call can succeed.
        self.is_in_doubt = False
        polling, calling = self._requests
        self._bot = _Bot(
            token,
            base_url=lambda token: f"{address}/bot{token}",
            request=calling,
            get_updates_request=polling,
        )

    async def _call(self, read: Callable[[Any], T], method: str, **parameters: Any) -> T:
        """Make a call, and return what `read` finds in its result."""
        try:
            found = read(await self._bot.call(method, **parameters))
        except BotApiError as exc:
            self.is_in_doubt = isinstance(classify_outcome(exc), NotSent | OutcomeUnknown | TokenRejected)
            raise
        self.is_in_doubt = False
        return found

    async def username(self) -> str:
        """Return the bot's username, by which people find it; empty if Telegram names none."""
        return await self._call(_read_username, "getMe", read_timeout=READ_BOT_S)

    async def send(
        self,
        chat_id: int,
        text: str,
        buttons: Sequence[tuple[str, str]] = (),
        *,
        choices: Sequence[tuple[str, str]] = (),
        html: bool = True,
    ) -> int:
        """Send a message with one button a row. Return the id that Telegram gave it.

        buttons: (label, address). choices: (label, what the update says if it is pressed), in a row of their own.
        """
        rows = [[InlineKeyboardButton(label, url=address)] for label, address in buttons]
        if choices:
            rows.append([InlineKeyboardButton(label, callback_data=data) for label, data in choices])
        return await self._call(
            _read_message_id,
            "sendMessage",
            chat_id=chat_id,
            text=text,
            parse_mode="HTML" if html else None,
            reply_markup=InlineKeyboardMarkup(rows) if rows else None,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )

    async def send_and_classify(
        self, chat_id: int, text: str, buttons: Sequence[tuple[str, str]] = ()
    ) -> Decision:
        """Send a message as `send` does, and classify the outcome.

        Any failure has one, because the message may have arrived.
        """
        try:
            return classify_outcome(await self.send(chat_id, text, buttons))
        except Exception as exc:
            return classify_outcome(exc)

    async def updates(self, offset: int | None, timeout_s: int) -> list[dict[str, Any]]:
        """Return the updates from `offset` on, waiting up to `timeout_s` seconds for one. Each has an `update_id`."""
        return await self._call(
            _read_updates,
            "getUpdates",
            read_timeout=timeout_s + POLL_GRACE_S,
            offset=offset,
            timeout=timeout_s,
            allowed_updates=["message", "callback_query", "my_chat_member"],
        )

    async def answer_callback(self, callback_id: str) -> None:
        """Confirm to the person's Telegram client that the press of a button has arrived."""
        await self._call(bool, "answerCallbackQuery", callback_query_id=callback_id)

    async def delete_webhook(self) -> None:
        """Delete the webhook: Telegram refuses long polling while there is one."""
        await self._call(bool, "deleteWebhook")

    async def close(self) -> None:
        """Close the connections."""
        for request in self._requests:
            await request.shutdown()
