"""`python -m efir.fake_botapi --port N [--store FILE]`: prints its address, then serves until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from efir.fake_botapi.app import FakeBotApi
from efir.fake_botapi.server import serve


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m efir.fake_botapi", description="A local stand-in of the Bot API"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to bind (default: a free one)")
    parser.add_argument("--store", type=Path, help="file that keeps the chats for a second run")
    parser.add_argument("--token", action="append", help="an accepted token, may be repeated (default: any)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds each call takes (default: 0)")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    fake_bot_api = FakeBotApi(tokens=arguments.token, store=arguments.store, latency_s=arguments.latency)
    await serve(arguments.host, arguments.port, fake_bot_api=fake_bot_api, stop=stop)


if __name__ == "__main__":
    try:
        asyncio.run(_main(_arguments()))
    except (OSError, ValueError) as exc:
        sys.exit(f"efir.fake_botapi: {exc}")
