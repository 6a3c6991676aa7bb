"""Settings from the environment, as one table: the fields of `Config`.

A field is one variable: `grace_s` is `EFIR_GRACE_S`. The parser, `efir settings` and README's tables (`python -m
tools.settings_table`) use this table.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from efir.lib.hosts import bracketed
from efir.lib.os_errors import describe
from efir.lib.private_files import create_empty, read_or_create
from efir.lib.setting_kinds import (
    SettingKind,
    database_parameters,
    hosts,
    matching,
    number,
    one_of,
    time_zone_name,
    url,
)

# Hosts go into the content security policy, where a space or a semicolon would begin another directive.
HOST = r"[a-z0-9][a-z0-9.-]*"
HOST_WITH_PORT = rf"(?:{HOST}|\[[0-9a-f:.]+\])(?::[0-9]+)?"
SQLITE_NAME = "efir.sqlite3"
KEY_FILE = "secret.key"
PROVIDER_HOSTS = (
    "www.youtube.com",
    "www.youtube-nocookie.com",
    "vk.com",
    "vkvideo.ru",
    "rutube.ru",
    "kinescope.io",
    "player.vimeo.com",
    "vimeo.com",
    "live.vkvideo.ru",
)
MAX_DRAIN_S = 60  # TimeoutStopSec in deploy/systemd is longer


class ConfigError(ImproperlyConfigured):
    """The environment or the call cannot be used; the message tells the operator what to do."""


@dataclass(frozen=True)
class Setting:
    """One row of the table; `help` and `default_text` are translated in efir/locale/ru/LC_MESSAGES/cli.po.

    A default may be a function of the fields before it. `default_text` says what the default is, if it is no constant.
    A secret is masked wherever it is shown, and `NAME_FILE` may name a file that holds it.
    """

    kind: SettingKind
    default: str | Callable[[Mapping[str, Any]], str]
    help: str
    default_text: str = ""
    secret: bool = False
    internal: bool = False

    @property
    def default_shown(self) -> str:
        return self.default_text or str(self.default or "none")


def setting(*args: Any, **kwargs: Any) -> Any:
    """Declare a field of `Config`; the arguments are those of `Setting`."""
    row = Setting(*args, **kwargs)
    return field(repr=not row.secret, metadata={"setting": row})


DIRECTORY = SettingKind(
    lambda text: Path(text).expanduser().resolve(), "a directory that this user can write"
)
COUNT = number("a whole number", 0, 10_000, "; 0 for no limit", cast=int)
PORT = number("a port", 0, 65535, cast=int)
OPTIONAL_PORT = number("a port", 0, 65535, "; 0 for none", cast=int)
WAIT = number("days", 0, 365)
RETENTION = number("days", 0, 36500, "; 0 keeps forever")
SWITCH = SettingKind(lambda text: {"0": False, "1": True}[text], "0 or 1")


@dataclass(frozen=True)
class Config:
    """All settings from the environment. A duration is in the unit at the end of its name."""

    data_dir: Path = setting(DIRECTORY, "var", "directory for the database, the key and the static files")
    database_url: str = setting(
        SettingKind(
            lambda text: database_parameters(text) and text,
            "postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH",
        ),
        lambda known: f"sqlite:///{known['data_dir']}/{SQLITE_NAME}",
        "the database: `postgresql://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:///PATH`",
        default_text="SQLite in the data directory (mode 600)",
        secret=True,
    )
    host: str = setting(
        matching(r"\S+", "a host name or an address"), "127.0.0.1", "address that the web process listens on"
    )
    port: int = setting(PORT, "8000", "port that the web process listens on")
    public_url: str = setting(
        url("http https", "an http:// or https:// address without a path", netloc=HOST_WITH_PORT),
        lambda known: f"http://{bracketed(known['host'])}:{known['port']}",
        "the public address of the site; https switches on Secure cookies and HSTS",
        default_text="`http://HOST:PORT`",
    )
    secret_key: str = setting(
        matching(r"(.{32,})?", "at least 32 characters"),
        "",
        "signs links and logins: at least 32 characters, the same on every machine",
        default_text="generated once and kept in the data directory (mode 600)",
        secret=True,
    )
    time_zone: str = setting(
        SettingKind(time_zone_name, "an IANA zone such as Europe/Moscow"),
        "Europe/Moscow",
        "time zone of a new webinar",
    )
    telegram_token: str = setting(
        matching(r"([0-9]+:[A-Za-z0-9_-]+)?", "a bot token such as 123456:ABC-DEF, or empty"),
        "",
        "the bot's token, from @BotFather",
        default_text="none: messages wait in the queue",
        secret=True,
    )
    telegram_api: str = setting(
        url("http https", "an http:// or https:// address", path=True),
        "https://api.telegram.org",
        "the Bot API server, if you run your own",
    )
    telegram_proxy: str = setting(
        url(
            "http https socks5 socks5h",
            "an http://, https:// or socks5:// address, optionally with USER:PASSWORD@, without a path, or empty",
            optional=True,
        ),
        "",
        "proxy to Telegram, if needed: `http://`, `https://` or `socks5://USER:PASSWORD@HOST:PORT`",
        secret=True,
    )
    telegram_rate: float = setting(
        number("messages a second", 0.1, 1000), "25", "maximum number of messages a second to Telegram"
    )
    grace_s: float = setting(
        number("seconds", 0.1, 3600),
        "90",
        "seconds before the end that may be missed and still count as attended",
    )
    settle_s: float = setting(number("seconds", 0, 3600), "60", "seconds from the stop to the verdicts")
    min_watched: float = setting(
        number("percent", 0, 100),
        "50",
        "percent of the live time that must be watched to count as attended; 0: being in the room is enough",
    )
    remind_min: float = setting(
        number("minutes", 1, 7 * 24 * 60),
        "60",
        "minutes before the start at which people who asked get a reminder in Telegram",
    )
    link_days: float = setting(WAIT, "7", "days that a message waits for its recipient to link Telegram")
    recording_days: float = setting(WAIT, "30", "days that a message waits for the recording")
    archive_days: float = setting(
        number("days", 0, 3650), "30", "days after which a finished webinar is archived"
    )
    evidence_days: float = setting(
        RETENTION, "0", "days to keep presence in archived webinars; 0 keeps it forever"
    )
    text_days: float = setting(RETENTION, "180", "days to keep the texts of messages; 0 keeps them forever")
    talk_days: float = setting(RETENTION, "180", "days to keep the messages of rooms; 0 keeps them forever")
    address_days: float = setting(
        RETENTION, "90", "days to keep addresses in the audit log; 0 keeps them forever"
    )
    trace_days: float = setting(
        RETENTION, "30", "days to keep records of idle processes; 0 keeps them forever"
    )
    forgotten_h: float = setting(
        number("hours", 0.01, 72), "6", "hours after which a broadcast that was not ended is stopped"
    )
    trusted_proxies: int = setting(
        number("how many proxies stand in front", 0, 9, cast=int),
        "0",
        "number of your own proxies in front of Efir",
    )
    streams_per_person: int = setting(
        COUNT, "20", "streams (tabs, devices) that one person may hold open; 0 for no limit"
    )
    frame_hosts: tuple[str, ...] = setting(
        hosts(
            HOST_WITH_PORT,
            "host names such as player.example.org or player.example.org:8443, separated by commas",
        ),
        "",
        "additional hosts, optionally with a port, whose players and chats may be framed; separated by commas",
    )
    hls_hosts: tuple[str, ...] = setting(
        hosts(
            HOST_WITH_PORT,
            "host names such as live.example.org or live.example.org:8443, separated by commas",
        ),
        "",
        "additional hosts, optionally with a port, from which the room plays HLS (`….m3u8`); separated by commas",
    )
    log_level: str = setting(
        one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "INFO",
        "lowest level that is logged: `DEBUG`, `INFO`, `WARNING` or `ERROR`",
    )
    log_format: str = setting(
        one_of("auto", "json", "text"),
        "auto",
        "format of the log: `json`, `text`, or `auto` (text on a terminal, otherwise JSON)",
    )
    metrics_token: str = setting(
        matching(r"([A-Za-z0-9_-]{16,})?", "at least 16 letters, digits, - or _, or empty"),
        "",
        "bearer token for `/metrics`; at least 16 characters",
        default_text="none: only this machine may read `/metrics`",
        secret=True,
    )
    metrics_port: int = setting(
        OPTIONAL_PORT,
        "0",
        "port where a separate `efir worker` answers `/metrics` and `/healthz`; 0 for none",
    )
    drain_s: float = setting(
        number("seconds", 0, MAX_DRAIN_S),
        "0",
        "seconds that a stopping process keeps serving while `/healthz` says that it is draining",
    )
    media_dir: Path = setting(
        DIRECTORY,
        lambda known: f"{known['data_dir']}/media",
        "directory for the videos and recordings of own broadcasts",
        default_text="`media` in the data directory",
    )
    media_url: str = setting(
        matching(
            r"(s3://[^\s/?#]+(/[^\s?#]*)?(\?(endpoint|region)=[^\s&#]+(&(endpoint|region)=[^\s&#]+)?)?)?",
            "s3://BUCKET/PREFIX?endpoint=URL&region=NAME (endpoint and region are optional), or empty",
        ),
        "",
        "`s3://…` instead of the media directory",
    )
    rtmp_port: int = setting(
        OPTIONAL_PORT, "0", "port on EFIR_HOST that accepts RTMP from OBS and other encoders; 0 for none"
    )
    rtmp_url: str = setting(
        url("rtmp rtmps", "an rtmp:// or rtmps:// address, or nothing", path=True, optional=True),
        "",
        "the RTMP address that speakers see, if a proxy accepts RTMP",
        default_text="`rtmp://HOST:PORT/live` with EFIR_RTMP_PORT",
    )
    segment_s: float = setting(
        number("seconds", 0.5, 10), "1", "minimum length of a segment of the own broadcast, in seconds"
    )
    low_rung: bool = setting(
        SWITCH,
        "0",
        "1: the worker also encodes a smaller picture (360p) of each own broadcast, for viewers with a slow connection",
    )
    media_days: float = setting(
        RETENTION,
        "0",
        "days after the end to keep the media of an own broadcast, including its recording; 0 keeps them forever",
    )
    demo: bool = setting(SWITCH, "0", "", internal=True)

    @cached_property
    def database(self) -> dict[str, Any]:
        """Return Django's connection parameters."""
        return database_parameters(self.database_url)

    @property
    def is_sqlite(self) -> bool:
        return bool(self.database["ENGINE"] == "django.db.backends.sqlite3")

    @property
    def sqlite_file(self) -> Path:
        """Return the absolute path of SQLite's file."""
        return Path(self.database["NAME"]).resolve()

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


