"""Ask for a code of the second factor: in a form of its own, or beside the password in any form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from efir.accounts import second_factor
from efir.accounts.models import Person
from efir.accounts.second_factor import CodeRefused, Refusal
from efir.hooks.actions import Context, Source
from efir.web.forms import TokenField

_SENTENCES: dict[Refusal, str | Promise] = {
    Refusal.WRONG: _("Код не подходит. Проверьте, что часы телефона идут верно, и введите новый код."),
    Refusal.NO_RECOVERY_CODE: _(
        "Такого кода восстановления нет: в нём опечатка, или он уже использован. Введите его ещё раз или возьмите "
        "другой."
    ),
    Refusal.USED: _(
        "Этот код уже использован. Дождитесь следующего: он сменится не позже чем через полминуты."
    ),
    Refusal.UNREADABLE: _(
        "Коды из приложения больше не действуют: ключ сайта сменили. Введите код восстановления или попросите "
        "администратора сбросить вход в два шага."
    ),
}


_APP_CODE: dict[str, Any] = {
    "label": _("Код из приложения"),
    "help_text": _("Шесть цифр, которые приложение показывает сейчас."),
    "numeric": True,
}
_RECOVERY_CODE: dict[str, Any] = {
    "label": _("Код восстановления"),
    "help_text": _("Один из десяти, которые вы сохранили. Каждый действует один раз."),
}


class CodeField(TokenField):
    """A code of the app, or a recovery code; with `numeric` telephones show their digits."""

    def __init__(self, *, numeric: bool = False, **kwargs: Any) -> None:
        kwargs = {"label": _("Код"), "help_text": _("Из приложения или код восстановления.")} | kwargs
        attrs = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        if numeric:
            attrs["inputmode"] = "numeric"
        super().__init__(max_length=40, widget=forms.TextInput(attrs=attrs), **kwargs)


class CodeAskedForm(forms.Form):
    """A form that also asks for a code if its person has a second factor.

    A code counts once, so it is checked last: an error in another field must not use it up. `codes_left` is how many
    recovery codes are left, if one of them was used.
    """

    codes_left: int | None = None
    _code_of: Person | None = None

    def ask_for_code(self, person: Person, after: str) -> None:
        """Add the field `code` after another one, if the person has a second factor."""
        if second_factor.is_on(person):
            self._code_of = person
            self.fields["code"] = CodeField()
            self.order_fields([after, "code"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self._code_of and not self.errors:
            try:
                context = Context(self._code_of.pk, Source.WEB)
                self.codes_left = second_factor.check_code(self._code_of, cleaned["code"], context)
            except CodeRefused as refused:
                self.add_error("code", sentence_of(refused))
        return cleaned


class CodeForm(forms.Form):
    """The second step of a login. With `recovery` it asks for a recovery code, else for one of the app."""

    def __init__(self, context: Context, person: Person, *args: Any, recovery: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._context, self._person, self._recovery = context, person, recovery
        self.codes_left: int | None = None
        self.fields["code"] = CodeField(**(_RECOVERY_CODE if recovery else _APP_CODE))

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        try:
            self.codes_left = second_factor.check_code(self._person, code, self._context)
        except CodeRefused as refused:
            if self._recovery and refused.why is Refusal.WRONG:
                refused = CodeRefused(Refusal.NO_RECOVERY_CODE)
            raise ValidationError(sentence_of(refused)) from None
        return code


def sentence_of(refused: CodeRefused) -> str:
    """Return the error text for a code that is not accepted."""
    return str(_SENTENCES[refused.why])


def show_codes_left(request: HttpRequest, left: int | None) -> None:
    """Add a message with the number of recovery codes left, unless no recovery code was used."""
    if left is None:
        return
    if not left:
        words = gettext(
            "Это был последний код восстановления. Получите новые на странице «Вход и безопасность»."
        )
    else:
        words = gettext("Код восстановления использован. Осталось кодов: %(left)s.") % {"left": left}
    messages.warning(request, words)


class FirstCodeForm(forms.Form):
    """The first code of an app to which the secret has just been added."""

    code = CodeField(**_APP_CODE)
