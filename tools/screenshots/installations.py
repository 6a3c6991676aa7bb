"""Running installations filled by the fixtures, each started on first use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efir.lib.sockets import free_port
from tools.screenshots.actions import HLS_HOST


@dataclass(frozen=True)
class Installation:
    """An installation at `url`; `values` fill the catalogue's paths, `sessions` are session keys by login."""

    url: str
    values: dict[str, str]
    sessions: dict[str, str]


@dataclass
class Installations:
    """The installations that were started; a context manager that stops them.

    `first_port` is the port of the first one, the others follow; 0 takes the ports that `make_port` returns.
    `make_database` is called with the path of an installation's database, which may be made there before it starts.
    """

    first_port: int = 0
    make_port: Callable[[], int] = free_port
    make_database: Callable[[Path], None] | None = None
    _running: dict[str, Installation] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Installations:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self, fixture: str) -> Installation:
        """Return the installation filled by this fixture. Raises RuntimeError if it does not start."""
        if fixture not in self._running:
            self._running[fixture] = self._start(fixture)
        return self._running[fixture]

    def _start(self, fixture: str) -> Installation:
        data_dir = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="efir-screenshots-"))
        if self.make_database:
            self.make_database(Path(data_dir) / "efir.sqlite3")
        port = self.first_port + len(self._running) if self.first_port else self.make_port()
        command = [sys.executable, "-m", "tools.screenshots.serve", fixture]
        log = self._stack.enter_context((Path(data_dir) / "log").open("w+"))
        process = subprocess.Popen(command, env=_environ(data_dir, port), stdout=subprocess.PIPE, stderr=log)
        self._stack.callback(process.wait, 30)
        self._stack.callback(process.terminate)
        assert process.stdout  # noqa: S101  # piped above
        line = process.stdout.readline()
        if not line:
            log.seek(0)
            raise RuntimeError(f"the installation {fixture!r} did not start:\n{log.read()[-3000:]}")
        started: dict[str, Any] = json.loads(line)
        return Installation(f"http://127.0.0.1:{port}", started["values"], started["sessions"])


def _environ(data_dir: str, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EFIR_", "DJANGO_"))}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "efir.settings",
        "EFIR_DATA_DIR": data_dir,
        "EFIR_PORT": str(port),
        "EFIR_LOG_LEVEL": "ERROR",
        "EFIR_HLS_HOSTS": HLS_HOST,
        "EFIR_LOW_RUNG": "1",
        "EFIR_RTMP_URL": "rtmp://webinars.example.org:1935/live",
    }
