"""Notifies the hub of changes made by other processes: `LISTEN` on PostgreSQL, `PRAGMA data_version` on SQLite."""

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

# Reading `data_version` takes microseconds, so a change by the command line is seen within a quarter of a second.
POLL_S = 0.25
RECONNECT_S = 1.0
# Without a notification for this long everything is reloaded, in case one was lost.
RELOAD_S = 30.0
# A connection whose other end has vanished is noticed within 40 s.
KEEP_ALIVES = {"keepalives_idle": 10, "keepalives_interval": 10, "keepalives_count": 3}

log = structlog.get_logger(__name__)


async def notify_of_changes(hub: RoomHub) -> None:
    """Notify the hub of webinars that other processes change, until cancelled."""
    if settings.EFIR.is_sqlite:
        await _poll(hub)
    else:
        await _listen(hub)


async def _poll(hub: RoomHub) -> None:
    # `data_version` changes with every commit of another connection. Reading it takes no lock, hence no timeout.
    connection = sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=0)
    try:
        known = None
        while True:
            with suppress(sqlite3.OperationalError):  # busy: the next poll sees the change
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if version != known:
                    known = version
                    hub.notify_changed()
            await asyncio.sleep(POLL_S)
    finally:
        connection.close()


async def _listen(hub: RoomHub) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(_conninfo(), autocommit=True) as connection:
                receivers = {each.notify_channel: each.notify_changed for each in hub.extensions}
                receivers[NOTIFY_CHANNEL] = hub.notify_changed
                for channel in receivers:
                    await connection.execute(f"LISTEN {channel}")
                while True:
                    for notify_changed in receivers.values():
                        notify_changed()  # changes that were missed before this connection listened
                    async for notify in connection.notifies(timeout=RELOAD_S):
                        receivers[notify.channel]([int(notify.payload)])
        except (psycopg.Error, OSError) as exc:
            log.warning("room_listen_lost", error=type(exc).__name__)
        await asyncio.sleep(RECONNECT_S)


def _conninfo() -> str:
    database = settings.DATABASES["default"]
    options: dict[str, Any] = {name: value for name, value in database["OPTIONS"].items() if name != "pool"}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given: dict[str, Any] = {name: database[key] for name, key in named.items() if database[key]}
    return make_conninfo(**(given | options | KEEP_ALIVES))
