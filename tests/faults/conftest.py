"""Show the counts of the fault tests at the end, even if they pass."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each test that recorded a count."""
    told = [
        (report.nodeid.rpartition("::")[2], name, value)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
    ]
    if told:
        terminalreporter.section("what was counted")
        for test, name, value in told:
            terminalreporter.write_line(f"{test}: {name}: {value}")
