"""Runs `efir` with other delays than its own.

`python -m tests.support.time_warp MODULE:NAME=SECONDS … -- efir-arguments…`
"""

from __future__ import annotations

import importlib
import os
import sys

import django

from efir.ops.cli import main


def hurry(wait: str) -> None:
    """Set one delay, given as `module:NAME=seconds`; a name that does not exist is an error."""
    where, _, seconds = wait.partition("=")
    module_name, _, name = where.partition(":")
    module = importlib.import_module(module_name)
    assert isinstance(getattr(module, name), float)
    setattr(module, name, float(seconds))


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    middle = sys.argv.index("--")
    for each in sys.argv[1:middle]:
        hurry(each)
    sys.exit(main.main(sys.argv[middle + 1 :]))