SETTINGS: dict[str, Setting] = {
    f"EFIR_{each.name.upper()}": each.metadata["setting"] for each in fields(Config)
}


@dataclass(frozen=True)
class Reading:
    """A setting in force: its text, whether that is from the "environment", a "file" or the "default", its value."""

    name: str
    text: str
    source: str
    value: Any

    @property
    def shown(self) -> str:
        """Return the text to show: of a secret its length, or the address without user, password and query."""
        if not SETTINGS[self.name].secret:
            return self.text
        if re.match(r"(postgres(ql)?|sqlite|https?|socks5h?)://", self.text):
            return re.sub(r"//.*@", "//…@", self.text).partition("?")[0]
        return f"(hidden, {len(self.text)} characters)" if self.text else ""


def read_settings(environ: Mapping[str, str]) -> tuple[list[Reading], list[str]]:
    """Return every setting, and a sentence for each error. Changes nothing on the disk."""
    public = [name for name, row in SETTINGS.items() if not row.internal]
    public += [f"{name}_FILE" for name, row in SETTINGS.items() if row.secret]
    problems = []
    for name in sorted(environ):
        if name.startswith("EFIR_") and name not in {*SETTINGS, *public}:
            nearest = get_close_matches(name, public, 1, cutoff=0)[0]
            problems.append(
                f"{name} is not a setting of Efir: did you mean {nearest}? `efir settings` lists all."
            )
    readings: list[Reading] = []
    known: dict[str, Any] = {}
    for name, row in SETTINGS.items():
        text = row.default if isinstance(row.default, str) else row.default(known)
        source, value = "default", text
        try:
            text, source = _given(name, environ) or (text, source)
            value = row.kind.parse(text)
        except ConfigError as exc:
            problems.append(str(exc))
        except (ValueError, KeyError, OSError):
            shown = Reading(name, text, source, None).shown
            problems.append(f"{name} is {shown!r}, but it must be {row.kind.allowed}.")
        known[field_of(name)] = value
        readings.append(Reading(name, text, source, value))
    return readings, problems


