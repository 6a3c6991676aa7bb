"""The format of the log lines."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import efir
from efir.lib import log

SOURCE = "\n".join(path.read_text() for path in Path(efir.__file__).parent.rglob("*.py"))


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("_restored_logging")
def test_renamed_event_carries_its_former_name(capsys):
    log.configure_logging("INFO", "json")
    structlog.get_logger("efir.test").info("rate_limited", seconds=3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["formerly"], line["seconds"]) == ("rate_limited", "told_to_wait", 3)


@pytest.mark.usefixtures("_restored_logging")
def test_report_of_a_loop_without_an_exception_is_logged(capsys):
    log.configure_logging("INFO", "json")
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": "Task was destroyed but it is pending!"})
    loop.close()
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["event"]) == ("asyncio", "Task was destroyed but it is pending!")


@pytest.mark.parametrize("event", log._FORMER_EVENTS)
def test_renamed_event_exists(event):
    stem = event.removesuffix("_recovered") + "_failed" if event.endswith("_recovered") else event
    assert SOURCE.count(f'"{stem}"') >= (2 if stem == event else 1)
