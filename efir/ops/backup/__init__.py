"""`efir backup` and `efir restore`: the whole installation in one portable file (ADR 0024)."""

from __future__ import annotations


class BackupRefused(Exception):
    """A backup or a restore was refused and nothing has changed. The message says what to do."""
