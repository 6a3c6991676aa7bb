"""People of a WordPress site: their roles and inviters, and who is left out."""

from __future__ import annotations

import csv
import json
import stat
from argparse import Namespace
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.consent import needs_consent
from efir.accounts.erasure import erase
from efir.accounts.models import Person
from efir.accounts.personal_data import export_data
from efir.audit.models import AuditEntry
from efir.hooks.actions import Context, Source
from efir.importing.models import ImportedRecord
from efir.lib import clock as efir_clock
from efir.ops.cli.imports import write_links
from efir.ops.verify import verify
from tests.support.wordpress import post, user

pytestmark = pytest.mark.django_db

CLI = Context(None, Source.CLI)


def people():
    return {
        person.login.partition("@")[0]: (
            person.role,
            person.invited_by and person.invited_by.login.partition("@")[0],
        )
        for person in Person.objects.order_by("pk")
    }


def test_people_come_with_roles_and_inviters(run_import):
    """The inviter may stand later in the file."""
    done = run_import(
        users=[
            user(5, "subscriber", "3"),
            user(3, "partner", "2"),
            user(2, "leader"),
            user(1, "administrator", "0"),
            user(4, "subscriber,speaker", ref="user3@example.org"),
        ]
    )
    assert (done.code, done.findings) == (0, [])
    assert people() == {
        "user1": ("admin", None),
        "user2": ("leader", None),
        "user3": ("partner", "user2"),
        "user4": ("speaker", "user3"),
        "user5": ("candidate", "user3"),
    }
    assert done.counts["people"] == {"imported": 5}
    assert done.counts["inviters"] == {"id": 2, "login": 1}
    person = Person.objects.get(login="user5@example.org")
    assert (person.name, person.search_name, person.email) == ("Имя 5", "имя 5", "user5@example.org")
    assert (person.has_usable_password(), needs_consent(person)) == (False, True)
    assert AuditEntry.objects.get(person_id=person.pk).details == {"role": "candidate"}


def test_zero_is_nobody_and_the_next_column_counts(run_import):
    users = [user(1, "partner"), user(2, inviter="0", ref="1"), user(3, inviter="0", ref="0")]
    done = run_import(users=users)
    assert (done.code, done.counts["inviters"]) == (0, {"id": 1})
    assert (people()["user2"], people()["user3"]) == (("candidate", "user1"), ("candidate", None))


def test_inviter_circle_is_left_out_with_its_candidates(run_import):
    done = run_import(
        users=[
            user(1, "partner", "3"),
            user(2, "partner", "1"),
            user(3, "partner", "2"),
            user(4, inviter="1"),
            user(5, "partner", "5"),
            user(6),
        ]
    )
    assert (done.code, set(done.reasons)) == (1, {("refused", "inviter_circle")})
    assert (list(people()), done.counts["people"]) == (["user6"], {"refused": 5, "imported": 1})


@pytest.mark.slow
def test_long_chain_of_inviters(run_import):
    run_import(
        users=[user(number, "partner", str(number + 1)) for number in range(1, 600)] + [user(600, "partner")]
    )
    assert (len(people()), people()["user1"]) == (600, ("partner", "user2"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"roles": "editor"}, "role_unknown"),
        ({"roles": ""}, "role_unknown"),
        ({"roles": "speaker,editor"}, "role_unknown"),
        ({"user_login": " "}, "login_length"),
        ({"user_login": "a" * 255}, "login_length"),
        ({"user_login": "USER1@Example.org"}, "person_twice"),
        ({"ID": "1"}, "person_twice"),
        ({"ID": "x"}, "id_missing"),
        ({"ref": "77"}, "inviter_unknown"),
    ],
)
def test_person_who_cannot_be_read_is_left_out(run_import, given, reason):
    done = run_import(users=[user(1, "partner"), user(2, **given)])
    assert (done.code, done.reasons, done.findings[0]["line"]) == (1, [("refused", reason)], 3)
    assert list(people()) == ["user1"]


def test_row_of_another_width_is_left_out(run_import):
    done = run_import(
        csv="login,role,name\na@x.org,candidate,Анна,Ивановна\nb@x.org,candidate\nc@x.org,candidate,Вера,\n"
    )
    assert (done.reasons, list(people())) == ([("refused", "cells")] * 2, ["c"])


