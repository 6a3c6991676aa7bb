"""Reads the environment, strictly: a wrong value stops the start with a sentence that says what is allowed."""

from __future__ import annotations

import math
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from efir.lib.os_errors import describe

T = TypeVar("T")

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# These go into the content security policy, where a space or a semicolon would begin something else.
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)
_HOST_WITH_PORT = re.compile(rf"(?:{_HOST.pattern}|\[[0-9a-f:.]+\])(?::\d+)?", re.ASCII)
KEPT_DAYS = "days, from 0 to 36500; 0 keeps for ever"
LOG_FORMATS = ("auto", "json", "text")
OFFICIAL_BOT_API = "https://api.telegram.org"
SQLITE_NAME = "efir.sqlite3"
PROVIDER_HOSTS = (
    "www.youtube.com",
    "www.youtube-nocookie.com",
    "vk.com",
    "vkvideo.ru",
    "rutube.ru",
    "kinescope.io",
    "player.vimeo.com",
)
MOST_DRAIN_S = 60  # deploy/systemd waits for longer


class ConfigError(ImproperlyConfigured):
    """An environment variable has a value that Efir cannot use; the message is meant for the operator."""


@dataclass(frozen=True)
class Config:
    """Everything the environment decides. Durations are in the unit that the name ends with."""

    data_dir: Path
    database: dict[str, Any]
    host: str
    port: int
    public_url: str
    secret_key: str = field(repr=False)
    time_zone: str
    telegram_token: str = field(repr=False)
    telegram_api: str
    telegram_proxy: str = field(repr=False)
    telegram_rate: float
    grace_s: float
    settle_s: float
    link_days: float
    recording_days: float
    archive_days: float
    evidence_days: float
    text_days: float
    address_days: float
    trace_days: float
    forgotten_h: float
    trusted_proxies: int
    streams_per_person: int
    frame_hosts: tuple[str, ...]
    hls_hosts: tuple[str, ...]
    log_level: str
    log_format: str
    metrics_token: str = field(repr=False)
    metrics_port: int
    drain_s: float
    demo: bool = False

    @property
    def is_sqlite(self) -> bool:
        return bool(self.database["ENGINE"] == "django.db.backends.sqlite3")

    @property
    def sqlite_file(self) -> Path:
        """Where SQLite keeps the database, whichever way it was named."""
        return Path(self.database["NAME"]).resolve()

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def read_config(environ: Mapping[str, str]) -> Config:
    """Build the configuration from `environ`; raises ConfigError for a value that is not allowed."""
    read = _Reader(environ)
    data_dir = read("EFIR_DATA_DIR", "var", _directory, "a directory that this user can write")
    host = read("EFIR_HOST", "127.0.0.1", _text, "a host name or an address")
    port = read("EFIR_PORT", "8000", _up_to(65535), "a whole number from 0 to 65535")
    return Config(
        data_dir=data_dir,
        database=read(
            "EFIR_DATABASE_URL",
            f"sqlite:///{data_dir / SQLITE_NAME}",
            _database,
            "postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH",
            secret=True,
        ),
        host=host,
        port=port,
        public_url=read(
            "EFIR_PUBLIC_URL",
            f"http://{bracketed(host)}:{port}",
            _address,
            "an http:// or https:// address without a path",
        ),
        secret_key=read(
            "EFIR_SECRET_KEY", "", lambda text: _secret(text, data_dir), "at least 32 characters", secret=True
        ),
        time_zone=read(
            "EFIR_TIME_ZONE", "Europe/Moscow", time_zone_name, "an IANA zone such as Europe/Moscow"
        ),
        telegram_token=read(
            "EFIR_TELEGRAM_TOKEN", "", _token, "a bot token such as 123456:ABC-DEF, or nothing", secret=True
        ),
        telegram_api=read(
            "EFIR_TELEGRAM_API", OFFICIAL_BOT_API, _base_address, "an http:// or https:// address"
        ),
        telegram_proxy=read(
            "EFIR_TELEGRAM_PROXY",
            "",
            _proxy,
            "an http://, https:// or socks5:// address, perhaps with USER:PASSWORD@, without a path, or nothing",
            secret=True,
        ),
        telegram_rate=read(
            "EFIR_TELEGRAM_RATE", "25", _number(0.1, 1000), "messages a second, from 0.1 to 1000"
        ),
        grace_s=read("EFIR_GRACE_S", "90", _number(0.1, 3600), "seconds, from 0.1 to 3600"),
        settle_s=read("EFIR_SETTLE_S", "60", _number(0, 3600), "seconds, from 0 to 3600"),
        link_days=read("EFIR_LINK_DAYS", "7", _number(0, 365), "days, from 0 to 365"),
        recording_days=read("EFIR_RECORDING_DAYS", "30", _number(0, 365), "days, from 0 to 365"),
        archive_days=read("EFIR_ARCHIVE_DAYS", "30", _number(0, 3650), "days, from 0 to 3650"),
        evidence_days=read("EFIR_EVIDENCE_DAYS", "0", _number(0, 36500), KEPT_DAYS),
        text_days=read("EFIR_TEXT_DAYS", "180", _number(0, 36500), KEPT_DAYS),
        address_days=read("EFIR_ADDRESS_DAYS", "90", _number(0, 36500), KEPT_DAYS),
        trace_days=read("EFIR_TRACE_DAYS", "30", _number(0, 36500), KEPT_DAYS),
        forgotten_h=read("EFIR_FORGOTTEN_H", "6", _number(0.01, 72), "hours, from 0.01 to 72"),
        trusted_proxies=read(
            "EFIR_TRUSTED_PROXIES", "0", _up_to(9), "how many proxies stand in front, from 0 to 9"
        ),
        streams_per_person=read(
            "EFIR_STREAMS_PER_PERSON", "20", _up_to(10_000), "a whole number up to 10000, 0 for no limit"
        ),
        frame_hosts=read(
            "EFIR_FRAME_HOSTS", "", _hosts, "host names such as player.example.org, with commas between"
        ),
        hls_hosts=read(
            "EFIR_HLS_HOSTS",
            "",
            _hosts_with_ports,
            "host names such as live.example.org or live.example.org:8443, with commas between",
        ),
        log_level=read("EFIR_LOG_LEVEL", "INFO", _one_of(LEVELS), f"one of {', '.join(LEVELS)}"),
        log_format=read("EFIR_LOG_FORMAT", "auto", _one_of(LOG_FORMATS), f"one of {', '.join(LOG_FORMATS)}"),
        metrics_token=read(
            "EFIR_METRICS_TOKEN", "", _bearer, "at least 16 letters, digits, - or _, or nothing", secret=True
        ),
        metrics_port=read("EFIR_METRICS_PORT", "0", _up_to(65535), "a port, or 0 for none"),
        drain_s=read("EFIR_DRAIN_S", "0", _number(0, MOST_DRAIN_S), f"seconds, from 0 to {MOST_DRAIN_S}"),
        demo=read("EFIR_DEMO", "0", _switch, "0 or 1"),
    )


