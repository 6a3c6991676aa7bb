"""How a room hears of changes that another process made: `LISTEN` on PostgreSQL, `PRAGMA data_version` on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3

import psycopg
import structlog
from django.conf import settings

from efir.room.live import LiveRooms
from efir.webinars.core import NOTIFY_CHANNEL

POLL_S = 0.25
RECONNECT_S = 1.0

log = structlog.get_logger(__name__)


async def watch(live: LiveRooms) -> None:
    """Tell `live` what changed elsewhere, until cancelled."""
    if settings.EFIR.is_sqlite:
        await _poll(live)
    else:
        await _listen(live)


async def _poll(live: LiveRooms) -> None:
    """The number moves with every commit of another connection; reading it takes microseconds and no lock."""
    connection = sqlite3.connect(settings.DATABASES["default"]["NAME"])
    try:
        known = None
        while True:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != known:
                known = version
                live.changed()
            await asyncio.sleep(POLL_S)
    finally:
        connection.close()


async def _listen(live: LiveRooms) -> None:
    while True:
        try:
            await _listen_once(live)
        except (psycopg.Error, OSError) as exc:
            log.warning("room_listen_lost", error=type(exc).__name__)
        await asyncio.sleep(RECONNECT_S)


async def _listen_once(live: LiveRooms) -> None:
    database = settings.DATABASES["default"]
    async with await psycopg.AsyncConnection.connect(
        dbname=database["NAME"],
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        autocommit=True,
    ) as connection:
        await connection.execute(f"LISTEN {NOTIFY_CHANNEL}")
        live.changed()  # what was missed while nobody listened
        async for notify in connection.notifies():
            live.changed([int(notify.payload)])
