"""The backend: `ENGINE` is the name of this package."""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool, PoolTimeout

# A process that hangs in a transaction must not hold its locks for longer.
IDLE_IN_TRANSACTION_MS = 15_000
# psycopg's pool reconnects when a client asks for a connection, but not while it waits, so the client asks this often.
ASK_EVERY_S = 0.5


class Pool(ConnectionPool[psycopg.Connection[Any]]):
    """A pool whose waiting clients get a connection as soon as the server is back."""

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Return a connection that the server has not closed. Raises PoolTimeout."""
        deadline = monotonic() + (self.timeout if timeout is None else timeout)
        while (left := deadline - monotonic()) > 0:
            with suppress(PoolTimeout):
                connection = super().getconn(min(ASK_EVERY_S, left))
                if _is_open(connection):
                    return connection
                connection.close()
                self.putconn(connection)
        raise PoolTimeout(f"no connection to the database within {timeout or self.timeout:g} s")


def _is_open(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server still serves an idle connection.

    Ask the server only if it has sent something: a server that shuts down sends a message and closes the connection, so
    there is something to read.
    """
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return True
    try:
        connection.execute("")
    except psycopg.Error:
        return False
    return True


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's backend with this pool, a limit for idle transactions, and queries run without compiling them."""

    @property
    def pool(self) -> Pool | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        # Django's own, for all wrappers of the process; its stubs know neither the pools nor the next method.
        pools: dict[str, Pool] = self._connection_pools  # type: ignore[attr-defined]  # its stubs leave it out
        if self.alias not in pools:
            pool = Pool(
                kwargs=self.get_connection_params() | {"autocommit": True},
                open=False,
                configure=self._configure,
                **options,
            )
            # If two threads get here, the first one's pool is used: neither is open yet.
            pools.setdefault(self.alias, pool)
        return pools[self.alias]

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        self._configure_connection(connection)

    def _configure_connection(self, connection: psycopg.Connection[Any]) -> bool:
        """Set what holds for the whole connection; return whether a commit is needed."""
        commit: bool = super()._configure_connection(connection)  # type: ignore[misc]  # as above
        if (
            "options" in self.settings_dict["OPTIONS"]
        ):  # set in EFIR_DATABASE_URL: the operator's value applies
            return commit
        # Not as a start-up parameter, which PgBouncer refuses.
        connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
        # Compiling a query of many conditions, as for the list of a partner with 20,000 candidates, took 0.4 s each
        # time: longer than to run it.
        connection.execute("SET jit = off")
        return True
