"""How a room hears of changes that another process made: `LISTEN` on PostgreSQL, `PRAGMA data_version` on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from django.conf import settings
from psycopg.conninfo import make_conninfo

from efir.room.hub import RoomHub
from efir.webinars.core import NOTIFY_CHANNEL

POLL_S = 0.25
RECONNECT_S = 1.0
LOOK_EVERY_S = 30.0
# A connection whose other end is gone without a word is noticed within a minute.
KEEP_ALIVES = {"keepalives_idle": 10, "keepalives_interval": 10, "keepalives_count": 3}

log = structlog.get_logger(__name__)


async def watch(live: RoomHub) -> None:
    """Tell `live` what changed elsewhere, until cancelled."""
    if settings.EFIR.is_sqlite:
        await _poll(live)
    else:
        await _listen(live)


async def _poll(live: RoomHub) -> None:
    """The number moves with every commit of another connection; reading it takes microseconds and no lock."""
    # Reading the number takes no lock, so there is nothing to wait for.
    connection = sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=0)
    try:
        known = None
        while True:
            with suppress(sqlite3.OperationalError):  # busy for a moment: the next look sees it
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if version != known:
                    known = version
                    live.changed()
            await asyncio.sleep(POLL_S)
    finally:
        connection.close()


async def _listen(live: RoomHub) -> None:
    while True:
        try:
            await _listen_once(live)
        except (psycopg.Error, OSError) as exc:
            log.warning("room_listen_lost", error=type(exc).__name__)
        await asyncio.sleep(RECONNECT_S)


async def _listen_once(live: RoomHub) -> None:
    async with await psycopg.AsyncConnection.connect(_address(), autocommit=True) as connection:
        await connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
        while True:
            live.changed()  # what was missed while nobody listened, or was not heard for some other reason
            async for notify in connection.notifies(timeout=LOOK_EVERY_S):
                live.changed([int(notify.payload)])


def _address() -> str:
    database = settings.DATABASES["default"]
    options: dict[str, Any] = {name: value for name, value in database["OPTIONS"].items() if name != "pool"}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given: dict[str, Any] = {name: database[key] for name, key in named.items() if database[key]}
    return make_conninfo(**(given | options | KEEP_ALIVES))
