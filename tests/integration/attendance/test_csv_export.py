"""Verdicts and presence as CSV: read back by another program, safe in a spreadsheet, and permitted."""

from __future__ import annotations

import csv
import io
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.attendance.report import csv_export
from efir.webinars import core
from tests.integration.attendance.test_classifier import Evening

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(clock, make_webinar, make_person):
    evening = Evening(clock, make_webinar)
    names = ["=1+1", "Анна; «Точка»", '-"x"', "\tx", "@cmd", "Обычное Имя"]
    partner = make_person(Role.PARTNER, name="Тайный Партнёр")
    leads = [
        make_person(name=name, invited_by=partner, login=f"secret{n}@example.org")
        for n, name in enumerate(names)
    ]
    for lead in leads:
        core.book_seat(evening.webinar.pk, lead)
    evening.seen(leads[1], -10, 60)
    evening.seen(leads[1], 120, 3600)
    evening.stop()
    while classifier.classify_due():
        pass
    return evening.webinar


def read(answer):
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"

    async def together():
        return b"".join([part async for part in answer.streaming_content])

    text = async_to_sync(together)().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=";"))


def test_verdicts_file(judged, as_role):
    answer = as_role(Role.SPEAKER).get(f"/admin_webinar/{judged.pk}/verdicts.csv")
    assert "Итоги - Как начать - 2026-11-23.csv" in unquote(answer["Content-Disposition"])
    rows = read(answer)
    assert len(rows) == 6
    (there,) = [row for row in rows if row["attended"] == "true"]
    assert (there["Имя"], there["reason"], there["Секунд в эфире"], there["Отрезков"]) == (
        "Анна; «Точка»",
        "stayed_to_end",
        "3540",
        "2",
    )
    assert there["Первый вход"] == "2026-11-23 19:00:00"
    assert there["Последний выход (ISO)"] == "2026-11-23T20:00:00+03:00"
    assert there["rule"] == "end_gap_within_grace grace_s=90 settle_s=60"
    absent = rows[-1]
    assert (absent["attended"], absent["Итог"], absent["Первый вход"]) == (
        "false",
        "участие не засчитано",
        "",
    )


def test_presence_file_is_clipped_to_live_time(judged, as_role):
    rows = read(as_role(Role.ADMIN).get(f"/admin_webinar/{judged.pk}/presence.csv"))
    assert [(row["С"], row["По (ISO)"], row["Секунд"]) for row in rows] == [
        ("2026-11-23 19:00:00", "2026-11-23T19:01:00+03:00", "60"),
        ("2026-11-23 19:02:00", "2026-11-23T20:00:00+03:00", "3480"),
    ]


def test_names_are_never_formulas(judged, as_role):
    rows = read(as_role(Role.ADMIN).get(f"/admin_webinar/{judged.pk}/verdicts.csv"))
    assert [row["Имя"] for row in rows] == [
        "'=1+1",
        "Анна; «Точка»",
        '\'-"x"',
        "'\tx",
        "'@cmd",
        "Обычное Имя",
    ]


@pytest.mark.parametrize("name", ["=a", "+a", "-a", "@a", "\ta", "\ra", "\na", " =a", "\u00a0+a", "＝a"])
def test_formulas_are_quoted(name):
    assert csv_export.escape_formula(name) == f"'{name}"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Анна,=cmd|'/C calc'!A0,Б",
            "Анна;@SUM(1)",
            "Анна\t=1+1",
            "Анна, =1",
            'Анна,"=1"',
            "a;-1,+2\t@3",
            ",\t=1",
        ),
        *('"a",=1', 'a;b" ,=1', "a\r=1\n-2", "Анна,\u00a0=1", "Анна,＝1", ",,=1", "Анна,'=1"),
    ],
)
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_no_separator_makes_a_formula(name, separator):
    text = csv_export._encode([[5, name, "засчитано"], [6, "x", name]])
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert not cell.lstrip(' \u00a0"').startswith(tuple("=+-@＝＋－＠"))


@pytest.mark.parametrize("value", ["Анна", "", 5, -5, "a=b", "Анна-Мария"])
def test_other_values_are_unchanged(value):
    assert csv_export.escape_formula(value) == value


def test_batch_size_does_not_matter(judged, as_role, monkeypatch):
    client, address = as_role(Role.ADMIN), f"/admin_webinar/{judged.pk}/verdicts.csv"
    whole = read(client.get(address))
    monkeypatch.setattr(csv_export, "BATCH", 2)
    assert read(client.get(address)) == whole


def test_file_has_no_contacts_or_inviters(judged, as_role):
    rows = read(as_role(Role.ADMIN).get(f"/admin_webinar/{judged.pk}/verdicts.csv"))
    assert not [value for row in rows for value in row.values() if "secret" in value or "Тайный" in value]


def test_export_is_logged(judged, as_role, caplog):
    client = as_role(Role.SPEAKER)
    with caplog.at_level("INFO"):
        client.get(f"/admin_webinar/{judged.pk}/presence.csv")
    (record,) = [record.msg for record in caplog.records if "exported" in str(record.msg)]
    assert (record["what"], record["webinar_id"], record["actor_id"]) == (
        "presence",
        judged.pk,
        int(client.session["_auth_user_id"]),
    )


@pytest.mark.parametrize(
    ("role", "status"),
    [(None, 302), ("candidate", 403), ("partner", 403), ("leader", 403), ("speaker", 200), ("admin", 200)],
)
@pytest.mark.parametrize("what", ["verdicts", "presence"])
def test_export_requires_the_capability(judged, as_role, role, status, what):
    client = as_role(Role(role)) if role else Client()
    address = f"/admin_webinar/{judged.pk}/{what}.csv"
    assert client.get(address).status_code == status
    assert client.head(address).status_code == status
    assert client.post(address).status_code == 405
    missing = {302: 302, 403: 403, 200: 404}[status]
    assert client.get(f"/admin_webinar/999/{what}.csv").status_code == missing


@pytest.mark.parametrize("title", ['a/b\\c:"d"*?<>|\r\n', "..", "=1+1", "Вечер «С&Д»"])
def test_file_name_is_valid_on_every_system(clock, make_webinar, title):
    webinar = make_webinar(title=title)
    name = csv_export.file_name("Итоги", webinar)
    assert not set(name) & set('/\\:"*?<>|\r\n')
    assert name.startswith("Итоги - ")
    assert name.endswith(f"{webinar.starts_at.astimezone(webinar.zone):%Y-%m-%d}.csv")
