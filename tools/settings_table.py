"""Write the table of settings in README.md and README.ru.md from `efir.config`; with --check only compare."""

from __future__ import annotations

import gettext
import re
import sys
from collections.abc import Callable
from pathlib import Path

from efir.config import SETTINGS

ROOT = Path(__file__).parents[1]
HEADS = {
    "README.md": ("en", "| variable | default | what it is |"),
    "README.ru.md": ("ru", "| переменная | по умолчанию | что это |"),
}


def main(arguments: list[str]) -> int:
    """Return 1 if --check finds a table that differs."""
    stale = 0
    for name, (language, head) in HEADS.items():
        file = ROOT / name
        before = file.read_text(encoding="utf-8")
        catalog = gettext.translation("cli", ROOT / "efir/locale", languages=[language], fallback=True)
        table = f"{head}\n| --- | --- | --- |\n{_rows(catalog.gettext)}"
        found = re.search(rf"{re.escape(head)}\n(\|.*\n)+", before)
        if not found:
            sys.exit(f"{name} has no table that begins with {head}")
        after = before.replace(found[0], table)
        if after == before:
            continue
        if "--check" in arguments:
            stale = 1
            print(f"{name}: the table of settings is stale: run `python -m tools.settings_table`")
        else:
            file.write_text(after, encoding="utf-8")
    return stale


def _rows(translate: Callable[[str], str]) -> str:
    rows = ""
    for name, row in SETTINGS.items():
        if not row.internal:
            constant = row.default and not row.default_text
            default = f"`{row.default}`" if constant else translate(row.default_shown)
            rows += f"| `{name}` | {default} | {translate(row.help)} |\n"
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
