"""An input is rendered as Django's own templates render it."""

from __future__ import annotations

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from efir.web.form_renderer import FormRenderer

WIDGETS = (
    forms.TextInput,
    forms.EmailInput,
    forms.URLInput,
    forms.NumberInput,
    forms.PasswordInput,
    forms.HiddenInput,
    forms.CheckboxInput,
    forms.Textarea,
    forms.DateTimeInput,
)
VALUES = (None, "", "Анна", 0, 3.5, True, False, """<"&'>""", mark_safe("a&amp;b"), gettext_lazy("Войти"))
ATTRIBUTES = {
    "id": "id_name",
    "required": True,
    "disabled": False,
    "max": 5,
    "data-x": "\"'<&>",
    "placeholder": gettext_lazy("Имя"),
    "title": mark_safe("a&amp;b"),
}


@pytest.mark.parametrize("widget", WIDGETS)
@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("attributes", [{}, ATTRIBUTES], ids=["bare", "with attributes"])
def test_input_is_as_django_renders_it(widget, value, attributes):
    own, django = (
        widget().render("na&me", value, attributes, kind()) for kind in (FormRenderer, DjangoTemplates)
    )
    assert own == django
    assert type(own) is type(django)


def test_forms_use_the_renderer():
    assert isinstance(forms.Form().renderer, FormRenderer)
