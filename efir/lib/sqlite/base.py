"""The backend: `ENGINE` is the name of this package."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.db.backends.sqlite3 import base

from efir.lib.sqlite.write_queue import WriteQueue

# A queue for each database file, because the check of a backup fills a second file beside the one in use.
_queues: dict[str, WriteQueue] = {}
# As long as SQLite waits for its lock (`timeout` in the settings). After that the queue is ignored and SQLite decides.
WAIT_S = 20.0
_WRITES = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that queues a statement that is a transaction by itself."""

    writers: WriteQueue

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction or not _WRITES.match(query):
            return super().execute(query, params)
        has_turn = self.writers.enter(WAIT_S)
        try:
            return super().execute(query, params)
        finally:
            if has_turn:
                self.writers.leave()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's backend, but transactions, which all write (`transaction_mode` IMMEDIATE), queue before they begin."""

    writers: WriteQueue  # of this database, in this process
    _has_turn = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self.writers = _queues.setdefault(str(self.settings_dict["NAME"]), WriteQueue())
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        cursor.writers = self.writers
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        self._has_turn = self.writers.enter(WAIT_S)
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # its stubs leave it out
        except BaseException:
            self._leave()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # as above; if it fails, Django rolls back
        self._leave()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # as above
        finally:
            self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # as above
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self.writers.leave()


def pop_writers_waited() -> bool:
    """Return whether a writer of this process has had to wait for another one since the last call.

    For a job of many transactions in a row, which then makes a pause. On another database nobody waits.
    """
    queue = _queues.get(str(connection.settings_dict["NAME"]))
    return queue is not None and queue.pop_has_waited()
