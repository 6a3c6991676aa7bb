"""A fake Bot API with one person, Anna, served over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from efir.fake_botapi import FakeBotApi, running

TOKEN = "42:demo"


@pytest.fixture
def fake_bot_api() -> FakeBotApi:
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    fake_bot_api.people.add(7, "Anna", "anna")
    return fake_bot_api


@pytest.fixture
def address(fake_bot_api: FakeBotApi) -> Iterator[str]:
    with running(fake_bot_api) as address:
        yield address


@pytest.fixture
def call(address: str) -> Iterator[Callable[..., httpx.Response]]:
    """Call a method; parameters that are no text or number go as JSON, as the Bot API has it."""
    with httpx.Client(base_url=f"{address}/bot{TOKEN}/") as client:
        yield lambda method, **params: client.post(method, data=form(params))


def form(params: dict[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
