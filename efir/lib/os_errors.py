"""What the machine refuses, in sentences that say what to do."""

from __future__ import annotations

import errno

NO_ROOM = "there is no room left on the disk: free some, or take another place."
NOT_WRITABLE = "it cannot be written to by the user who runs Efir: make it writable, or take another place."
NOT_ALLOWED = (
    "the user who runs Efir may not read it, or not write to it: give it to them, or take another place."
)
NO_LOCKS = "this file system has no locks: EFIR_DATA_DIR, and the SQLite database, belong on a local disk."
_BY_NUMBER = {
    errno.ENOSPC: NO_ROOM,
    errno.EDQUOT: NO_ROOM,
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f): raise that limit.",
    errno.EROFS: NOT_WRITABLE,
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.ENOLCK: NO_LOCKS,
    errno.EOPNOTSUPP: NO_LOCKS,
    errno.EMFILE: "this process has no file descriptor left (ulimit -n): raise that limit.",
}
_OF_SQLITE = {
    "database or disk is full": NO_ROOM,
    "readonly database": NOT_WRITABLE,
    "unable to open database file": NOT_WRITABLE,
    "disk I/O error": "the disk does not take or give what SQLite asks of it: look at its room and its health.",
}


def describe(exc: OSError) -> str:
    """What is wrong and what to do about it."""
    return _BY_NUMBER.get(exc.errno or 0, f"{exc.strerror or exc}.")


def describe_sqlite(exc: Exception) -> str:
    """The same of what SQLite says; nothing where that is not about this machine's files."""
    return next((sentence for text, sentence in _OF_SQLITE.items() if text in str(exc)), "")
