"""The environment of the demo, prepared before the settings are read."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping

from efir.config import ConfigError
from efir.lib.sockets import free_port

FAKE_BOTAPI_PREFIX = "/demo/botapi"
TOKEN = "42:demo"  # noqa: S105  # of a bot that does not exist


def prepare(environ: MutableMapping[str, str]) -> None:
    """Switch the demo on, with its own Bot API unless another is named. Raises ConfigError if a token is set."""
    for name in ("EFIR_TELEGRAM_TOKEN", "EFIR_TELEGRAM_TOKEN_FILE"):
        if environ.get(name):
            raise ConfigError(
                f"{name} is set, but the demo sends messages to made-up people: unset it, or run `efir serve`."
            )
    environ["EFIR_DEMO"] = "1"
    environ["EFIR_TELEGRAM_TOKEN"] = TOKEN
    if sys.stderr.isatty():
        # With a log at INFO the addresses and logins would scroll out of sight.
        environ.setdefault("EFIR_LOG_LEVEL", "WARNING")
    # The studio shows it; the start does not depend on it.
    environ.setdefault("EFIR_RTMP_PORT", str(free_port()))
    if not environ.get("EFIR_TELEGRAM_API"):
        host, port = environ.get("EFIR_HOST") or "127.0.0.1", environ.get("EFIR_PORT") or "8000"
        if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
            host = "127.0.0.1"
        environ["EFIR_TELEGRAM_API"] = f"http://{host}:{port}{FAKE_BOTAPI_PREFIX}"
