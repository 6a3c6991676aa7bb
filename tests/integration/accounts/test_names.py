"""Validation of names, logins and telephone numbers wherever people are added."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.forms import clean_login, clean_phone
from efir.accounts.models import NAME_MAX_LENGTH, Person
from efir.accounts.validators import clean_name
from efir.ops.cli.people import add_person
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
PASSWORD = "kandidat-2026"
WHAT_TO_DO = "Напишите имя буквами"
# Blank, invisible, or broken by control characters.
UNREADABLE = [
    *("\u200b", "\u2060\ufeff", "\u3164", "\u2800", "\u200d", "—", "🌸"),
    *("Анна\x1b[31m", "Анна\nПетрова", "Анна\tПетрова", "Анна\u2028Петрова", "Ан\x85на", "Анна\x00"),
]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (" Анна   Петрова ", "Анна Петрова"),
        ("Jean-François O’Neill, 3", "Jean-François O’Neill, 3"),
        ("\ufeffАн\u00adна\u200b", "Анна"),
        ("\u202eАнна", "Анна"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("Ёлка 👩\u200d🚀", "Ёлка 👩\u200d🚀"),
        ("李", "李"),
    ],
)
def test_clean_name_removes_invisible_characters(typed, name):
    assert clean_name(typed) == name


@pytest.mark.parametrize("typed", [*UNREADABLE, "", " ", "я" * (NAME_MAX_LENGTH + 1)])
def test_unreadable_name_is_refused(typed):
    with pytest.raises(ValidationError):
        clean_name(typed)


@pytest.mark.parametrize("typed", ["\u200b", "Анна\x1b[31m", "Анна\nПетрова"])
def test_forms_keep_input_and_explain_the_error(typed, make_person):
    given = {"username": "anna@example.ru", "password": PASSWORD, "consent": "on"}
    signing_up = Client().post("/signup/", {"name": typed, **given}).content.decode()
    admin = logged_in(make_person(Role.ADMIN))
    added = {"login": "anna@example.ru", "role": "partner"}
    adding = admin.post("/account/people/", {"name": typed, **added}).content.decode()
    for page in (signing_up, adding):
        assert WHAT_TO_DO in page
        assert f'value="{typed}"' in page
    assert not Person.objects.filter(login="anna@example.ru").exists()


def add(login: str, name: str = "", role: str = "partner") -> int:
    """Return the exit code of `efir person add`."""
    return add_person(SimpleNamespace(login=login, name=name, role=role, inviter=None, password_stdin=False))


@pytest.mark.parametrize("name", ["\u200b", "Анна\x1b[31m", "я" * (NAME_MAX_LENGTH + 1)])
def test_command_line_validates_names(name, capsys):
    assert add("anna", name) == 1
    assert '"invalid_name"' in capsys.readouterr().err
    assert add("anna", "\u200bАнна") == 0
    assert Person.objects.get().name == "Анна"


@pytest.mark.parametrize("digits", ["+٧٩٩٩١٢٣٤٥٦٧", "٧٩٩٩١٢٣٤٥٦٧"])
def test_digits_of_other_scripts_are_refused(digits):
    for cleaned in (clean_login, clean_phone):
        with pytest.raises(ValidationError):
            cleaned(digits)


def test_login_with_a_plus_is_not_always_a_phone():
    login = "+" + "a" * 40  # longer than the column for telephones
    assert add(login, "Анна") == 0
    assert Person.objects.get(login=login).phone == ""
