"""Debian's Firefox, driven by Marionette, the protocol that it speaks itself.

Playwright's driver of an unmodified Firefox needs commands that the extended support release does not have yet, and the
client of Mozilla does not run on Python 3.13. The protocol is WebDriver's commands as JSON over TCP:
https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.site import WITHIN_S, eventually

MISSING = "Firefox is missing. To install it: apt-get install firefox-esr"
# Marionette chooses a free port. Whatever is not on this machine is refused at once by a proxy that does not exist: the
# player's provider, updates and telemetry.
PREFERENCES = {
    "marionette.port": "0",
    "intl.accept_languages": '"ru-RU, ru"',
    "network.proxy.type": "1",
    "network.proxy.http": '"127.0.0.1"',
    "network.proxy.http_port": "9",
    "network.proxy.ssl": '"127.0.0.1"',
    "network.proxy.ssl_port": "9",
}
# WebDriver's errors that pass by themselves, as the page goes on.
NOT_YET = {
    "element click intercepted",
    "element not interactable",
    "no such element",
    "stale element reference",
}


class MarionetteError(Exception):
    """A command that Firefox refused."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.error = error


class Firefox:
    """One person's browser at one site. Selectors are CSS; an element is waited for until it can be used."""

    def __init__(self, port: int, base_url: str) -> None:
        self.base_url = base_url
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self._file = self._socket.makefile("rb")
        self._read()  # the greeting
        self._number = 0
        self.command("WebDriver:NewSession")

    def command(self, name: str, /, **parameters: object) -> Any:
        """Send a command and return its value. Raises MarionetteError."""
        self._number += 1
        body = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(body), body))
        _, _, error, result = self._read()
        if error:
            raise MarionetteError(error["error"], error["message"])
        return result.get("value") if isinstance(result, dict) else result

    def _read(self) -> Any:
        length = b""
        while (digit := self._file.read(1)) != b":":
            assert digit, "Firefox has ended"
            length += digit
        return json.loads(self._file.read(int(length)))

    def goto(self, path: str) -> None:
        self.command("WebDriver:Navigate", url=self.base_url + path)

    @property
    def url(self) -> str:
        return str(self.command("WebDriver:GetCurrentURL"))

    def wait_for_url(self, part: str) -> None:
        eventually(lambda: part in self.url)

    def click(self, selector: str) -> None:
        self._eventually("WebDriver:ElementClick", selector)

    def fill(self, name: str, text: str) -> None:
        self._eventually("WebDriver:ElementSendKeys", f"[name={name}]", text=text)

    def text(self, selector: str) -> str:
        """Return the visible text of an element, as soon as there is one."""
        return str(eventually(lambda: self._eventually("WebDriver:GetElementText", selector)))

    def attribute(self, selector: str, name: str) -> str:
        return str(self._eventually("WebDriver:GetElementAttribute", selector, name=name))

    def _eventually(self, command: str, selector: str, /, **parameters: object) -> Any:
        def attempt() -> tuple[Any] | None:
            try:
                found = self.command("WebDriver:FindElement", using="css selector", value=selector)
                return (self.command(command, id=next(iter(found.values())), **parameters),)
            except MarionetteError as exc:
                if exc.error not in NOT_YET:
                    raise
                return None

        return eventually(attempt)[0]  # type: ignore[index]  # never None: that is waited out


@contextmanager
def firefox(base_url: str) -> Iterator[Firefox]:
    """Run a headless Firefox with a new profile. Skip the test if it is not installed; fail on CI."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(f"*** {MISSING} ***")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f'user_pref("{name}", {value});' for name, value in PREFERENCES.items()]
        Path(profile, "user.js").write_text("\n".join(lines))
        arguments = [path, "--headless", "--marionette", "--no-remote", "--profile", profile]
        process = subprocess.Popen(
            arguments,
            env=os.environ | {"HOME": profile},  # Firefox refuses another user's home
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port_file = Path(profile, "MarionetteActivePort")
            port = eventually(lambda: port_file.exists() and port_file.read_text())
            yield Firefox(int(port), base_url)
        finally:
            process.terminate()
            process.wait()
