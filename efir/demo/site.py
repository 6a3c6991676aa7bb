"""The demo's application: Efir, and the stand-in's Bot API under the same address."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings

from efir.demo.environment import STANDIN_PREFIX
from efir.edge.application import make_application as make_efir_application
from efir.fake_botapi import FakeBotApi


@cache
def fake_bot_api() -> FakeBotApi | None:
    """The stand-in of this demo, or None where the demo sends to an address from the environment."""
    if not settings.EFIR.telegram_api.endswith(STANDIN_PREFIX):
        return None
    return FakeBotApi(
        tokens={settings.EFIR.telegram_token},
        prefix=STANDIN_PREFIX,
        store=settings.EFIR.data_dir / "standin.jsonl",
    )


def make_application() -> Callable[..., Any]:
    """Efir's application with the stand-in beside it."""
    efir_application = make_efir_application()
    bot_api = fake_bot_api()

    async def demo(scope: Any, receive: Any, send: Any) -> None:
        if bot_api and scope["type"] == "http" and bot_api.owns(scope["path"]):
            await bot_api(scope, receive, send)
        else:
            await efir_application(scope, receive, send)

    return demo
