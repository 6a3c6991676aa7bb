"""Exports of the WordPress original: a WXR file and a CSV file of users, as small or as large as a test needs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

SITE = "https://old.example.org"
HEADER = ("ID", "user_login", "user_email", "display_name", "roles", "ref_id", "ref")
PLAYER = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"

_HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:wp="http://wordpress.org/export/1.2/">
<channel>
<title>Old site</title>
<wp:wxr_version>1.2</wp:wxr_version>
<wp:base_site_url>{site}</wp:base_site_url>
<wp:base_blog_url>{site}</wp:base_blog_url>
"""
_POST = """<item>
<title><![CDATA[{title}]]></title>
<dc:creator><![CDATA[anna]]></dc:creator>
<content:encoded><![CDATA[{content}]]></content:encoded>
<excerpt:encoded><![CDATA[]]></excerpt:encoded>
<wp:post_id>{id}</wp:post_id>
<wp:post_date_gmt><![CDATA[{date}]]></wp:post_date_gmt>
<wp:status><![CDATA[{status}]]></wp:status>
<wp:post_type><![CDATA[{type}]]></wp:post_type>
{meta}</item>
"""
_META = (
    "<wp:postmeta><wp:meta_key><![CDATA[{}]]></wp:meta_key><wp:meta_value>{}</wp:meta_value></wp:postmeta>\n"
)


def post(number: int, title: str = "Эфир", **given: str) -> str:
    """Return one post; `start` and `state` are its meta fields of time and status, and so are other names."""
    own = {"content": "Текст", "date": "2026-01-01 10:00:00", "status": "publish", "type": "webinar_event"}
    meta = {"start_datetime": "2026-02-01 19:00", "status": "ended"}
    named = {"start": "start_datetime", "state": "status"}
    for name, value in given.items():
        (own if name in own else meta)[named.get(name, name)] = value
    fields = "".join(_META.format(f"_core_webinar_{name}", escape(value)) for name, value in meta.items())
    return _POST.format(id=number, title=title, meta=fields, **own)


def write_export(path: Path, posts: Iterable[str], site: str = SITE) -> Path:
    """Write an export of these posts."""
    path.write_text(_HEAD.format(site=site) + "".join(posts) + "</channel>\n</rss>\n", encoding="utf-8")
    return path


def write_users(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    """Write the users; what a row does not name is empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return path


def user(number: int, role: str = "candidate", inviter: str = "", **given: str) -> dict[str, str]:
    """Return one row of a user."""
    return {
        "ID": str(number),
        "user_login": f"user{number}@example.org",
        "user_email": f"user{number}@example.org",
        "display_name": f"Имя {number}",
        "roles": role,
        "ref_id": inviter,
    } | given
