"""What the demo makes of the environment before the settings are read."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping

from efir.config import ConfigError

STANDIN_PREFIX = "/demo/botapi"
TOKEN = "42:demo"  # noqa: S105  # of a bot that does not exist


def prepare(environ: MutableMapping[str, str]) -> None:
    """Switch the demo on, and its own Bot API where none is named. Raises ConfigError where a token is set."""
    for name in ("EFIR_TELEGRAM_TOKEN", "EFIR_TELEGRAM_TOKEN_FILE"):
        if environ.get(name):
            raise ConfigError(
                f"{name} is set, but the demo sends made-up messages to made-up people: unset it, or run `efir serve`."
            )
    environ["EFIR_DEMO"] = "1"
    if sys.stderr.isatty():
        # On a terminal the addresses and log-ins are to be found again.
        environ.setdefault("EFIR_LOG_LEVEL", "WARNING")
    environ["EFIR_TELEGRAM_TOKEN"] = TOKEN
    if not environ.get("EFIR_TELEGRAM_API"):
        port = environ.get("EFIR_PORT") or "8000"
        environ["EFIR_TELEGRAM_API"] = (
            f"http://{_reachable(environ.get('EFIR_HOST') or '127.0.0.1')}:{port}{STANDIN_PREFIX}"
        )


def _reachable(host: str) -> str:
    """The address at which this machine reaches itself."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared, not bound
