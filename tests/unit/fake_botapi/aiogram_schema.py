"""Responses of the fake Bot API, read by an independent schema of it: aiogram's models."""

from __future__ import annotations

from typing import Any

import httpx
from aiogram import Bot, exceptions
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.methods import SendMessage
from aiogram.methods.base import Response
from aiogram.types import Message, Update, User, WebhookInfo
from pydantic import BaseModel

from tests.unit.fake_botapi.conftest import TOKEN

__all__ = ["Message", "Update", "User", "WebhookInfo", "error_raised", "expected_error", "official"]

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


def official(answer: httpx.Response, model: Any) -> Any:
    """Return the parsed result. Fail on a missing field and on one that the schema does not know."""
    parsed = Response[model].model_validate_json(answer.content)
    unknown = sorted(set(answer.json()) - set(Response.model_fields)) + unknown_fields(parsed)
    assert unknown == [], unknown
    assert parsed.ok is (answer.status_code == 200)
    return parsed if model is type(None) else parsed.result


def unknown_fields(model: object) -> list[str]:
    if isinstance(model, list):
        return [name for item in model for name in unknown_fields(item)]
    if not isinstance(model, BaseModel):
        return []
    values = [getattr(model, name) for name in type(model).model_fields]
    return [*(model.model_extra or {}), *unknown_fields(values)]


def error_raised(answer: httpx.Response) -> type[exceptions.TelegramAPIError]:
    """Return the exception that aiogram raises for the answer to a message."""
    try:
        AiohttpSession().check_response(
            Bot(TOKEN), SendMessage(chat_id=7, text="hi"), answer.status_code, answer.text
        )
    except exceptions.TelegramAPIError as error:
        return type(error)
    raise AssertionError("aiogram takes it for a success")


def expected_error(name: str, status: int) -> type[exceptions.TelegramAPIError] | None:
    return RAISED.get(name, BY_STATUS.get(status))
