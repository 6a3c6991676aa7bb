"""How a command answers: JSON lines, and a refusal with its code on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any


def fail(code: str, detail: str) -> int:
    """Say why nothing was done; the exit code."""
    print(json.dumps({"error": code, "detail": detail}, ensure_ascii=False), file=sys.stderr)
    return 1


def print_lines(lines: Iterable[dict[str, Any]]) -> int:
    """One JSON object a line; the exit code."""
    for line in lines:
        print(json.dumps(line, ensure_ascii=False), flush=False)
    return 0
