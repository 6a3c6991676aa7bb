"""Malicious and broken files and mappings are refused as a whole, with a sentence in both languages."""

from __future__ import annotations

import gettext
import json
import re
import string
from itertools import product
from pathlib import Path

import pytest

from efir.accounts.models import Person
from efir.config import ConfigError
from efir.importing import wxr
from efir.importing.mapping import DEFAULT
from efir.ops.cli.imports import SENTENCES
from efir.ops.cli.main import LOCALE
from efir.ops.verify import verify
from efir.webinars.models import Webinar
from tests.support.wordpress import SITE, post, user, write_export

pytestmark = pytest.mark.django_db

BOMB = """<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><rss>&b;</rss>"""
OUTSIDE = """<!DOCTYPE r SYSTEM "file:///etc/passwd"><rss/>"""


@pytest.mark.parametrize(
    ("export", "error"),
    [
        (BOMB, "has_doctype"),
        (OUTSIDE, "has_doctype"),
        ("", "not_xml"),
        ("{}", "not_xml"),
        ("<rss><channel></rss>", "not_xml"),
        ("<rss>&nbsp;</rss>", "not_xml"),
        (b"<rss>\xff</rss>", "not_xml"),
        ("<rss><channel><item/></channel></rss>", "not_wxr"),
        ("<a>" * 30 + "</a>" * 30, "too_deep"),
        (f"<rss><channel a='{'x' * 3_000_000}'/></rss>", "tag_endless"),
    ],
)
def test_hostile_export_is_refused(run_import, export, error):
    done = run_import(export=export, users=[user(1)])
    assert (done.code, done.error, bool(done.detail)) == (1, error, True)
    assert Person.objects.count() == 0


def test_export_that_breaks_off_writes_nothing(run_import, tmp_path):
    whole = write_export(tmp_path / "whole.xml", [post(number) for number in range(1, 20)]).read_bytes()
    done = run_import(export=whole[: len(whole) // 2])
    assert (done.error, Webinar.objects.count()) == ("not_xml", 0)


def test_huge_files_are_refused(run_import, monkeypatch):
    monkeypatch.setattr(wxr, "MAX_BYTES", 100_000)
    done = run_import([post(number, content="ы" * 10_000) for number in range(20)])
    assert (done.code, done.error) == (1, "too_large")
    monkeypatch.undo()
    monkeypatch.setattr("efir.importing.people.MAX_BYTES", 1000)
    assert run_import(users=[user(number) for number in range(100)]).error == "too_large"
    monkeypatch.undo()
    monkeypatch.setattr("efir.importing.people.MAX_ROWS", 10)
    assert run_import(users=[user(number) for number in range(100)]).error == "too_many_rows"


# What editors, spreadsheets and other systems leave in cells.
ODD = (
    *(
        "\0",
        "\x07",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\ufffd",
        "\U0010ffff",
        "\r\n",
        "\t",
        "'",
        '"',
        "=1+1",
        "a@b",
        "%00",
    ),
    *("ы" * 300, "1" * 400, "١٢٣", "-1", "1e9", "NULL", "İ", "ß"),
)


def test_odd_cells_never_stop_an_import(run_import):
    """Each line is taken or told of, and what is taken fits its column."""
    columns = ("ID", "user_login", "user_email", "display_name", "roles", "ref_id", "ref")
    users = [
        user(number) | {column: odd if alone else f"{number}{odd}"}
        for number, (column, odd, alone) in enumerate(product(columns, ODD, (True, False)), start=1)
    ]
    fields = ("start", "state", "stream_src", "chat_src", "cta_text", "poster_url", "length")
    shown = [odd for odd in ODD if odd.isprintable()]  # XML has no other characters
    posts = [
        post(number, **{field: odd}) for number, (field, odd) in enumerate(product(fields, shown), start=1)
    ]
    posts += [post(1000 + number, title=odd, content=odd) for number, odd in enumerate(shown)]
    done = run_import(posts, users, mapping={"meta": {"length_min": "_core_webinar_length"}})
    assert done.error == ""
    taken = done.counts["people"]["imported"], done.counts["webinars"]["imported"]
    assert taken == (Person.objects.count(), Webinar.objects.count())
    told = {(finding["file"], finding["line"]) for finding in done.findings if finding["result"] == "refused"}
    assert len(told) == len(users) + len(posts) - sum(taken)
    assert str(list(verify(with_media=False))[-1]).startswith("OK")
    assert run_import(posts, users).counts["people"]["known"] == taken[0]


def test_export_without_webinars_says_what_it_has(run_import):
    done = run_import([post(1, type="post"), post(2, type="page")])
    assert (done.code, done.reasons) == (0, [("note", "no_webinars")])
    assert "page, post" in done.findings[0]["detail"]


@pytest.mark.parametrize(
    ("mapping", "word"),
    [
        ("nonsense", "JSON"),
        ("[]", "object"),
        ({"rolls": {}}, "rolls"),
        ({"roles": {"editor": "king"}}, "king"),
        ({"roles": []}, "object"),
        ({"meta": {"begin": "x"}}, "begin"),
        ({"columns": {"login": "user_login"}}, "login"),
        ({"inviter_is": ["name"]}, "name"),
        ({"time_zone": "Mars/Base"}, "Mars/Base"),
        ({"length_min": True}, "length_min"),
        ({"length_min": 0}, "length_min"),
    ],
)
def test_wrong_mapping_is_a_wrong_call(run_import, mapping, word):
    with pytest.raises(ConfigError, match=word):
        run_import([post(1)], mapping=mapping)


def test_page_of_the_docs_shows_the_default_mapping():
    page = Path("docs/import.md").read_text()
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(shown) == DEFAULT


def test_every_sentence_is_translated():
    catalog = gettext.translation("cli", LOCALE, languages=["ru"])._catalog
    for sentence in SENTENCES.values():
        names = set(re.findall(r"%\((\w+)\)[sr]", sentence))
        assert set(re.findall(r"%\((\w+)\)[sr]", catalog[sentence])) == names, sentence


def test_findings_speak_the_readers_language(run_import, monkeypatch):
    catalog = gettext.translation("cli", LOCALE, languages=["ru"])
    monkeypatch.setattr("efir.ops.cli.imports.gettext", catalog.gettext)
    (finding,) = run_import([post(1, start="скоро")]).findings
    assert finding["detail"].startswith("начало")
    assert not set(finding["detail"]) & set(string.ascii_letters.replace("m", ""))


def test_source_is_the_address_of_the_site(run_import):
    assert SITE == "https://old.example.org"
    run_import([post(1)])
    assert "old.example.org" in run_import([post(2)], site="https://x.org").detail
