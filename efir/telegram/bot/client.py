"""The Bot API over the wire: `telegram.Bot`, with every failure as one typed exception.

The library rewords what Telegram says and folds a connect timeout and a read timeout into one, but what is to be
done depends on just that. So the request class below raises before the library gets to interpret an answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import httpx
from django.conf import settings
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

CONNECT_S = 5.0
READ_S = 15.0
# More than the dispatcher ever has under way, so that nothing waits for a free connection.
CONNECTIONS = 256
POLL_GRACE_S = 10.0

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


class Delivery(StrEnum):
    """How far a failed call came."""

    NOT_SENT = "not_sent"
    ANSWERED = "answered"
    UNKNOWN = "unknown"


class BotApiError(TelegramError):
    """A call that did not end with `ok: true`, in Telegram's own words where it answered.

    `official` tells Telegram's answer from that of something in between. `parameters` may be empty in any answer.
    """

    def __init__(
        self,
        reach: Delivery,
        description: str,
        *,
        status: int | None = None,
        error_code: int | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(description)
        self.reach = reach
        self.description = description
        self.status = status
        self.error_code = error_code
        self.parameters = parameters or {}

    @property
    def official(self) -> bool:
        return self.error_code is not None


class _Request(HTTPXRequest):
    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *args: Any, **timeouts: Any
    ) -> tuple[int, bytes]:
        try:
            status, body = await super().do_request(url, method, request_data, *args, **timeouts)
        except TelegramError as exc:
            raise _unanswered(exc.__cause__ or exc) from None
        if status != 200 or not _is_result(body):
            raise _answered(status, body)
        return status, body


def _unanswered(cause: BaseException) -> BotApiError:
    """Named by the exception's class alone: its text might hold the address, and so the token."""
    reach = Delivery.NOT_SENT if isinstance(cause, _NEVER_SENT) else Delivery.UNKNOWN
    return BotApiError(reach, type(cause).__name__)


def _answered(status: int, body: bytes) -> BotApiError:
    answer = _parsed(body)
    error_code, parameters = answer.get("error_code"), answer.get("parameters")
    return BotApiError(
        Delivery.ANSWERED,
        str(answer.get("description") or f"HTTP {status}"),
        status=status,
        error_code=error_code if isinstance(error_code, int) and answer.get("ok") is False else None,
        parameters=parameters if isinstance(parameters, dict) else None,
    )


def _is_result(body: bytes) -> bool:
    answer = _parsed(body)
    return answer.get("ok") is True and "result" in answer


def _is_update(each: Any) -> bool:
    """Without a number it could not be acknowledged: it would be asked for again, and be in the way, for ever."""
    return isinstance(each, dict) and isinstance(each.get("update_id"), int)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


class _Bot(Bot):
    async def raw_updates(self, offset: int | None, timeout_s: int) -> Any:
        """The updates as they came: one that the library cannot parse must not block those after it."""
        data = {"offset": offset, "timeout": timeout_s, "allowed_updates": ["message", "my_chat_member"]}
        return await self._post("getUpdates", data, read_timeout=timeout_s + POLL_GRACE_S)


class BotApi:
    """The few calls that Efir makes. Each raises BotApiError; the address and the token come from the settings.

    Where the settings name a proxy (EFIR_TELEGRAM_PROXY), every call goes through it.
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
        """The bot's name, by which people find it."""
        return (await self._bot.get_me()).username or ""

    async def send(
        self, chat_id: int, text: str, buttons: Sequence[tuple[str, str]] = (), *, html: bool = True
    ) -> int:
        """Send a message, one button a row; the id that Telegram gave it."""
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
        except Exception as exc:  # the library, on a result of another shape than a message
            raise BotApiError(Delivery.UNKNOWN, type(exc).__name__, status=200) from None
        return message.message_id

    async def updates(self, offset: int | None, timeout_s: int) -> list[dict[str, Any]]:
        """What people did since `offset`, waiting up to `timeout_s` seconds for something; each has its `update_id`."""
        updates = await self._bot.raw_updates(offset, timeout_s)
        return [each for each in updates if _is_update(each)] if isinstance(updates, list) else []

    async def delete_webhook(self) -> None:
        """Let updates be fetched: a bot with a webhook refuses that."""
        await self._bot.delete_webhook()

    async def close(self) -> None:
        """Close the connections."""
        for request in self._requests:
            await request.shutdown()
