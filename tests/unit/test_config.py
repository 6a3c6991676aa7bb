"""A wrong value stops the start with a sentence that names the variable, the value and what is allowed."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from efir.config import ConfigError, read_config
from efir.lib.log import without_token


@pytest.fixture
def environ(tmp_path):
    return {"EFIR_DATA_DIR": str(tmp_path)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EFIR_PORT", "eighty"),
        ("EFIR_PORT", "70000"),
        ("EFIR_GRACE_S", "-1"),
        ("EFIR_GRACE_S", "nan"),
        ("EFIR_SETTLE_S", "1e9"),
        ("EFIR_LINK_DAYS", "week"),
        ("EFIR_TELEGRAM_RATE", "0"),
        ("EFIR_TELEGRAM_API", "telegram"),
        ("EFIR_PUBLIC_URL", "efir.example"),
        ("EFIR_PUBLIC_URL", "https://efir.example/path"),
        ("EFIR_TIME_ZONE", "Moscow"),
        ("EFIR_TIME_ZONE", "../etc/passwd"),
        ("EFIR_TRUSTED_PROXIES", "many"),
        ("EFIR_FRAME_HOSTS", "https://x.example"),
        ("EFIR_FRAME_HOSTS", "x.example; script-src"),
        ("EFIR_FRAME_HOSTS", "x.example;y.example"),
        ("EFIR_PUBLIC_URL", "https://x.example;y"),
        ("EFIR_HLS_HOSTS", "https://x.example"),
        ("EFIR_HLS_HOSTS", "x.example:port"),
        ("EFIR_HLS_HOSTS", "x.example;script-src"),
    ],
)
def test_a_wrong_value_is_named(environ, name, value):
    with pytest.raises(ConfigError) as refused:
        read_config(environ | {name: value})
    assert name in str(refused.value)
    assert repr(value) in str(refused.value)
    assert "must be" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EFIR_TELEGRAM_TOKEN", "not a token"),
        ("EFIR_SECRET_KEY", "short"),
        ("EFIR_DATABASE_URL", "mysql://user:secret@host/name"),
        ("EFIR_TELEGRAM_PROXY", "ftp://user:secret@host:3128"),
        ("EFIR_TELEGRAM_PROXY", "http://user:secret@host:port"),
        ("EFIR_TELEGRAM_PROXY", "http://user:secret@host:3128/path"),
        ("EFIR_TELEGRAM_PROXY", "user:secret@host:3128"),
    ],
)
def test_a_wrong_secret_is_named_but_not_shown(environ, name, value):
    with pytest.raises(ConfigError) as refused:
        read_config(environ | {name: value})
    assert name in str(refused.value)
    assert value not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_defaults_are_the_documented_ones(environ, tmp_path):
    config = read_config(environ)
    assert config.public_url == "http://127.0.0.1:8000"
    assert (config.grace_s, config.settle_s, config.link_days, config.telegram_rate) == (90, 60, 7, 25)
    assert config.database["NAME"] == str(tmp_path / "efir.sqlite3")


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "http://127.0.0.1:3128",
        "https://user:p%40ss@proxy.example.org",
        "socks5://u:p@[::1]:1080",
        "socks5h://host:1",
    ],
)
def test_a_proxy_is_taken_as_it_is_and_never_shown(environ, proxy):
    config = read_config(environ | {"EFIR_TELEGRAM_PROXY": proxy})
    assert config.telegram_proxy == proxy
    assert not proxy or proxy not in repr(config)


def test_the_key_is_made_once_and_readable_by_its_user_alone(environ, tmp_path):
    first = read_config(environ).secret_key
    assert read_config(environ).secret_key == first
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert first not in repr(read_config(environ))


@pytest.mark.parametrize("address", ["", "sqlite:///{}/of-its-own.sqlite3"])
def test_the_database_is_readable_by_its_user_alone(environ, tmp_path, address):
    """Whatever the umask is; SQLite gives its other files the same mode."""
    before = os.umask(0o022)
    try:
        config = read_config(environ | {"EFIR_DATABASE_URL": address.format(tmp_path)})
        with sqlite3.connect(config.sqlite_file) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE kept (id)")
            files = sorted(tmp_path.glob("*.sqlite3*"))
    finally:
        os.umask(before)
    assert [path.name.partition("sqlite3")[2] for path in files] == ["", "-shm", "-wal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_database_that_is_there_is_left_as_it_is(environ, tmp_path):
    """Who has let a group read it has done so; `efir doctor` tells."""
    file = tmp_path / "efir.sqlite3"
    file.write_bytes(b"kept")
    file.chmod(0o640)
    read_config(environ)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"kept", 0o640)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("sqlite:///{}/nowhere/efir.sqlite3", "No such file or directory"), ("sqlite://:memory:", "must be")],
)
def test_a_database_without_a_place_is_refused(environ, tmp_path, address, sentence):
    with pytest.raises(ConfigError, match=sentence) as refused:
        read_config(environ | {"EFIR_DATABASE_URL": address.format(tmp_path)})
    assert "EFIR_DATABASE_URL" in str(refused.value)


def test_no_log_line_shows_the_token():
    reset = "Not Found: /account/reset/NA/diig2m-0123456789abcdef/"
    assert without_token(reset) == "Not Found: /account/reset/***"
    line = "HTTP Request: POST https://api.telegram.org/bot123:AAbb_cc-dd/sendMessage"
    assert without_token(line) == "HTTP Request: POST https://api.telegram.org/bot***/sendMessage"
