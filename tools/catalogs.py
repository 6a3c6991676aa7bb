"""Check the message catalogs: complete, compiled, and in step with the code. Part of `make check`.

Prints what is wrong and what to do; exits with 1 in that case.
"""

from __future__ import annotations

import gettext
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

LOCALE = Path("efir/locale")
IGNORE = ["--ignore", "ops/cli/*"]  # its texts are in cli.po
NO_GETTEXT = (
    "GNU gettext is missing: SKIPPED the comparison with the code. To install it: apt-get install gettext"
)


def main() -> int:
    """Check every catalog. Return the exit code."""
    wrong = [line for po in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")) for line in _check(po)]
    if shutil.which("xgettext"):
        wrong += _compare_with_code()
    else:
        print(f"\n*** {NO_GETTEXT} ***\n", file=sys.stderr)
        wrong += [NO_GETTEXT] if os.environ.get("CI") == "true" else []
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _check(po: Path) -> list[str]:
    catalog = _read(po)
    is_source = po.parts[2:] == ("ru", "LC_MESSAGES", "django.po")
    untranslated = [
        message.id for message in catalog if message.id and not _is_translated(message, is_source)
    ]
    wrong = [f"{po}: not translated: {text!r}" for text in untranslated]
    if not po.with_suffix(".mo").exists() or _compiled(po) != _translations(catalog):
        wrong.append(f"{po}: the compiled catalog is out of date: run `make messages`")
    return wrong


def _is_translated(message: object, is_source: bool) -> bool:
    """Return whether a message is translated; a catalog in the language of its msgids needs only plurals."""
    strings = message.string if isinstance(message.string, tuple) else (message.string,)
    needed = not is_source or message.pluralizable
    return not message.fuzzy and (not needed or all(strings))


def _read(po: Path) -> Catalog:
    with po.open("rb") as file:
        return read_po(file)


def _compiled(po: Path) -> dict[object, str]:
    with po.with_suffix(".mo").open("rb") as file:
        return {key: text for key, text in gettext.GNUTranslations(file)._catalog.items() if key}


def _translations(catalog: Catalog) -> dict[object, str]:
    found: dict[object, str] = {}
    for message in catalog:
        if not message.id or message.fuzzy:
            continue
        prefix = f"{message.context}\x04" if message.context else ""
        if message.pluralizable:
            forms = {(prefix + message.id[0], number): text for number, text in enumerate(message.string)}
            found |= forms if all(message.string) else {}
        elif message.string:
            found[prefix + message.id] = message.string
    return found


def _compare_with_code() -> list[str]:
    """Extract the texts into a copy of the tree, and compare them with the catalogs."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "efir"
        shutil.copytree("efir", copy, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(
            [
                sys.executable,
                "-P",  # else the copy's `telegram` would hide the package of that name
                "-m",
                "django",
                "makemessages",
                "-l",
                "en",
                "--no-obsolete",
                "--no-location",
                *IGNORE,
            ],
            cwd=copy,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "efir.settings", "EFIR_DATA_DIR": directory},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        now = {_key(message) for message in _read(copy / "locale/en/LC_MESSAGES/django.po") if message.id}
    kept = {_key(message) for message in _read(LOCALE / "en/LC_MESSAGES/django.po") if message.id}
    return [
        f"missing in the catalogs: {key!r}: run `make messages` and translate it"
        for key in sorted(now - kept)
    ] + [f"no longer in the code: {key!r}: run `make messages`" for key in sorted(kept - now)]


def _key(message: object) -> str:
    return message.id[0] if isinstance(message.id, tuple) else message.id


if __name__ == "__main__":
    sys.exit(main())
