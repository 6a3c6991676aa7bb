"""Keeping what the installation has: `efir backup` and `efir restore` (ADR 0024)."""

from __future__ import annotations


class BackupRefused(Exception):
    """A backup or a restore was refused, and nothing has changed; the message says what to do."""
