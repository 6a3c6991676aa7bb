"""The documentation points at files, headings and names that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A module, perhaps with a name in it: `efir.hooks.bus.listen`.
MODULE = re.compile(r"\b(efir(?:\.\w+)+)\b")
# A path of the repository in backticks, perhaps with a name in that file: `efir/config.py:read_config`.
PATH = re.compile(r"`((?:efir|tests|tools|deploy|benchmarks)/[\w./-]*)(?::(\w+))?`")


def slug(heading: str) -> str:
    """Return the anchor that GitHub and GitLab give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(title) for title in re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_docs_link_to_what_exists(page):
    broken = []
    for target in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_docs_name_paths_and_symbols_that_exist(page):
    missing = []
    for path, name in PATH.findall(page.read_text()):
        file = ROOT / path
        if not file.exists() or (name and not re.search(rf"\b{name}\b", file.read_text())):
            missing.append(f"{path}:{name}" if name else path)
    assert not missing


def is_named(dotted: str) -> bool:
    """Return whether a dotted name leads to a module or package, or to a name in one."""
    *parents, name = dotted.split(".")
    module = ROOT.joinpath(*parents)
    if (module / name).is_dir() or (module / f"{name}.py").exists():
        return True
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    if file.exists():
        return bool(re.search(rf"\b{name}\b", file.read_text()))
    return len(parents) > 1 and is_named(".".join(parents))  # a method, say


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_docs_name_modules_that_exist(page):
    not_modules = ("efir.sqlite3", "efir.service", "efir.env", "efir.E001", "efir.listeners", "efir.conf")
    names = {name for name in MODULE.findall(page.read_text()) if not name.startswith(not_modules)}
    assert [name for name in sorted(names) if not is_named(name)] == []


# Pages that lead through the product's own, by the words on them.
@pytest.mark.parametrize("page", ["obs.md", "on-air.md", "broadcast.md"])
def test_docs_name_what_the_pages_show(page):
    shown = (ROOT / "efir/locale/en/LC_MESSAGES/django.po").read_text()
    named = re.findall(r"“(.+?)”", (ROOT / "docs" / page).read_text())
    assert [words for words in named if f'msgstr "{words}"' not in shown] == []


def test_index_lists_every_decision():
    index = (ROOT / "docs/decisions/README.md").read_text()
    assert [
        page.name for page in (ROOT / "docs/decisions").glob("0*.md") if f"({page.name})" not in index
    ] == []