def test_candidates_of_somebody_left_out_wait_for_them(run_import):
    """An inviter is written once: added without, they would stay without."""
    users = [user(1, "editor"), user(2, "partner", "1"), user(3, inviter="2")]
    done = run_import(users=users)
    assert [reason for _, reason in done.reasons] == ["role_unknown", "inviter_refused", "inviter_refused"]
    assert run_import(users=users, mapping={"roles": {"editor": "leader"}}).code == 0
    assert people()["user3"] == ("candidate", "user2")


def test_ambiguous_inviter_is_not_guessed(run_import):
    users = [user(1, "partner"), user(2, "partner", user_login="1"), user(3, inviter="1")]
    assert run_import(users=users).reasons == [("refused", "inviter_ambiguous")]
    assert run_import(users=users, mapping={"inviter_is": ["id"]}).code == 0
    assert Person.objects.get(login="user3@example.org").invited_by.login == "user1@example.org"


def test_inviter_named_by_code(run_import, make_person):
    here = make_person(Role.PARTNER)
    rows = (
        "a@x.org,Аня,partner,,K7",
        "b@x.org,Боря,candidate,k7,",
        f"c@x.org,Вера,candidate,{here.ref_code},",
    )
    csv_text = "\n".join(("login,name,role,inviter,mycode", *rows))
    done = run_import(csv=csv_text, mapping={"columns": {"code": ["mycode"]}})
    assert (done.code, done.counts["inviters"]) == (0, {"code": 2})
    assert Person.objects.get(login="c@x.org").invited_by == here


def test_inviter_who_is_a_candidate_is_noted(run_import):
    done = run_import(users=[user(1), user(2, inviter="1")])
    assert (done.code, done.reasons) == (0, [("note", "inviter_sees_nobody")])
    assert people()["user2"] == ("candidate", "user1")


def test_person_who_is_here_stays_as_they_are(run_import, make_person):
    admin = make_person(Role.ADMIN, login="user1@example.org", name="Ольга")
    done = run_import(users=[user(1, "subscriber"), user(2, inviter="1")])
    assert ("note", "login_exists") in done.reasons
    admin.refresh_from_db()
    assert (admin.name, admin.role, people()["user2"]) == ("Ольга", "admin", ("candidate", "user1"))
    assert run_import(users=[user(1, "subscriber"), user(2, inviter="1")]).findings == []


def test_name_and_address_that_cannot_be_used(run_import):
    done = run_import(
        users=[user(1, display_name="anna@example.org", user_email="anna at x"), user(2, display_name="")]
    )
    assert [reason for _, reason in done.reasons] == ["name_unusable", "email_unusable", "name_unusable"]
    person = Person.objects.get(login="user1@example.org")
    assert (person.name, person.email) == ("user1", "user1@example.org")


def test_address_longer_than_its_column_is_dropped(run_import):
    done = run_import(users=[user(1, user_email="a" * 300 + "@example.org")])
    assert done.reasons == [("note", "email_unusable")]
    assert str(list(verify(with_media=False))[-1]).startswith("OK")


def test_second_import_adds_only_who_is_new(run_import):
    run_import(users=[user(1, "partner")])
    done = run_import(users=[user(1, "admin", user_login="another@example.org"), user(2, inviter="1")])
    assert done.counts["people"] == {"known": 1, "imported": 1}
    assert people() == {"user1": ("partner", None), "user2": ("candidate", "user1")}


def test_people_without_ids_are_known_by_their_login(run_import):
    text = "E-mail;Login;Name;Role\n;anna@x.org;Анна;candidate\n"
    run_import(csv=text)
    done = run_import(csv=text.replace("anna", "Anna"))
    assert (done.counts["people"], Person.objects.count()) == ({"known": 1}, 1)
    assert "anna" not in ImportedRecord.objects.get(webinar=None).foreign_id


def test_erased_person_does_not_come_back(run_import):
    for first in (user(1, "candidate"), user(1, "candidate", ID="")):
        run_import(users=[first])
        erase(ImportedRecord.objects.filter(webinar=None).latest("pk").person_id, CLI)
        assert run_import(users=[first]).counts["people"] == {"known": 1}
    assert set(Person.objects.values_list("is_active", flat=True)) == {False}


