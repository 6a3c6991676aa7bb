"""Checks of HTML that browsers tolerate: parse errors, ids and references to them, nesting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib
from html5lib.constants import E

POINTERS = ("for", "list", "form", "aria-labelledby", "aria-describedby", "aria-controls")
# Of elements that hold text, what may not be within (the parser knows the others).
PHRASING_ONLY = frozenset(
    {"button", "label", "span", "b", "small", "h1", "h2", "h3", "summary", "legend", "dt", "time"}
)
BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "dl", "table", "section", "form", "header", "footer", "article", "fieldset"}
)
ONLY_WITHIN = {"li": {"ul", "ol", "menu"}, "dt": {"dl", "div"}, "dd": {"dl", "div"}, "summary": {"details"}}
INTERACTIVE = frozenset({"a", "button", "input", "select", "textarea", "label", "details"})


def mistakes_in(html: str) -> list[str]:
    """Return every mistake as a sentence; empty for a valid page."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    root = parser.parse(html)
    errors = [f"line {line}: {E[code] % words}" for (line, _column), code, words in parser.errors]
    return [*errors, *_of_ids(root), *_of_nesting(root), *_of_head(root), *_of_forms(root)]


def _of_ids(root: Element) -> Iterator[str]:
    ids = Counter(each.get("id") for each in root.iter() if each.get("id") is not None)
    yield from (f"id {name!r} {count} times" for name, count in ids.items() if count > 1 or not name)
    for each in root.iter():
        for attribute in POINTERS:
            yield from (
                f"<{each.tag} {attribute}> points at no {name!r}"
                for name in (each.get(attribute) or "").split()
                if name not in ids
            )
        href = each.get("href") or ""
        if href.startswith("#") and len(href) > 1 and href[1:] not in ids:
            yield f"{href} is not on the page"


def _of_nesting(root: Element) -> Iterator[str]:
    parents = {child: parent for parent in root.iter() for child in parent}
    for each, parent in parents.items():
        if not isinstance(each.tag, str):
            continue  # a comment
        if each.tag in ONLY_WITHIN and parent.tag not in ONLY_WITHIN[each.tag]:
            yield f"<{each.tag}> within <{parent.tag}>"
        if parent.tag in PHRASING_ONLY and each.tag in BLOCKS:
            yield f"<{each.tag}> within <{parent.tag}>"
        if parent.tag in ("ul", "ol") and each.tag not in ("li", "script", "template"):
            yield f"<{each.tag}> within <{parent.tag}>"
        if parent.tag in ("a", "button") and each.tag in INTERACTIVE:
            yield f"<{each.tag}> within <{parent.tag}>"
        if each.tag == "img" and each.get("alt") is None:
            yield "an <img> without alt"


def _of_head(root: Element) -> Iterator[str]:
    if not root.get("lang"):
        yield "no language"
    titles = [each.text or "" for each in root.iter("title")]
    if not titles or not titles[0].strip():
        yield "no title"
    for each in root.iter():
        if each.get("style") is not None:
            yield f"<{each.tag} style>"
        if any(name.startswith("on") for name in each.attrib):
            yield f"<{each.tag}> with a handler"
        if (
            each.tag == "script"
            and not each.get("src")
            and each.get("type") not in ("application/ld+json", "application/json")
        ):
            yield "a script in the page"


def _of_forms(root: Element) -> Iterator[str]:
    for each in root.iter("input"):
        if each.get("type") == "hidden" and any(name.startswith("aria-") for name in each.attrib):
            yield f"hidden <input {each.get('name')}> with aria-*"
    for each in root.iter("button"):
        if not ("".join(each.itertext()).strip() or each.get("aria-label") or each.get("aria-labelledby")):
            yield "a <button> without a name"
    for each in root.iter("form"):
        if not any(button.get("type") != "button" for button in each.iter("button")):
            yield f"<form {each.get('action')}> without a button"
