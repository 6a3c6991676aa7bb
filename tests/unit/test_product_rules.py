"""Rules of the product, checked in the code: live webinars, no moderator, no channel but Telegram."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from efir.accounts.capabilities import ROLES, Capability, Role

PACKAGE = Path(__file__).parents[2] / "efir"
SOURCES = [
    path
    for path in PACKAGE.rglob("*")
    if path.suffix in {".py", ".html", ".js"} and "__pycache__" not in path.parts
]


def occurrences(pattern: str) -> list[str]:
    found = re.compile(pattern, re.IGNORECASE)
    return [str(path) for path in SOURCES if found.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "word", ["autowebinar", "auto_webinar", "client_webinar_left", "moderator", "модератор"]
)
def test_forbidden_features_are_absent(word):
    assert occurrences(word) == []


@pytest.mark.parametrize("module", ["smtplib", r"django\.core\.mail", "twilio", "vonage", "aiosmtplib"])
def test_there_is_no_channel_but_telegram(module):
    assert occurrences(rf"(import|from)\s+{module}") == []


def test_roles_have_the_capabilities_of_the_contract():
    assert list(Role) == ["admin", "speaker", "leader", "partner", "candidate"]
    assert ROLES[Role.PARTNER] == ROLES[Role.LEADER]
    assert {role for role, carried in ROLES.items() if Capability.IS_LEAD in carried} == {Role.CANDIDATE}
    admins = {
        Capability.EDIT_TECHNICAL,
        Capability.RETRY_DELIVERY,
        Capability.DECIDE_VERDICT,
        Capability.EDIT_SITE,
        Capability.ASSIGN_ROLES,
    }
    assert ROLES[Role.ADMIN] - ROLES[Role.SPEAKER] == admins


def test_access_is_checked_by_capability_not_role():
    """Roles are named where people are made and shown; a comparison with one would be a check by name."""
    compared = [
        f"{path}:{node.lineno}"
        for path in SOURCES
        if path.suffix == ".py" and "demo" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for side in [node.left, *node.comparators]
        if isinstance(side, ast.Attribute) and isinstance(side.value, ast.Name) and side.value.id == "Role"
    ]
    assert compared == []
