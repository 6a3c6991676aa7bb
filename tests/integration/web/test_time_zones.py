"""The field of a time zone: cities and names as people write them, and the list to choose from."""

from __future__ import annotations

import re

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.utils import translation

from efir.web.time_zones import CITIES, TimeZoneField


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Moscow", "Europe/Moscow"),
        ("europe/moscow", "Europe/Moscow"),
        ("Москва", "Europe/Moscow"),
        (" екатеринбург ", "Asia/Yekaterinburg"),
        ("нью-йорк", "America/New_York"),
        ("Lisbon", "Europe/Lisbon"),
        ("buenos aires", "America/Buenos_Aires"),
        ("UTC", "UTC"),
    ],
)
def test_city_or_name_is_taken(typed, zone):
    assert TimeZoneField().clean(typed) == zone


@pytest.mark.parametrize(
    "typed", ["Нигде", "Europe/Nowhere", "posix/Europe/Moscow", "localtime", "../etc", "x" * 64]
)
def test_other_values_are_refused_with_advice(typed):
    with pytest.raises(ValidationError, match="Напишите город"):
        TimeZoneField().clean(typed)


def test_nothing_is_an_empty_name_unless_it_is_required():
    assert TimeZoneField(required=False).clean(" ") == ""
    with pytest.raises(ValidationError):
        TimeZoneField().clean("")


@pytest.mark.parametrize(("language", "city"), [("ru", "Москва, UTC+3"), ("en", "Moscow, UTC+3")])
def test_list_names_cities_in_the_language_of_the_page(language, city):
    class Form(forms.Form):
        zone = TimeZoneField()

    with translation.override(language):
        page = str(Form()["zone"])
    assert 'list="time-zones"' in page
    assert f'<option value="Europe/Moscow">{city}</option>' in page
    values = re.findall(r'<option value="([^"]+)"', page)
    assert values[: len(CITIES)] == list(CITIES)
    assert len(values) == len(set(values)) > 300
    assert not [value for value in values if TimeZoneField().clean(value) != value]
