"""Map the names of the other system to ours. The default is for the WordPress original."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efir.accounts.capabilities import Role
from efir.config import ConfigError
from efir.importing.models import SOURCE_MAX_LENGTH
from efir.lib.setting_kinds import time_zone_name

# A file of this size is no mapping.
MAX_BYTES = 1_000_000

# docs/import.md shows the same; a test compares them.
DEFAULT: dict[str, Any] = {
    "source": "",
    "post_type": "webinar_event",
    "meta": {
        "start": "_core_webinar_start_datetime",
        "status": "_core_webinar_status",
        "player": "_core_webinar_stream_src",
        "chat": "_core_webinar_chat_src",
        "cta_text": "_core_webinar_cta_text",
        "cta_link": "_core_webinar_cta_link",
        "poster": "_core_webinar_poster_url",
        "speaker": "",
        "length_min": "",
        "recording": "",
    },
    "columns": {
        "id": ["ID", "id"],
        "login": ["user_login", "login"],
        "email": ["user_email", "email", "e-mail"],
        "name": ["display_name", "name"],
        "role": ["roles", "role"],
        "inviter": ["ref_id", "ref", "inviter"],
        "code": [],
    },
    "inviter_is": ["id", "login", "code"],
    "roles": {
        "administrator": "admin",
        "admin": "admin",
        "speaker": "speaker",
        "leader": "leader",
        "partner": "partner",
        "candidate": "candidate",
        "subscriber": "candidate",
    },
    "time_zone": "",
    "date_formats": [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%d.%m.%Y %H:%M",
        "%d.%m.%Y %H:%M:%S",
        "%d.%m.%Y, %H:%M",
    ],
    "length_min": 60,
}


@dataclass(frozen=True, slots=True)
class ImportMapping:
    """A checked mapping.

    source: the name of the other system; empty for the address in its export.
    meta: the name of each field of a webinar among a post's meta; empty if there is none.
    columns: the names that each column of the file of people may have; of the inviter's, the first that is filled.
    inviter_is: what an inviter may be given as: id, login or code.
    roles: the role here for each role there.
    time_zone: the zone of times without one; empty for the site's default.
    date_formats: how start times are written, as `strptime` takes them; ISO 8601 always works.
    length_min: the length of a webinar whose own is not known, in minutes.
    """

    source: str
    post_type: str
    meta: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    inviter_is: tuple[str, ...]
    roles: Mapping[str, Role]
    time_zone: str
    date_formats: tuple[str, ...]
    length_min: int


def load_mapping(path: Path | None) -> ImportMapping:
    """Read a mapping, a JSON object whose keys replace those of the default. Raises ConfigError and OSError."""
    given: Any = {}
    if path:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        try:
            given = json.loads(text) if len(text) <= MAX_BYTES else None
        except (ValueError, RecursionError) as exc:
            raise ConfigError(f"{path} is not JSON: {exc}.") from exc
    return _checked(_merge(DEFAULT, given, ""))


def _merge(default: Mapping[str, Any], given: Any, where: str) -> dict[str, Any]:
    """Return the default with what was given, which must be of the same types. Raises ConfigError."""
    if not isinstance(given, dict):
        raise ConfigError(f"the mapping{where} must be an object of JSON.")
    merged = dict(default)
    for key, value in given.items():
        name = f"{where}: {key}"
        # Roles are the other system's own; all other keys are ours.
        known = default.get(key, "" if where == ": roles" else None)
        if known is None:
            raise ConfigError(
                f"the mapping has {key!r}{where and f' in {where[2:]!r}'}; known are {', '.join(default)}."
            )
        if isinstance(known, dict):
            merged[key] = _merge(known, value, name)
            continue
        is_same = type(value) is type(known) and (
            not isinstance(value, list) or all(isinstance(each, str) for each in value)
        )
        if not is_same:
            raise ConfigError(
                f"the mapping{name} must be like {json.dumps(known)}, and is {json.dumps(value)}."
            )
        merged[key] = value
    return merged


def _checked(values: dict[str, Any]) -> ImportMapping:
    roles: dict[str, Role] = {}
    for name, role in values["roles"].items():
        if role not in list(Role):
            raise ConfigError(f"the mapping: roles: {name} is {role!r}; known are {', '.join(Role)}.")
        roles[name] = Role(role)
    if unknown := set(values["inviter_is"]) - {"id", "login", "code"}:
        raise ConfigError(
            f"the mapping: inviter_is has {', '.join(sorted(unknown))}; known are id, login, code."
        )
    if not 1 <= values["length_min"] <= 1440:
        raise ConfigError("the mapping: length_min must be from 1 to 1440.")
    if len(values["source"]) > SOURCE_MAX_LENGTH:
        raise ConfigError(f"the mapping: source is longer than {SOURCE_MAX_LENGTH} characters.")
    if values["time_zone"]:
        try:
            time_zone_name(values["time_zone"])
        except ValueError:
            raise ConfigError(
                f"the mapping: time_zone is {values['time_zone']!r}; write a name such as Europe/Moscow."
            ) from None
    return ImportMapping(
        source=values["source"],
        post_type=values["post_type"],
        meta=values["meta"],
        columns={name: tuple(names) for name, names in values["columns"].items()},
        inviter_is=tuple(values["inviter_is"]),
        roles=roles,
        time_zone=values["time_zone"],
        date_formats=tuple(values["date_formats"]),
        length_min=values["length_min"],
    )