def test_own_data_tell_of_the_import(run_import):
    run_import(users=[user(17)])
    (row,) = export_data(Person.objects.get())["imported_from"]
    assert (row["source"], row["foreign_id"], row["created"]) == ("old.example.org", "17", True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("login,name\na,b\n", "no_column"),
        ("", "no_column"),
        ("login,role\nпривет,candidate\n".encode("cp1251"), "not_utf8"),
        ('login,role\n"a,candidate\n', "not_csv"),
        ('login,role\n"a"b,candidate\n', "not_csv"),
        ("login,role\n" + "a" * 200_000 + ",candidate\n", "not_csv"),
    ],
)
def test_file_that_is_no_table_is_refused(run_import, text, error):
    done = run_import([post(1)], csv=text)
    assert (done.code, done.error, ImportedRecord.objects.exists()) == (1, error, False)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(("before", "end"), [("", "\r\n"), ("\ufeff", "\n")])
def test_first_line_may_name_the_separator(run_import, separator, before, end):
    rows = [["login", "role", "name"], ["anna@x.org", "candidate", "Анна;,К"], ["b@x.org", "nobody", "Б"]]
    lines = [separator.join(f'"{cell}"' for cell in row) for row in rows]
    done = run_import(csv=end.join([f"{before}sep={separator}", *lines, ""]))
    assert [(finding["line"], finding["reason"]) for finding in done.findings] == [(4, "role_unknown")]
    assert Person.objects.get(login="anna@x.org").name == "Анна;,К"


def test_links_for_people_without_a_password(run_import, make_person, tmp_path, capsys):
    make_person(Role.ADMIN, login="user1@example.org")
    run_import(users=[user(1, "admin"), user(2, "partner"), user(3), user(4, display_name="=1+1")])
    erase(Person.objects.get(login="user3@example.org").pk, CLI)
    file = tmp_path / "links.csv"
    assert write_links(Namespace(imported=file)) == 0
    assert json.loads(capsys.readouterr().out)["people"] == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    assert [(row["login"], row["name"]) for row in rows] == [
        ("user2@example.org", "Имя 2"),
        ("user4@example.org", "'=1+1"),
    ]
    assert AuditEntry.objects.filter(action="password_link_made").count() == 2
    client, path = Client(), "/" + rows[0]["link"].split("/", 3)[3]
    words = {"new_password1": "vesna-na-dvore", "new_password2": "vesna-na-dvore"}
    assert client.post(path, words).status_code == 302
    answer = client.post(
        "/login/", {"username": "user2@example.org", "password": "vesna-na-dvore"}, follow=True
    )
    assert "consent" in answer.redirect_chain[-1][0] or "consent" in answer.content.decode()
    assert client.post(path, words).status_code == 404
    again = tmp_path / "again.csv"
    assert write_links(Namespace(imported=again)) == 0
    assert [row["login"] for row in csv.DictReader(again.read_text("utf-8-sig").splitlines())] == [
        "user4@example.org"
    ]


def written_link(tmp_path):
    """Write the links of the one imported person, and return the path of theirs."""
    file = tmp_path / "links.csv"
    assert write_links(Namespace(imported=file)) == 0
    (row,) = csv.DictReader(file.read_text("utf-8-sig").splitlines())
    return "/" + row["link"].split("/", 3)[3]


def test_link_is_valid_for_two_weeks(run_import, tmp_path, capsys, clock, monkeypatch):
    run_import(users=[user(1)])
    path, made = written_link(tmp_path), datetime.now()  # noqa: DTZ005  # naive, as in Django's generator
    until = efir_clock.iso(clock() + timedelta(days=14))
    assert json.loads(capsys.readouterr().out)["valid_until"] == until
    for days, status in ((13.9, 200), (14.1, 404)):
        at = made + timedelta(days=days)
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _self, at=at: at)
        assert Client().get(path).status_code == status


def test_login_ends_a_link(run_import, tmp_path):
    run_import(users=[user(1)])
    path = written_link(tmp_path)
    assert Client().get(path).status_code == 200
    Client().force_login(Person.objects.get())
    assert Client().get(path).status_code == 404


def test_links_never_overwrite_a_file(tmp_path, capsys):
    file = tmp_path / "links.csv"
    file.write_text("kept")
    assert write_links(Namespace(imported=file)) == 1
    assert (json.loads(capsys.readouterr().err)["error"], file.read_text()) == ("file_not_written", "kept")
