"""JSON lines on standard output, and a refusal with its code on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any


def locale_name(environ: Mapping[str, str]) -> str:
    """Return the locale of the environment, such as `en_US.UTF-8`; empty if there is none."""
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return next((environ[name] for name in names if environ.get(name)), "")


def reader_language(environ: Mapping[str, str]) -> str:
    """Return the language for the terminal: `ru` in a Russian locale, otherwise `en`."""
    return "ru" if locale_name(environ).startswith("ru") else "en"


def fail(code: str, detail: str) -> int:
    """Print why nothing was done. Return the exit code."""
    print(json.dumps({"error": code, "detail": detail}, ensure_ascii=False), file=sys.stderr)
    return 1


def print_lines(lines: Iterable[Mapping[str, Any]]) -> int:
    """Print one JSON object a line. Return the exit code."""
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))
    return 0
