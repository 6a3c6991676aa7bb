"""A Chromium of its own, driven over the DevTools protocol without Playwright.

Playwright keeps every page focused and visible (`Emulation.setFocusEmulationEnabled`). Here a tab behind another one is
hidden, and its timers are throttled, as in normal use.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.support.site import WITHIN_S, eventually
from tools.screenshots.browser import MISSING, QUIET

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="  # of the WebSocket's handshake; nobody in between caches it
TEXT, LAST = 0x01, 0x80
MASK = bytes(4)  # a client must mask; it need not hide anything from itself


class Tab:
    """One tab. `run` evaluates an expression, awaits it, and returns its value."""

    def __init__(self, port: int, target: dict[str, str]) -> None:
        self._port, self._id = port, target["id"]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self._file = self._socket.makefile("rb")
        self._number = 0
        lines = [
            f"GET /devtools/page/{self._id} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while self._file.readline().strip():
            pass

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        body = json.dumps({"id": self._number, "method": method, "params": parameters}).encode()
        length = (
            bytes([LAST | len(body)])
            if len(body) < 126
            else bytes([LAST | 126]) + struct.pack(">H", len(body))
        )
        self._socket.sendall(bytes([LAST | TEXT]) + length + MASK + body)
        while (answer := json.loads(self._message())).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return dict(answer["result"])

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript, as if the person had just pressed something."""
        result = self.command(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def goto(self, url: str) -> None:
        """Load a page, and wait until it has loaded."""
        self.command("Page.navigate", url=url)
        eventually(lambda: self.run("document.readyState") == "complete" and self.run("location.href") == url)

    def to_front(self) -> None:
        httpx.get(f"http://127.0.0.1:{self._port}/json/activate/{self._id}").raise_for_status()

    def _message(self) -> bytes:
        whole = b""
        while True:
            kind, length = self._file.read(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._file.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._file.read(8))
            whole += self._file.read(length)
            if kind & LAST:
                return whole


class Chromium:
    """The browser: one window with tabs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def tab(self) -> Tab:
        """Open a tab in front of the others."""
        target = httpx.put(f"http://127.0.0.1:{self._port}/json/new?about:blank").json()
        tab = Tab(self._port, target)
        tab.to_front()
        return tab


@contextmanager
def chromium_with_tabs(arguments: Sequence[str] = ()) -> Iterator[Chromium]:
    """Run a headless Chromium with a new profile. Skip the test if it is not installed; fail on CI."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(f"*** {MISSING} ***")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, "--headless=new", *QUIET, *arguments, "--remote-debugging-port=0"]
        process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            file = Path(profile, "DevToolsActivePort")
            port = eventually(lambda: file.exists() and file.read_text().split("\n")[0])
            yield Chromium(int(port))
        finally:
            process.terminate()
            process.wait(30)
