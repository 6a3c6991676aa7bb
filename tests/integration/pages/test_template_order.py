"""Templates keep the order of the packages: each uses what its own package or one below it provides."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import efir

PACKAGE = Path(efir.__file__).parent
# From the bottom up: a package may use its own and those before it. `efir/templates` belongs to web.
ORDER = [
    "web",
    "site_settings",
    "accounts",
    "webinars",
    "room",
    "broadcast",
    "talk",
    "telegram",
    "attendance",
    "pages",
    "server",
    "demo",
    "ops",
]
TEMPLATES = sorted(path for path in PACKAGE.glob("**/templates/**/*") if path.is_file())
TAG = re.compile(r"{%\s*(load|include|extends|url)\s+(.*?)\s*%}")


def package_of(path: Path) -> str:
    """Return the package of a file; "web" for files outside the packages of the order."""
    name = path.relative_to(PACKAGE).parts[0]
    return name if name in ORDER else "web"


def providers() -> dict[tuple[str, str], str]:
    """Map templates, tag libraries and names of URLs to the package that provides them."""
    found = {}
    for path in TEMPLATES:
        found["template", path.as_posix().rpartition("/templates/")[2]] = package_of(path)
    for path in PACKAGE.glob("*/templatetags/*.py"):
        found["load", path.stem] = package_of(path)
    for path in PACKAGE.glob("**/urls.py"):
        module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
        for pattern in module.urlpatterns:
            if name := getattr(pattern, "name", None):
                found["url", name] = package_of(path)
    return found


def test_templates_use_nothing_from_above():
    provided, climbing = providers(), []
    for path in TEMPLATES:
        for tag, words in TAG.findall(path.read_text()):
            names = words.split() if tag == "load" else [words.split()[0].strip("\"'")]
            for name in names:
                kind = "template" if tag in ("include", "extends") else tag
                owner = provided.get((kind, name), "web" if tag == "load" else "")  # Django's own libraries
                assert owner, f"{path}: {tag} {name}"
                if ORDER.index(owner) > ORDER.index(package_of(path)):
                    climbing.append(f"{path.relative_to(PACKAGE)}: {tag} {name}")
    assert climbing == []


def test_modules_render_no_template_from_above():
    provided, climbing = providers(), []
    for path in PACKAGE.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            owner = provided.get(("template", str(node.value))) if isinstance(node, ast.Constant) else None
            if owner and ORDER.index(owner) > ORDER.index(package_of(path)):
                climbing.append(f"{path.relative_to(PACKAGE)}: {node.value}")
    assert climbing == []