def field_of(name: str) -> str:
    """Return the field of `Config` that a variable fills."""
    return name.removeprefix("EFIR_").lower()


def _given(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the value from the environment and its source, or None if there is none."""
    text = environ.get(name, "").strip()
    path = environ.get(f"{name}_FILE", "").strip() if SETTINGS[name].secret else ""
    if not path:
        return (text, "environment") if text else None
    if text:
        raise ConfigError(f"{name} and {name}_FILE are both set: unset one of them.")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
        why = "" if text else "it is empty."
    except OSError as exc:
        why = describe(exc)
    except ValueError:
        why = "it is not text in UTF-8."
    if why:
        raise ConfigError(f"{name}_FILE is {path!r}, but that file cannot be used: {why}")
    return text, "file"


def read_config(environ: Mapping[str, str]) -> Config:
    """Return the configuration, and create the data directory, the key and SQLite's file. Raises ConfigError."""
    readings, problems = read_settings(environ)
    if problems:
        raise ConfigError(" ".join(problems))
    values = {field_of(each.name): each.value for each in readings}
    data_dir: Path = values["data_dir"]
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        writable = os.access(data_dir, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(f"EFIR_DATA_DIR is {str(data_dir)!r}, but it must be {DIRECTORY.allowed}.")
    try:
        values["secret_key"] = values["secret_key"] or read_or_create(data_dir / KEY_FILE, new_secret_key)
    except OSError as exc:
        raise ConfigError(f"EFIR_DATA_DIR={data_dir} does not take {KEY_FILE}: {describe(exc)}") from exc
    config = Config(**values)
    if config.is_sqlite:
        try:
            create_empty(config.sqlite_file)  # before SQLite does: -wal and -shm take their mode from it
        except OSError as exc:
            raise ConfigError(
                f"EFIR_DATABASE_URL: {config.sqlite_file} cannot be created: {describe(exc)}"
            ) from exc
    return config


def secret_key_variable(environ: Mapping[str, str]) -> str:
    """Return the name of the variable that gives the secret key, or an empty string if it is the data directory's."""
    names = ("EFIR_SECRET_KEY", "EFIR_SECRET_KEY_FILE")
    return next((name for name in names if environ.get(name, "").strip()), "")


def new_secret_key() -> str:
    """Return a random key."""
    return secrets.token_urlsafe(64)
