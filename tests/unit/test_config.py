"""The table of settings: reading, refusing, listing."""

from __future__ import annotations

import json
import os
import sqlite3
import stat

import pytest

from efir.config import SETTINGS, ConfigError, read_config, read_settings
from efir.lib.hosts import readable_url
from efir.lib.log import without_token
from efir.ops.cli.main import main
from tools import settings_table

IDN = "xn--80abcmq4aw2g.xn--p1ai"  # вебинары.рф


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
        *(("EFIR_TIME_ZONE", name) for name in ("localtime", "Factory", "posixrules")),
        *(("EFIR_TIME_ZONE", f"{name}/Europe/Moscow") for name in ("posix", "right")),
        ("EFIR_PUBLIC_URL", "https://вебинары.рф/путь"),
        ("EFIR_PUBLIC_URL", "https://веби нары.рф"),
        ("EFIR_PUBLIC_URL", "https://вебинары..рф"),
        ("EFIR_FRAME_HOSTS", "x.example:port"),
        ("EFIR_FRAME_HOSTS", "x.example/path"),
        ("EFIR_TRUSTED_PROXIES", "many"),
        ("EFIR_FRAME_HOSTS", "https://x.example"),
        ("EFIR_FRAME_HOSTS", "x.example; script-src"),
        ("EFIR_FRAME_HOSTS", "x.example;y.example"),
        ("EFIR_PUBLIC_URL", "https://x.example;y"),
        ("EFIR_HLS_HOSTS", "https://x.example"),
        ("EFIR_HLS_HOSTS", "x.example:port"),
        ("EFIR_HLS_HOSTS", "x.example;script-src"),
        ("EFIR_MIN_WATCHED", "101"),
        ("EFIR_MEDIA_URL", "https://media.example"),
        ("EFIR_RTMP_PORT", "rtmp"),
        ("EFIR_SEGMENT_S", "0"),
        ("EFIR_MEDIA_DAYS", "-1"),
    ],
)
def test_wrong_value_is_refused_by_name(environ, name, value):
    with pytest.raises(ConfigError) as refused:
        read_config(environ | {name: value})
    assert name in str(refused.value)
    assert repr(value) in str(refused.value)
    assert "must be" in str(refused.value)


@pytest.mark.parametrize(
    ("written", "kept", "readable"),
    [
        ("https://вебинары.рф", f"https://{IDN}", "https://вебинары.рф"),
        ("https://ВЕБИНАРЫ.РФ:8443/", f"https://{IDN}:8443", "https://вебинары.рф:8443"),
        (f"https://{IDN}", f"https://{IDN}", "https://вебинары.рф"),
        ("http://эфир.вебинары.рф", f"http://xn--h1aqk9a.{IDN}", "http://эфир.вебинары.рф"),
        ("https://Efir.Example:443", "https://efir.example", "https://efir.example"),
        ("http://[::1]:8000", "http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_public_url_is_kept_as_browsers_send_it(environ, written, kept, readable):
    config = read_config(environ | {"EFIR_PUBLIC_URL": written})
    assert (config.public_url, readable_url(config.public_url)) == (kept, readable)
    readings, _ = read_settings(environ | {"EFIR_PUBLIC_URL": written})
    assert [each.text for each in readings if each.name == "EFIR_PUBLIC_URL"] == [written]


@pytest.mark.parametrize("name", ["EFIR_FRAME_HOSTS", "EFIR_HLS_HOSTS"])
def test_hosts_have_ports_and_scripts(environ, name):
    config = read_config(environ | {name: "Player.example:8443, вебинары.рф, x.example:443"})
    assert getattr(config, name.removeprefix("EFIR_").lower()) == ("player.example:8443", IDN, "x.example")


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
def test_wrong_secret_is_not_shown(environ, name, value):
    with pytest.raises(ConfigError) as refused:
        read_config(environ | {name: value})
    assert name in str(refused.value)
    assert value not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_defaults(environ, tmp_path):
    config = read_config(environ)
    assert config.public_url == "http://127.0.0.1:8000"
    assert (config.grace_s, config.settle_s, config.link_days, config.telegram_rate) == (90, 60, 7, 25)
    assert config.database["NAME"] == str(tmp_path / "efir.sqlite3")
    assert (config.min_watched, config.rtmp_port, config.segment_s, config.media_days) == (50, 0, 1, 0)
    assert (config.media_dir, config.media_url) == (tmp_path / "media", "")
    assert not config.media_dir.exists()


def test_readme_tables_are_those_of_the_settings(capsys):
    assert settings_table.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("EFIR_TELEGRAM_TOKN", "EFIR_TELEGRAM_TOKEN"),
        ("EFIR_GRACE", "EFIR_GRACE_S"),
        ("EFIR_SECRETKEY_FILE", "EFIR_SECRET_KEY_FILE"),
        ("EFIR_PORT_FILE", "EFIR_PORT"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_name(environ, name, nearest):
    with pytest.raises(ConfigError, match=rf"{name} is not a setting of Efir: did you mean {nearest}\?"):
        read_config(environ | {name: ""})


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if row.secret])
def test_secret_is_read_from_a_file(environ, tmp_path, name):
    values = {
        "EFIR_DATABASE_URL": f"sqlite:///{tmp_path}/other.sqlite3",
        "EFIR_SECRET_KEY": "k" * 40,
        "EFIR_TELEGRAM_TOKEN": "42:token",
        "EFIR_TELEGRAM_PROXY": "http://user:password@proxy.example",
        "EFIR_METRICS_TOKEN": "m" * 20,
    }
    file = tmp_path / "secret"
    file.write_text(f"{values[name]}\n")
    config = read_config(environ | {f"{name}_FILE": str(file)})
    assert getattr(config, name.removeprefix("EFIR_").lower()) == values[name]
    file.write_text("wrong")
    with pytest.raises(ConfigError, match=rf"{name} is '\(hidden, 5 characters\)', but it must be"):
        read_config(environ | {f"{name}_FILE": str(file)})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file or directory"), (b" \n", "it is empty"), (b"\xff", "it is not text in UTF-8")],
)
def test_unusable_secret_file_is_refused(environ, tmp_path, content, sentence):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence) as refused:
        read_config(environ | {"EFIR_SECRET_KEY_FILE": str(file)})
    assert f"EFIR_SECRET_KEY_FILE is {str(file)!r}" in str(refused.value)
    assert not (tmp_path / "secret.key").exists()


