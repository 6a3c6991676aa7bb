"""What can go wrong, in the shapes of the official API."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A failed call: an HTTP status, the official description and, for some, `parameters`."""

    def __init__(self, status: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters or {}

    def body(self) -> Json:
        """The JSON object of the answer."""
        body: Json = {"ok": False, "error_code": self.status, "description": self.description}
        return body | {"parameters": self.parameters} if self.parameters else body

    def headers(self) -> dict[str, str]:
        """`Retry-After`, in seconds, where the answer asks to wait."""
        wait = self.parameters.get("retry_after")
        return {} if wait is None else {"Retry-After": str(wait)}


class UnknownPersonError(LookupError):
    """Nobody with this id was added to the stand-in."""


def bad_request(text: str) -> ApiError:
    """400 with the official prefix."""
    return ApiError(400, f"Bad Request: {text}")


def not_found() -> ApiError:
    """404 as for an unknown method, a malformed token or any other address."""
    return ApiError(404, "Not Found")


def conflict(text: str) -> ApiError:
    """409 with the official prefix."""
    return ApiError(409, f"Conflict: {text}")
