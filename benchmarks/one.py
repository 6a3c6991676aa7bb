"""Run one benchmark in this process and on the database of the environment: `python -m benchmarks.one NAME`."""

from __future__ import annotations

import importlib
import sys

import django

if __name__ == "__main__":
    if sys.argv[1] != "migrations":  # its children's peak memory begins with its own
        django.setup()
    sys.exit(importlib.import_module(f"benchmarks.{sys.argv[1]}").main(*sys.argv[2:]))
