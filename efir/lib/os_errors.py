"""Errors of the operating system and of SQLite's files as sentences that say what to do."""

from __future__ import annotations

import errno

NO_SPACE = "the disk is full: free some space or choose another place."
NOT_WRITABLE = "the user who runs Efir cannot write to it: make it writable or choose another place."
NOT_ALLOWED = (
    "the user who runs Efir may not read or write it: change its permissions or choose another place."
)
NO_LOCKS = "this file system has no locks: put EFIR_DATA_DIR and the SQLite database on a local disk."
_BY_ERRNO = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EFBIG: "the file would exceed the largest size for this process (ulimit -f): raise that limit.",
    errno.EROFS: NOT_WRITABLE,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.ENOLCK: NO_LOCKS,
    errno.EOPNOTSUPP: NO_LOCKS,
    errno.EMFILE: "this process has no file descriptors left (ulimit -n): raise that limit.",
}
_BY_SQLITE_MESSAGE = {
    "database or disk is full": NO_SPACE,
    "readonly database": NOT_WRITABLE,
    "unable to open database file": NOT_WRITABLE,
    "disk I/O error": "the disk fails to read or write for SQLite: check its free space and its health.",
}


def describe(exc: OSError) -> str:
    """Return what is wrong and what to do about it."""
    return _BY_ERRNO.get(exc.errno or 0, f"{exc.strerror or exc}.")


def describe_sqlite(exc: Exception) -> str:
    """Return the same for an error of SQLite, or an empty string if it does not concern the database's files."""
    return next((sentence for text, sentence in _BY_SQLITE_MESSAGE.items() if text in str(exc)), "")
