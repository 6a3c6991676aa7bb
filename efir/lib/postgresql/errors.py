"""What PostgreSQL's errors mean, by their SQLSTATE (appendix A of its manual). Works without psycopg, for SQLite."""

from __future__ import annotations

from collections.abc import Iterator

READ_ONLY = "25006"
INSUFFICIENT_PRIVILEGE = "42501"


def is_read_only(exc: BaseException | None) -> bool:
    """Return whether PostgreSQL refused to write: it is a standby, or `default_transaction_read_only` is on."""
    return READ_ONLY in _sqlstates(exc)


def is_insufficient_privilege(exc: BaseException | None) -> bool:
    """Return whether the role may not do what was tried."""
    return INSUFFICIENT_PRIVILEGE in _sqlstates(exc)


def _sqlstates(exc: BaseException | None) -> Iterator[str]:
    """Yield the SQLSTATE of the error and of each error that it was raised from."""
    while exc is not None:
        if state := getattr(exc, "sqlstate", None):
            yield state
        exc = exc.__cause__ or exc.__context__
