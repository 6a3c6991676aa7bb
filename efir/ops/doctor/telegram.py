"""The doctor's look at Telegram: whose token it is, whether updates go elsewhere, and what time it is there."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from django.conf import settings

from efir.ops.doctor.report import Check, Finding, clock_off, failed, ok

TIMEOUT_S = 10.0


def telegram() -> Iterator[Finding]:
    """Two read-only calls. Whatever fails is named without the address, for the token is a part of it."""
    token = settings.EFIR.telegram_token
    if not token:
        return
    base = f"{settings.EFIR.telegram_api}/bot{token}"
    try:
        with httpx.Client(timeout=TIMEOUT_S, proxy=settings.EFIR.telegram_proxy or None) as client:
            me, webhook = client.get(f"{base}/getMe"), client.get(f"{base}/getWebhookInfo")
            bot, hook = _result(me), _result(webhook)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        advice = "let this machine reach it, perhaps through EFIR_TELEGRAM_PROXY"
        return (yield failed("telegram", f"cannot be reached ({type(exc).__name__})", advice))
    if bot is None:
        advice = "set EFIR_TELEGRAM_TOKEN to the token that @BotFather shows"
        return (yield failed("token", f"Telegram refuses it (HTTP {me.status_code})", advice))
    yield ok("token", f"of @{bot.get('username', '?')}")
    if hook and hook.get("url"):
        yield failed(
            "webhook", "set: updates go there", "delete it (deleteWebhook): Efir asks for updates itself"
        )
    else:
        yield ok("webhook", "none, as it should be")
    if "date" in me.headers:
        yield clock_off("Telegram's", parsedate_to_datetime(me.headers["date"]))
    return None


def _result(answer: httpx.Response) -> dict[str, Any] | None:
    body = answer.json()
    return body.get("result") if isinstance(body, dict) and body.get("ok") is True else None


CHECKS: tuple[Check, ...] = (telegram,)
