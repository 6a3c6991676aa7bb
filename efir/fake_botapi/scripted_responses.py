"""Responses that a test scripts in place of the real ones."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from efir.fake_botapi.errors import OFFICIAL_ERRORS, ApiError, Json


class ResponseKind(StrEnum):
    """The shape of a scripted response on the wire."""

    ERROR = "error"  # the official error object
    HTML = "html"  # a page, as a proxy in between returns it
    MALFORMED = "malformed"  # JSON that ends too early
    FOREIGN = "foreign"  # `ok: true` with a result of another method's shape
    RAW = "raw"  # the given body
    CUT = "cut"  # headers, then the connection closes
    DROP = "drop"  # the connection closes without a response
    HANG = "hang"  # no response until the client leaves


@dataclass
class ScriptedResponse:
    """The response to the next `times` matching calls; `times=None` means all of them.

    `method` and `chat_id` select the calls; None matches any. `official` names one of OFFICIAL_ERRORS, which
    supplies the fields left out. With `delivered` the call is carried out first, so that the client sees a
    failure of a call that succeeded. `body` is that of a RAW response.
    """

    status: int = 0
    method: str | None = None
    chat_id: int | None = None
    times: int | None = 1
    kind: ResponseKind = ResponseKind.ERROR
    description: str | None = None
    parameters: Json | None = None
    delivered: bool = False
    official: str | None = None
    body: str = ""

    def __post_init__(self) -> None:
        if self.official is not None:
            official = OFFICIAL_ERRORS[self.official]
            self.status = self.status or official.status
            self.description = self.description or official.description
            self.parameters = official.parameters if self.parameters is None else self.parameters
        self.status = self.status or {ResponseKind.HTML: 502, ResponseKind.ERROR: 500}.get(self.kind, 200)
        if self.description is None and self.status == 429:
            self.parameters = self.parameters or {"retry_after": 1}
            self.description = f"Too Many Requests: retry after {self.parameters['retry_after']}"
        elif self.description is None and self.status == 403:
            self.description = OFFICIAL_ERRORS["blocked"].description

    def error(self) -> ApiError:
        """Return the official error; a missing description becomes the status's standard phrase."""
        return ApiError(self.status, self.description or HTTPStatus(self.status).phrase, self.parameters)

    def matches(self, method: str, params: Json) -> bool:
        """Return whether this response is meant for the call."""
        return self.method in (None, method) and (
            self.chat_id is None or str(self.chat_id) == str(params.get("chat_id"))
        )


class ResponseQueue:
    """Scripted responses in order; the first that matches a call is used."""

    def __init__(self) -> None:
        # Tests script from their own thread while the server's thread responds.
        self._lock = threading.Lock()
        self._responses: list[ScriptedResponse] = []

    def add(self, response: ScriptedResponse) -> None:
        """Append a response."""
        with self._lock:
            self._responses.append(response)

    def clear(self) -> None:
        """Remove all responses."""
        with self._lock:
            self._responses.clear()

    def next_for(self, method: str, params: Json) -> ScriptedResponse | None:
        """Return the response to this call and count it as used once. None if no response matches."""
        with self._lock:
            found = next((each for each in self._responses if each.matches(method, params)), None)
            if found is not None and found.times is not None:
                found.times -= 1
                if found.times == 0:
                    self._responses.remove(found)
            return found