def test_secret_given_twice_is_refused(environ, tmp_path):
    (tmp_path / "key").write_text("k" * 40)
    twice = {"EFIR_SECRET_KEY": "k" * 40, "EFIR_SECRET_KEY_FILE": str(tmp_path / "key")}
    with pytest.raises(ConfigError, match="EFIR_SECRET_KEY and EFIR_SECRET_KEY_FILE are both set"):
        read_config(environ | twice)


@pytest.fixture
def efir(monkeypatch, capsys):
    """Run `efir` in an environment: (exit code, standard output, standard error)."""

    def efir(*arguments, **environ):
        monkeypatch.setenv("LANGUAGE", "en")
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        return code, *capsys.readouterr()

    return efir


def test_listing_shows_sources_and_masks_secrets(efir, tmp_path):
    (tmp_path / "token").write_text("42:hushhush")
    environ = {
        "EFIR_DATA_DIR": str(tmp_path / "new"),
        "EFIR_DATABASE_URL": "postgresql://efir:hushhush@db.example/efir?password=hushhush",
        "EFIR_TELEGRAM_TOKEN_FILE": str(tmp_path / "token"),
        "EFIR_METRICS_TOKEN": "hushhush" * 2,
    }
    code, printed, _ = efir("settings", "--json", **environ)
    assert code == 0
    assert "hushhush" not in printed
    found = {line["name"]: (line["value"], line["source"]) for line in json.loads(printed)}
    assert found["EFIR_DATABASE_URL"] == ("postgresql://…@db.example/efir", "environment")
    assert found["EFIR_TELEGRAM_TOKEN"] == ("(hidden, 11 characters)", "file")
    assert found["EFIR_GRACE_S"] == ("90", "default")
    assert set(found) == {name for name, row in SETTINGS.items() if not row.internal}
    code, printed, _ = efir("settings", **environ)
    assert code == 0
    assert "hushhush" not in printed
    assert "EFIR_PORT=8000  (default: 8000)\n    port that the web process listens on\n" in printed
    assert not (tmp_path / "new").exists()


def test_listing_goes_on_after_a_wrong_value(efir):
    code, printed, errors = efir("settings", EFIR_PORT="x", EFIR_PROT="1")
    assert code == 2
    assert "EFIR_DRAIN_S=0" in printed
    assert "EFIR_PROT is not a setting of Efir" in errors
    assert "EFIR_PORT is 'x', but it must be" in errors


def test_every_wrong_value_is_named_at_once(environ):
    _, problems = read_settings(environ | {"EFIR_HOST": "a b", "EFIR_PORT": "x", "EFIR_DATA_DIR": "\0"})
    assert [problem.split()[0] for problem in problems] == ["EFIR_DATA_DIR", "EFIR_HOST", "EFIR_PORT"]


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
def test_proxy_is_never_shown(environ, proxy):
    config = read_config(environ | {"EFIR_TELEGRAM_PROXY": proxy})
    assert config.telegram_proxy == proxy
    assert not proxy or proxy not in repr(config)


def test_secret_key_is_made_once_and_private(environ, tmp_path):
    first = read_config(environ).secret_key
    assert read_config(environ).secret_key == first
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert first not in repr(read_config(environ))


@pytest.mark.parametrize("address", ["", "sqlite:///{}/of-its-own.sqlite3"])
def test_database_file_is_private(environ, tmp_path, address):
    """Independent of the umask, and SQLite gives -wal and -shm the same mode."""
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


def test_existing_database_keeps_its_mode(environ, tmp_path):
    """An operator may have let a group read it; `efir doctor` warns."""
    file = tmp_path / "efir.sqlite3"
    file.write_bytes(b"kept")
    file.chmod(0o640)
    read_config(environ)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"kept", 0o640)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("sqlite:///{}/nowhere/efir.sqlite3", "No such file or directory"), ("sqlite://:memory:", "must be")],
)
def test_impossible_database_is_refused(environ, tmp_path, address, sentence):
    with pytest.raises(ConfigError, match=sentence) as refused:
        read_config(environ | {"EFIR_DATABASE_URL": address.format(tmp_path)})
    assert "EFIR_DATABASE_URL" in str(refused.value)


def test_log_lines_hide_tokens():
    reset = "Not Found: /account/reset/NA/diig2m-0123456789abcdef/"
    assert without_token(reset) == "Not Found: /account/reset/***"
    line = "HTTP Request: POST https://api.telegram.org/bot123:AAbb_cc-dd/sendMessage"
    assert without_token(line) == "HTTP Request: POST https://api.telegram.org/bot***/sendMessage"
