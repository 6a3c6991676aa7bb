"""Runs an `efir` that kills itself at a given function: `python -m tests.support.launcher WHERE efir-arguments…`

WHERE is `module:attribute:moment`: the process kills itself (SIGKILL) right `before` or right `after` the first call of
that function as the module looks it up, or after the first that gives `something`; with `term` it is told to stop
(SIGTERM) before the first call.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
import sys

import django

from efir.ops.cli import main


def die_at(where: str) -> None:
    """Wrap the function at `where` so that its first call ends this process."""
    module_name, path, moment = where.split(":")
    owner: object = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)
    told: list[bool] = []

    def die(*moments: str) -> None:
        if moment == "term" and "before" in moments and not told:
            told.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        if moment in moments:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    def called(*args, **kwargs):
        die("before")
        result = original(*args, **kwargs)
        die("after", *(["something"] if result else []))
        return result

    @functools.wraps(original)
    async def awaited(*args, **kwargs):
        die("before")
        result = await original(*args, **kwargs)
        die("after", *(["something"] if result else []))
        return result

    setattr(owner, name, awaited if asyncio.iscoroutinefunction(original) else called)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    die_at(sys.argv[1])
    sys.exit(main.main(sys.argv[2:]))
