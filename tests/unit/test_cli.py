"""The command line: help in two languages, exit codes, old names."""

from __future__ import annotations

import argparse
import gettext
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from efir.accounts.capabilities import Role
from efir.config import SETTINGS
from efir.ops.backup import BackupRefused
from efir.ops.cli import backup
from efir.ops.cli.main import LOCALE, main
from efir.ops.cli.parser import MESSAGE_STATES, ROLES, build_parser
from efir.telegram.models import MessageState

DEPRECATED = {"efir held"}
CATALOG = gettext.translation("cli", LOCALE, languages=["ru"])


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Walk the parser and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                if each.prog not in DEPRECATED:
                    yield from parsers(each)


def texts_of(parser: argparse.ArgumentParser) -> list[str | None]:
    listed = [
        choice.help
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    ]
    own = [action.help for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]
    return [parser.description, *own, *listed]


def efir(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "efir.ops.cli.main", *arguments],
        env={"PATH": "/usr/bin", "PYTHONPATH": str(LOCALE.parents[1]), "COLUMNS": "200", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_has_help_in_english_and_russian():
    used = {text for parser in parsers(build_parser()) for text in texts_of(parser)} - {argparse.SUPPRESS}
    assert None not in used
    rows = [row for row in SETTINGS.values() if not row.internal]
    used |= {row.help for row in rows} | {row.default_text for row in rows if row.default_text}
    known = set(CATALOG._catalog) - {""}
    assert used - known == set()
    elsewhere = inspect.getsource(argparse) + "".join(
        path.read_text() for path in Path(backup.__file__).parent.glob("*.py")
    )
    unused = {text for text in known - used if text.rstrip("\n") not in elsewhere}
    assert unused == set()


def test_every_command_has_its_function():
    runs = {run for parser in parsers(build_parser()) if (run := parser.get_default("run"))}
    for module, _, function in (run.partition(":") for run in runs):
        assert callable(getattr(importlib.import_module(f"efir.ops.cli.{module}"), function))


def test_help_does_not_load_django_apps():
    """They would take a second: help and `efir settings` answer within 0.4 s."""
    code = "import sys, efir.ops.cli.main; sys.exit('django.db.models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({}, "usage"),
        ({"LANG": "C.UTF-8"}, "usage"),
        ({"LANG": "de_DE.UTF-8"}, "usage"),
        ({"LANG": "ru_RU.UTF-8"}, "использование"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ru_RU.UTF-8"}, "использование"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "ru:en"}, "использование"),
        ({"LANG": "ru_RU.UTF-8", "LANGUAGE": "en:ru"}, "usage"),
    ],
)
def test_help_speaks_the_language_of_the_environment(environ, word):
    done = efir("--help", PYTHONUTF8="1", **environ)
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, word)


def test_russian_help_is_russian_throughout():
    done = efir("webinar", "--help", PYTHONUTF8="1", LANG="ru_RU.UTF-8")
    for text in ("показать эту справку", "параметры", "команды", "начать эфир"):
        assert text in done.stdout
    assert {"usage", "options", "show", "commands"}.isdisjoint(done.stdout.replace(":", " ").split())
    done = efir("outbox", "resolve", PYTHONUTF8="1", LANG="ru_RU.UTF-8")
    assert (done.returncode, "нужен один из параметров: --delivered --resend" in done.stderr) == (2, True)


def test_help_tells_the_exit_codes():
    assert "Exit codes: 0 success; 1 refused, failed" in efir("--help").stdout


def test_version():
    done = efir("--version")
    assert (done.returncode, done.stdout) == (0, f"efir {version('efir')}\n")


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["webinar"], ["webinar", "start", "x"], ["outbox", "resolve"]]
)
def test_wrong_call_is_refused_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert capsys.readouterr().err.startswith("usage: efir")


def test_choices_are_those_of_the_models():
    assert set(MESSAGE_STATES) == set(MessageState)
    assert list(ROLES) == list(Role)


@pytest.mark.parametrize(
    ("arguments", "run", "webinar"),
    [
        (["outbox"], "commands:outbox", None),
        (["outbox", "--webinar", "3"], "commands:outbox", 3),
        (["outbox", "held"], "backup:list_held", None),
        (["outbox", "held", "--webinar", "3"], "backup:list_held", 3),
        (["outbox", "--webinar", "3", "resolve", "--resend"], "backup:resolve_held", 3),
    ],
)
def test_outbox_lists_unless_a_command_follows(arguments, run, webinar):
    options = build_parser().parse_args(arguments)
    assert (options.run, options.webinar) == (run, webinar)


@pytest.mark.parametrize(("option", "delivered"), [("--delivered", True), ("--resend", False)])
def test_held_messages_are_resolved_one_way_or_the_other(option, delivered):
    assert build_parser().parse_args(["outbox", "resolve", option]).delivered is delivered


@pytest.mark.parametrize(
    ("old", "new"),
    [("--nothing-sent-since", "--assume-nothing-sent"), ("--end-sessions", "--clear-sessions")],
)
def test_old_options_of_restore_work_and_name_the_new_ones(monkeypatch, capsys, old, new):
    asked = []

    def restore(file, **kwargs):
        asked.append({name for name, value in kwargs.items() if value})
        raise BackupRefused("not here")

    monkeypatch.setattr(backup, "restore", restore)
    for option in ([], [new], [old]):
        assert f"{old} is now called {new}" not in capsys.readouterr().err
        assert backup.run_restore(build_parser().parse_args(["restore", "FILE", *option])) == 1
    field = new[2:].replace("-", "_")
    assert asked == [set(), {field}, {field}]
    assert f"{old} is now called {new}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "new", "result"),
    [
        ([], "efir outbox held", "listed"),
        (["arrived"], "efir outbox resolve --delivered", True),
        (["send", "--webinar", "1"], "efir outbox resolve --resend", False),
    ],
)
def test_old_held_works_and_names_the_new_command(monkeypatch, capsys, arguments, new, result):
    monkeypatch.setattr(backup, "list_held", lambda _: "listed")
    monkeypatch.setattr(backup, "resolve_held", lambda options: options.delivered)
    options = build_parser().parse_args(["held", *arguments])
    assert backup.deprecated_held(options) == result
    assert f"efir held is now called {new};" in capsys.readouterr().err