def bracketed(host: str | None) -> str:
    """The host as an address spells it: IPv6 in brackets."""
    return f"[{host}]" if host and ":" in host else host or "localhost"


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __call__(
        self, name: str, default: str, parse: Callable[[str], T], allowed: str, *, secret: bool = False
    ) -> T:
        text = self._environ.get(name, "").strip() or default
        try:
            return parse(text)
        except (ValueError, KeyError, OSError) as exc:
            shown = _masked(text) if secret else repr(text)
            raise ConfigError(f"{name} is {shown}, but it must be {allowed}.") from exc


def _masked(text: str) -> str:
    """A secret by its shape: an address without what comes before its @, anything else by its length."""
    if "://" in text:
        return repr(re.sub(r"//[^/]*@", "//…@", text))
    return f"a text of {len(text)} characters (not shown here)"


def _text(text: str) -> str:
    if not text or any(c.isspace() for c in text):
        raise ValueError(text)
    return text


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError(text)
        return value

    return parse


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return parse


def _bearer(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9_-]{16,}", text):
        raise ValueError(text)
    return text


def _switch(text: str) -> bool:
    return {"0": False, "1": True}[text]


def _up_to(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not 0 <= value <= most:
            raise ValueError(text)
        return value

    return parse


def _directory(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(text)
    return path


def _address(text: str) -> str:
    parts = urlsplit(_base_address(text))
    if parts.path or parts.query or parts.fragment or not _HOST_WITH_PORT.fullmatch(parts.netloc.lower()):
        raise ValueError(text)
    return text.rstrip("/")


def _base_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(text)
    _ = parts.port  # raises ValueError where it is no port
    return text.rstrip("/")


def _proxy(text: str) -> str:
    parts = urlsplit(text)
    if text and (
        parts.scheme not in {"http", "https", "socks5", "socks5h"}
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or any(c.isspace() for c in text)
    ):
        raise ValueError(text)
    _ = parts.port  # raises ValueError where it is no port
    return text.rstrip("/")


def time_zone_name(text: str) -> str:
    """Give back `text` where it names an IANA time zone; raises ValueError otherwise."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as exc:
        raise ValueError(text) from exc
    return text


def _token(text: str) -> str:
    bot_id, _, key = text.partition(":")
    if text and not (
        bot_id.isascii() and bot_id.isdigit() and key and key.replace("_", "").replace("-", "").isalnum()
    ):
        raise ValueError(text)
    return text


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(map(_HOST.fullmatch, hosts)):
        raise ValueError(text)
    return hosts


def _hosts_with_ports(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for host in hosts:
        if not _HOST_WITH_PORT.fullmatch(host):
            raise ValueError(text)
        _ = urlsplit(f"//{host}").port  # raises ValueError where it is no port
    return hosts


def _secret(text: str, data_dir: Path) -> str:
    if not text:
        try:
            return _kept_secret(data_dir / "secret.key")
        except OSError as exc:
            raise ConfigError(f"EFIR_DATA_DIR={data_dir} does not take secret.key: {describe(exc)}") from exc
    if len(text) < 32:
        raise ValueError(text)
    return text


def _kept_secret(path: Path) -> str:
    """The installation's own key: made once, readable by its user alone."""
    if not path.exists():
        # Whole or not at all, whoever else starts at this moment: the first link wins.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:
            file.write(secrets.token_urlsafe(64))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text().strip()


_SIGNS_OF_LIFE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,  # ms
}


def _database(text: str) -> dict[str, Any]:
    if urlsplit(text).scheme not in {"sqlite", "postgresql", "postgres"}:
        raise ValueError(text)
    database: dict[str, Any] = {**dj_database_url.parse(text)}
    if not database.get("NAME") or database["NAME"] == ":memory:":  # each thread would have one of its own
        raise ValueError(text)
    options: dict[str, Any] = database.pop("OPTIONS", None) or {}
    if database["ENGINE"] == "django.db.backends.sqlite3":
        _make_private(Path(database["NAME"]))
        options |= {
            # Writers queue at BEGIN instead of failing halfway when two of them meet.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # Of 128 statements each thread's connection would keep what it once prepared for 500 rows: megabytes, to
            # save some microseconds.
            "cached_statements": 0,
            # FULL: a fact that was answered for survives a power cut, too. Every thread has a connection: a page cache
            # of 512 KiB for each instead of SQLite's 2 MiB, since what it reads again the system keeps, too.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-512",
        }
    else:
        # The pool's own way is to try ever more seldom, for five minutes: a short outage would last twice as long.
        # A process that stands still in the middle of a transaction, or is gone without a word, keeps no lock for long.
        options.setdefault("options", "-c idle_in_transaction_session_timeout=15000")
        # A server that is gone without a word is noticed within 15 s, not within hours.
        for name, value in _SIGNS_OF_LIFE.items():
            options.setdefault(name, value)
        options |= {"pool": {"min_size": 1, "max_size": 16, "timeout": 10, "reconnect_timeout": 1}}
    return database | {"OPTIONS": options, "CONN_MAX_AGE": 0}


def _make_private(path: Path) -> None:
    """Make the database's file before SQLite does, for its user alone: -wal and -shm take their mode from it.

    One that is there is not opened: to close it would free what SQLite has locked in it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as exc:
        raise ConfigError(f"EFIR_DATABASE_URL: {path} cannot be made: {describe(exc)}") from exc
