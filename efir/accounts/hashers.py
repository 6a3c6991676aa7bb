"""Argon2id with OWASP's minimum cost: about 25 ms a hash, while Django's default takes 220 ms.

No more hashes run at once than there are cores, so that a rush of logins waits instead of using up the memory.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """The numbers are from OWASP's Password Storage Cheat Sheet: Argon2id, m=19456 (19 MiB), t=2, p=1."""

    time_cost = 2
    memory_cost = 19456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _threads.submit(super().encode, password, salt).result()

    def verify(self, password: str, encoded: str) -> bool:
        return _threads.submit(super().verify, password, encoded).result()

    def harden_runtime(self, password: str, encoded: str) -> Any:
        # Django equalizes the time of cheaper old hashes here. There are none: all hashes have one cost, and
        # `authenticate` hashes for unknown logins as well.
        return None


def _start_threads() -> None:
    """Create the threads that hash. If request threads hashed, malloc would keep several blocks for each of them."""
    global _threads  # noqa: PLW0603  # a forked process has no threads
    _threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="efir-hash")


_threads: ThreadPoolExecutor
_start_threads()
os.register_at_fork(after_in_child=_start_threads)
