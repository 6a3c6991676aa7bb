"""The import as the command line runs it, from files that a test writes."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field

import pytest

from efir.ops.cli import imports
from tests.support.wordpress import post, write_export, write_users


@dataclass
class Done:
    """What one run printed: the findings by reason, the counts, its exit code, and why the file was refused."""

    code: int
    counts: dict = field(default_factory=dict)
    findings: list[dict] = field(default_factory=list)
    error: str = ""
    detail: str = ""

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(finding["result"], finding["reason"]) for finding in self.findings]


@pytest.fixture
def run_import(tmp_path, capsys, db):
    """Return a function that imports posts and users, or files as they are."""

    def run(posts=None, users=None, *, export=None, csv=None, mapping=None, dry_run=False, site=None):
        file = tmp_path / "export.xml"
        posts = [post(900)] if posts is None else posts
        if export is not None:
            file.write_bytes(export if isinstance(export, bytes) else export.encode())
        else:
            write_export(file, posts, **({"site": site} if site else {}))
        users_file = tmp_path / "users.csv" if users is not None or csv is not None else None
        if csv is not None:
            users_file.write_bytes(csv if isinstance(csv, bytes) else csv.encode())
        elif users_file:
            write_users(users_file, users)
        mapping_file = None
        if mapping is not None:
            mapping_file = tmp_path / "mapping.json"
            mapping_file.write_text(mapping if isinstance(mapping, str) else json.dumps(mapping))
        capsys.readouterr()
        options = argparse.Namespace(file=file, users=users_file, mapping=mapping_file, dry_run=dry_run)
        code = imports.import_wordpress(options)
        printed = capsys.readouterr()
        lines = [json.loads(line) for line in printed.out.splitlines()]
        refused = json.loads(printed.err.splitlines()[-1]) if not lines else {}
        return Done(
            code,
            lines[-1] if lines else {},
            lines[:-1],
            refused.get("error", ""),
            refused.get("detail", ""),
        )

    return run
