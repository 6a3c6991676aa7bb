"""The demo's ASGI application: Efir and a fake Bot API under one address."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from efir.demo.environment import FAKE_BOTAPI_PREFIX
from efir.edge.application import make_application as make_efir_application
from efir.fake_botapi import FakeBotApi


def fake_botapi_file() -> Path:
    """Return the file that keeps the fake Bot API's chats from one run to the next."""
    return Path(settings.EFIR.data_dir / "fake_botapi.jsonl")


@cache
def fake_botapi() -> FakeBotApi | None:
    """Return this demo's fake Bot API, or None if EFIR_TELEGRAM_API names another."""
    if not settings.EFIR.telegram_api.endswith(FAKE_BOTAPI_PREFIX):
        return None
    return FakeBotApi(
        tokens={settings.EFIR.telegram_token}, prefix=FAKE_BOTAPI_PREFIX, store=fake_botapi_file()
    )


def make_application() -> Callable[..., Any]:
    """Return the application."""
    efir_application, botapi = make_efir_application(), fake_botapi()

    async def demo(scope: Any, receive: Any, send: Any) -> None:
        if botapi and scope["type"] == "http" and botapi.owns(scope["path"]):
            await botapi(scope, receive, send)
        else:
            await efir_application(scope, receive, send)

    return demo
