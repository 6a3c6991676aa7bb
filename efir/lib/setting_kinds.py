"""Kinds of values that a setting may have: each parses a text and says what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url

from efir.lib.hosts import host_and_port


class SettingKind(NamedTuple):
    """A kind of value: `parse` raises ValueError, KeyError or OSError; `allowed` ends the sentence "it must be …"."""

    parse: Callable[[str], Any]
    allowed: str


def number(unit: str, least: float, most: float, note: str = "", cast: type = float) -> SettingKind:
    """Return the kind of a finite number in a range."""

    def parse(text: str) -> Any:
        value = cast(text)
        if not (math.isfinite(value) and least <= value <= most):
            raise ValueError(text)
        return value

    return SettingKind(parse, f"{unit}, from {least:g} to {most:g}{note}")


def matching(pattern: str, allowed: str) -> SettingKind:
    """Return the kind of a text that matches `pattern` as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII | re.DOTALL):
            raise ValueError(text)
        return text

    return SettingKind(parse, allowed)


def one_of(*words: str) -> SettingKind:
    """Return the kind of a closed list of words."""
    return matching("|".join(words), f"one of {', '.join(words)}")


def hosts(pattern: str, allowed: str) -> SettingKind:
    """Return the kind of a list of hosts with commas between."""

    def parse(text: str) -> tuple[str, ...]:
        # Players are framed over https, so that its port needs no name.
        parts = [urlsplit(f"https://{part.strip()}") for part in text.split(",") if part.strip()]
        names = tuple(host_and_port(each) for each in parts)  # raises ValueError if it is no host or no port
        for each, name in zip(parts, names, strict=True):
            if not (
                re.fullmatch(pattern, name, re.ASCII)
                and each == each._replace(path="", query="", fragment="")
            ):
                raise ValueError(text)
        return names

    return SettingKind(parse, allowed)


def url(
    schemes: str, allowed: str, *, netloc: str = ".+", path: bool = False, optional: bool = False
) -> SettingKind:
    """Return the kind of a URL without its trailing slash; `path` allows more than the host."""

    def parse(text: str) -> str:
        if optional and not text:
            return text
        parts = urlsplit(text)
        if not path and parts.hostname and "@" not in parts.netloc:
            # As browsers send it in `Host` and `Origin`; raises ValueError if it is no host or no port.
            parts = parts._replace(netloc=host_and_port(parts))
        _ = parts.port
        host_alone = not (parts.path.strip("/") or parts.query or parts.fragment)
        if not (
            parts.scheme in schemes.split()
            and parts.hostname
            and re.fullmatch(netloc, parts.netloc.lower(), re.ASCII)
            and (path or host_alone)
            and not re.search(r"\s", text)
        ):
            raise ValueError(text)
        return parts.geturl().rstrip("/")

    return SettingKind(parse, allowed)


def time_zone_name(text: str) -> str:
    """Return `text` if it names an IANA time zone of a place. Raises ValueError."""
    # Those of the operating system are files beside the zones: another machine has another one or none.
    if text in ("localtime", "posixrules", "Factory") or text.startswith(("posix/", "right/")):
        raise ValueError(text)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as exc:
        raise ValueError(text) from exc
    return text


def database_parameters(text: str) -> dict[str, Any]:
    """Return Django's connection parameters for a database's address. Raises ValueError."""
    if urlsplit(text).scheme not in {"sqlite", "postgresql", "postgres"}:
        raise ValueError(text)
    parameters: dict[str, Any] = {**dj_database_url.parse(text)}
    # In memory each thread would have a database of its own.
    if parameters.get("NAME") in {None, "", ":memory:"}:
        raise ValueError(text)
    return parameters
