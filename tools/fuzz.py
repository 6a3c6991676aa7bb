"""Fuzz the parsers of untrusted input, guided by coverage: `python -m tools.fuzz TARGET [-max_total_time=60]`.

The tests fuzz the same readers with hypothesis, which knows what input looks like; atheris finds what nobody thought
of. It exists for CPython on Linux and macOS only, so no lock file has it: `.venv/bin/pip install atheris`. An exception
other than the documented one ends the run and leaves the input in a file.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import django


def targets() -> dict[str, Callable[[bytes], object]]:
    """Return the readers by name, as functions of bytes."""
    from django.core.exceptions import ValidationError

    from efir.accounts.forms import clean_login, clean_phone
    from efir.accounts.validators import clean_name
    from efir.broadcast.cutter import Cutter
    from efir.broadcast.limits import Fault
    from efir.broadcast.scanner import SCANNERS, Unreadable, container_kind
    from efir.lib.setting_kinds import time_zone_name
    from efir.lib.text import clean_line, clean_text, clean_token, clean_url, fold
    from efir.web.client_ip import client_ip, rate_limit_key
    from efir.web.locale import language_of
    from efir.webinars.embeds import clean_chat_url, clean_player_url
    from efir.webinars.forms import LocalMomentField
    from efir.webinars.posters.decode import decode_image

    def text(*readers: Callable[[str], object]) -> Callable[[bytes], object]:
        def read(data: bytes) -> None:
            given = data.decode("utf-8", "replace")
            for reader in readers:
                with suppress(ValidationError):
                    reader(given)

        return read

    def poster(data: bytes) -> None:
        with suppress(ValidationError):
            decode_image(data)

    def zone(given: str) -> None:
        with suppress(ValueError):
            time_zone_name(given)

    def container(data: bytes) -> None:
        # In this process, without the limits of the real one: what ends it is a finding.
        kind = container_kind(data)
        if not kind:
            return
        source = BytesIO(data)
        scanner = SCANNERS[kind]()
        with suppress(Unreadable, IndexError):
            scanner.feed(data)
        with suppress(Fault):
            Cutter(source, kind, 1.0, lambda _: None, position=source.tell).run()

    return {
        "container": container,
        "embed": text(clean_player_url, clean_chat_url),
        "login": text(clean_login, clean_phone, clean_name),
        "text": text(clean_line, clean_text, clean_token, clean_url, fold),
        "moment": text(LocalMomentField(required=False).clean, zone),
        "header": text(
            lambda given: rate_limit_key(client_ip("192.0.2.1", given)), lambda given: language_of({}, given)
        ),
        "poster": poster,
    }


def main(arguments: list[str]) -> None:
    """Fuzz one target; the other arguments are libFuzzer's."""
    import atheris

    with atheris.instrument_imports(include=["efir"]):
        django.setup()
        known = targets()
    if not arguments or arguments[0] not in known:
        sys.exit(f"Name a target: {', '.join(known)}.")
    atheris.Setup([sys.argv[0], *arguments[1:]], known[arguments[0]])
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    os.environ.setdefault("EFIR_DATA_DIR", tempfile.mkdtemp())
    os.environ.setdefault("EFIR_TRUSTED_PROXIES", "1")
    main(sys.argv[1:])
