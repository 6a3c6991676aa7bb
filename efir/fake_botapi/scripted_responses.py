"""Answers the stand-in was told to give instead of its own."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from http import HTTPStatus

from efir.fake_botapi.asgi import Reply
from efir.fake_botapi.errors import ApiError, Json
from efir.fake_botapi.errors_catalogue import OFFICIAL_ERRORS, OfficialError


class ResponseKind(StrEnum):
    """What the answer looks like on the wire."""

    ERROR = "error"  # the official error object
    HTML = "html"  # a page, as a proxy in between gives
    MALFORMED = "malformed"  # JSON that ends too early
    HANG = "hang"  # nothing, until the client leaves
    FOREIGN = "foreign"  # `ok: true`, with a result of another shape than the method's
    CUT = "cut"  # headers, then the connection is closed
    DROP = "drop"  # the connection is closed without a word


_DESCRIPTIONS = {403: OFFICIAL_ERRORS["blocked"].description}
_BODIES = {ResponseKind.MALFORMED: b'{"ok":true,"resu', ResponseKind.FOREIGN: b'{"ok":true,"result":true}'}


@dataclass
class ScriptedResponse:
    """A rule: the next `times` calls it fits (None: all of them) get this answer.

    `method` and `chat_id` None fit any. `official` names one of OFFICIAL, which fills in what is left out.
    `delivered` carries the call out before the answer is given, so that the client is told of a failure that
    did not happen.
    """

    method: str | None = None
    chat_id: int | None = None
    times: int | None = 1
    kind: ResponseKind = ResponseKind.ERROR
    status: int = 0
    description: str | None = None
    parameters: Json | None = None
    delivered: bool = False
    official: str | None = None

    def __post_init__(self) -> None:
        """Fills in what was left out; ValueError for a value that makes no sense."""
        self.kind = ResponseKind(self.kind)
        if self.official is not None:
            self._adopt(OFFICIAL_ERRORS.get(self.official))
        self.status = self.status or {ResponseKind.HTML: 502, ResponseKind.ERROR: 500}.get(self.kind, 200)
        HTTPStatus(self.status)
        if self.times is not None and self.times < 1:
            raise ValueError(f"times must be at least 1, not {self.times}")
        if self.kind is ResponseKind.ERROR and not 400 <= self.status < 600:
            raise ValueError(f"the status of an error must be 400 to 599, not {self.status}")
        if self.status == 429 and self.parameters is None:
            self.parameters = {"retry_after": 1}

    def _adopt(self, official: OfficialError | None) -> None:
        if official is None:
            raise ValueError(f"unknown official answer {self.official}; known: {', '.join(OFFICIAL_ERRORS)}")
        self.status = self.status or official.status
        self.description = self.description or official.description
        self.parameters = official.parameters if self.parameters is None else self.parameters

    def fits(self, method: str, params: Json) -> bool:
        if self.method and self.method.lower() != method.lower():
            return False
        return self.chat_id is None or str(self.chat_id) == str(params.get("chat_id"))

    def error(self) -> ApiError:
        """The official error, described officially where no description was given."""
        return ApiError(self.status, self.description or self._official_description(), self.parameters)

    def reply(self) -> Reply:
        """What goes over the wire; HANG has nothing that does, and DROP only where the server cannot drop."""
        if self.kind is ResponseKind.ERROR:
            error = self.error()
            return Reply.of_json(error.status, error.body(), error.headers())
        if self.kind is ResponseKind.HTML:
            title = f"{self.status} {HTTPStatus(self.status).phrase}"
            return Reply(self.status, f"<html><h1>{title}</h1></html>".encode(), content_type="text/html")
        return Reply(
            self.status, _BODIES.get(self.kind, b"?"), cut=self.kind in {ResponseKind.CUT, ResponseKind.DROP}
        )

    def told(self) -> str:
        """How the list of calls names this answer."""
        return self.error().description if self.kind is ResponseKind.ERROR else self.kind.value

    def as_json(self) -> Json:
        return asdict(self)

    def _official_description(self) -> str:
        wait = (self.parameters or {}).get("retry_after")
        if self.status == 429 and wait is not None:
            return f"Too Many Requests: retry after {wait}"
        return _DESCRIPTIONS.get(self.status) or HTTPStatus(self.status).phrase


class ResponseQueue:
    """The rules, in the order they were given; the first that fits is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[ScriptedResponse] = []

    def add(self, rule: ScriptedResponse) -> None:
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def listed(self) -> list[Json]:
        """The rules that are left, with the times that are left."""
        with self._lock:
            return [rule.as_json() for rule in self._rules]

    def take(self, method: str, params: Json) -> ScriptedResponse | None:
        """The rule for this call, used up by one."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.fits(method, params)), None)
            if rule is not None and rule.times is not None:
                rule.times -= 1
                if rule.times == 0:
                    self._rules.remove(rule)
            return rule
