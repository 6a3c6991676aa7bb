"""`efir settings`: every setting in force, without a database and without Django."""

from __future__ import annotations

import argparse
import json
import os
import sys
from gettext import gettext

from efir.config import SETTINGS, read_settings


def list_settings(options: argparse.Namespace) -> int:
    """Print each setting with its source, and what is wrong on standard error. Return the exit code."""
    readings, problems = read_settings(os.environ)
    lines = []
    for reading in readings:
        row = SETTINGS[reading.name]
        if not row.internal:
            lines.append(
                {
                    "name": reading.name,
                    "value": reading.shown,
                    "source": reading.source,
                    "default": gettext(row.default_shown),
                    "allowed": row.kind.allowed,
                    "help": gettext(row.help),
                }
            )
    if options.json:
        print(json.dumps(lines, ensure_ascii=False, indent=1))
    else:
        for line in lines:
            default = f"{gettext('default')}: {line['default']}"
            source = default if line["source"] == "default" else f"{gettext(line['source'])}; {default}"
            print(f"{line['name']}={line['value']}  ({source})\n    {line['help']}")
    for problem in problems:
        print(f"efir: {problem}", file=sys.stderr)
    return 2 if problems else 0
