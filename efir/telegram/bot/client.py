"""The Bot API client: `telegram.Bot`, with every failure as one typed exception.

The library rewords Telegram's errors and makes one exception of connect timeouts and read timeouts, but the outcome
of a call depends on the difference. So the request class below raises before the library interprets an answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
from django.conf import settings
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from efir.telegram.bot.outcomes import CallFailed, Delivery

CONNECT_S = 5.0
READ_S = 15.0
# More than the dispatcher ever uses at once, so that no call waits for a free connection.
CONNECTIONS = 256
# How much later than its own timeout a long poll may be answered.
POLL_GRACE_S = 10.0

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
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
        except TelegramError as exc:
            raise _unanswered(exc.__cause__ or exc) from None
        answer = _parsed(body)
        if status == 200 and answer.get("ok") is True and "result" in answer:
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
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class _Bot(Bot):
    async def raw_updates(self, offset: int | None, timeout_s: int) -> Any:
        """Return updates unparsed: one that the library cannot parse must not block those after it."""
        data = {"offset": offset, "timeout": timeout_s, "allowed_updates": ["message", "my_chat_member"]}
        return await self._post("getUpdates", data, read_timeout=timeout_s + POLL_GRACE_S)


class BotApi:
    """The few calls that Efir makes. Each raises BotApiError.

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
        polling, calling = self._requests
        self._bot = _Bot(
            token,
            base_url=lambda token: f"{address}/bot{token}",
            request=calling,
            get_updates_request=polling,
        )

    async def username(self) -> str:
        """Return the bot's username, by which people find it."""
        return (await self._bot.get_me()).username or ""

    async def send(
        self, chat_id: int, text: str, buttons: Sequence[tuple[str, str]] = (), *, html: bool = True
    ) -> int:
        """Send a message with one button a row. Return the id that Telegram gave it."""
        rows = [[InlineKeyboardButton(label, url=address)] for label, address in buttons]
        try:
            message = await self._bot.send_message(
                chat_id,
                text,
                parse_mode="HTML" if html else None,
                reply_markup=InlineKeyboardMarkup(rows) if rows else None,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except TelegramError:
            raise
        except Exception as exc:  # whatever the library raises if the result is no message
            raise BotApiError(Delivery.UNKNOWN, type(exc).__name__, status=200) from None
        return message.message_id

    async def updates(self, offset: int | None, timeout_s: int) -> list[dict[str, Any]]:
        """Return the updates from `offset` on, waiting up to `timeout_s` seconds for one. Each has an `update_id`."""
        updates = await self._bot.raw_updates(offset, timeout_s)
        if not isinstance(updates, list):
            return []
        # An update without a number could never be acknowledged, so it would be fetched again for ever.
        return [each for each in updates if isinstance(each, dict) and isinstance(each.get("update_id"), int)]

    async def delete_webhook(self) -> None:
        """Delete the webhook: Telegram refuses long polling while there is one."""
        await self._bot.delete_webhook()

    async def close(self) -> None:
        """Close the connections."""
        for request in self._requests:
            await request.shutdown()
