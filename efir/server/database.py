"""Check the database at the start: it must answer, and connections must not be shared by a pooler."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import psycopg
import structlog
from django.db import OperationalError, connection

from efir.config import ConfigError

# As long as a request waits for a connection. systemd tries again after that.
ANSWER_WITHIN_S = 10.0
RETRY_S = 0.25
# With other clients at the pooler, one try may miss the connection that it looks for.
TRIES = 20
# In session mode a pool of one connection has none for the second client: that one waits.
SECOND_WITHIN_S = 3.0

log = structlog.get_logger(__name__)


def check_database() -> None:
    """Wait until PostgreSQL answers. Raises OperationalError if it does not, ConfigError for a pooler of transactions.

    The migration lock, LISTEN and prepared settings belong to a connection: a pooler that assigns a connection to each
    transaction loses them, or leaves them to other clients.
    """
    if connection.vendor != "postgresql":
        return
    parameters = connection.get_connection_params() | {"autocommit": True}
    for name in ("cursor_factory", "context"):  # Django's own, for synchronous connections
        parameters.pop(name, None)
    if asyncio.run(_shares_connections(parameters)):
        raise ConfigError(
            "EFIR_DATABASE_URL leads to a pooler that may give each transaction another connection (PgBouncer: "
            "pool_mode = transaction or statement). Efir needs locks and notifications that stay with its connection: "
            "set pool_mode = session for this database, or use the address of PostgreSQL itself. Efir has its own "
            "pool."
        )


async def _shares_connections(parameters: dict[str, Any]) -> bool:
    """Return whether two clients get the same connection of the server one after the other."""
    first = await _connect(parameters)
    async with first:
        pid = await _server_pid(first)
        if pid == first.info.backend_pid:  # from the server itself: a pooler reports its own
            return False
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(SECOND_WITHIN_S):
                    second = await psycopg.AsyncConnection.connect(**parameters)
                    async with second, second.transaction():
                        if await _server_pid(second) == pid:
                            return True
            except TimeoutError:
                return False
            except psycopg.errors.ProtocolViolation:  # transactions are refused: statement mode
                return True
            if await _server_pid(first) != pid:
                return True
    return False


async def _connect(parameters: dict[str, Any]) -> psycopg.AsyncConnection[Any]:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    is_logged = False
    while True:
        try:
            return await psycopg.AsyncConnection.connect(**parameters)
        except psycopg.OperationalError as exc:
            text = " ".join(str(exc).split())
            if refused := re.search(r"unsupported startup parameter[^:]*: (\w+)", text):
                raise ConfigError(
                    "EFIR_DATABASE_URL leads to a pooler (PgBouncer) that refuses the start-up parameter "
                    f"{refused[1]}: remove it from EFIR_DATABASE_URL, or add `ignore_startup_parameters = "
                    f"{refused[1]}` to pgbouncer.ini. Efir needs pool_mode = session."
                ) from exc
            # The server's own refusals are permanent: a password, a role, a database.
            is_final = "FATAL" in text and "starting up" not in text and "shutting down" not in text
            if is_final or time.monotonic() >= deadline:
                raise OperationalError(text) from exc
            if not is_logged:
                log.warning("database_awaited", error=text, within_s=ANSWER_WITHIN_S)
                is_logged = True
            await asyncio.sleep(RETRY_S)


async def _server_pid(client: psycopg.AsyncConnection[Any]) -> int:
    row = await (await client.execute("SELECT pg_backend_pid()")).fetchone()
    assert row  # noqa: S101  # a SELECT of one row
    return int(row[0])
