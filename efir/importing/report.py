"""The report of an import: one finding for each record that it could not import unchanged, and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """Whether the record was left out, or imported with a change."""

    REFUSED = "refused"
    NOTE = "note"


class FileRefused(Exception):
    """The whole file is refused, and nothing has been written. `code` names a sentence of the command line."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one line of a file. `code` names a sentence of the command line, `values` fills it."""

    level: Level
    file: str
    line: int
    kind: str
    foreign_id: str
    code: str
    values: dict[str, Any]


@dataclass
class Report:
    """The findings and the counts of one import."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, kind: str, what: str, number: int = 1) -> None:
        self.counts.setdefault(kind, Counter())[what] += number

    @property
    def refused(self) -> bool:
        """Whether any line was left out."""
        return any(finding.level is Level.REFUSED for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Row:
    """One row or post of a file, for findings about it."""

    report: Report
    file: str
    line: int
    kind: str
    foreign_id: str

    def refuse(self, code: str, **values: Any) -> None:
        """Report that the row is left out."""
        self._add(Level.REFUSED, code, values)
        self.report.count(self.kind, "refused")

    def note(self, code: str, **values: Any) -> None:
        """Report that the row is imported with a change."""
        self._add(Level.NOTE, code, values)

    def _add(self, level: Level, code: str, values: dict[str, Any]) -> None:
        self.report.findings.append(
            Finding(level, self.file, self.line, self.kind, self.foreign_id, code, values)
        )
