"""`/demo/components/`: every part of the design system, from the real stylesheet and templates."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from efir.lib import clock

SURFACES = ("bg", "surface", "sunken", "glow", "accent-soft", "good-soft", "warn-soft", "bad-soft")
INKS = ("ink", "muted", "line", "field-line", "accent", "accent-strong", "live", "good", "warn", "bad")
COLOURS = (*SURFACES, *INKS)
SPACES = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"]


class SampleForm(forms.Form):
    """A form with a field of each kind and state."""

    plain = forms.CharField(label=_("Имя"), help_text=_("Подсказка: одно предложение под полем."))
    wrong = forms.EmailField(label=_("E-mail"))
    chosen = forms.ChoiceField(label=_("Роль"), choices=[("a", _("кандидат")), ("b", _("партнёр"))])
    long = forms.CharField(label=_("Описание"), widget=forms.Textarea({"rows": 3}), required=False)
    fixed = forms.CharField(label=_("Это поле сейчас не меняется"), disabled=True, initial="Europe/Moscow")
    agreed = forms.BooleanField(label=_("Согласие на обработку персональных данных"))
    checked = forms.BooleanField(
        label=_("Отмеченный пункт"), help_text=_("Подсказка: одно предложение под полем.")
    )


@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """Show every colour, space, component and state on one page."""
    given = {"plain": "Анна", "wrong": "anna@", "chosen": "b", "checked": "on"}
    context = {
        "colours": COLOURS,
        "spaces": SPACES,
        "form": SampleForm(given),
        "page": Paginator(range(50), 10).page(2),
        "soon": clock.iso(clock.now() + timedelta(hours=26)),
        "past": clock.iso(clock.now() - timedelta(minutes=1)),
    }
    return render(request, "demo/components.html", context)
