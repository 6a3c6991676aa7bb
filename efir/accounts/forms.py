"""What people type: sign-up, their own contacts, and the admin's new person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Role
from efir.accounts.models import LONGEST_LOGIN, Person, is_phone, normalize_login
from efir.accounts.services import inviter_by_login
from efir.accounts.validators import NAME_FORM_MAX_LENGTH, clean_name

if TYPE_CHECKING:
    PersonForm = forms.ModelForm[Person]
    PersonSetPasswordForm = SetPasswordForm[Person]
else:
    PersonForm = forms.ModelForm
    PersonSetPasswordForm = SetPasswordForm

PASSWORD_HINT = _("Не меньше 8 знаков.")

_LIKE_PHONE = re.compile(r"[\d\s()+.-]{7,}")
_NO_NUMBER = _("Такого номера нет: проверьте, не пропущена ли цифра. Например, +7 999 123-45-67.")
_NO_LOGIN = _("Напишите e-mail или номер телефона: anna@example.ru или +7 999 123-45-67.")
_TELEGRAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


def clean_phone(text: str) -> str:
    """The number in its one spelling; raises ValidationError for anything that is no number."""
    phone = normalize_login(text)
    if phone and not is_phone(phone):
        raise ValidationError(_NO_NUMBER)
    return phone


def spelled_login(text: str) -> str:
    """The log-in in its one spelling; raises ValidationError where that is longer than a log-in can be."""
    login = normalize_login(text)
    if len(login) > LONGEST_LOGIN:
        raise ValidationError(_("Слишком длинный логин."))
    return login


def clean_login(text: str) -> str:
    """An e-mail or a telephone number in its one spelling; raises ValidationError."""
    login = spelled_login(text)
    if "@" not in login:
        if not is_phone(login):
            raise ValidationError(_NO_NUMBER if _LIKE_PHONE.fullmatch(login) else _NO_LOGIN)
        return login
    try:
        validate_email(login)
    except ValidationError:
        raise ValidationError(
            _("В этом e-mail ошибка. Проверьте, всё ли на месте: anna@example.ru.")
        ) from None
    return login


def _consent_link() -> SafeString:
    return format_html(
        '<a href="/consent/" target="_blank" rel="noopener">{}</a>', gettext("Прочитать текст согласия")
    )


class SignUpForm(forms.Form):
    """Name, log-in, password and consent: under a minute."""

    name = forms.CharField(
        label=_("Как вас зовут"),
        max_length=NAME_FORM_MAX_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    username = forms.CharField(
        label=_("E-mail или телефон"),
        max_length=254,
        help_text=_("Это ваш логин. Мы не пишем на почту и не звоним."),
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Пароль"),
        strip=False,
        max_length=1000,
        help_text=PASSWORD_HINT,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=True),
    )
    consent = forms.BooleanField(
        label=_("Даю согласие на обработку персональных данных"),
        help_text=lazy(_consent_link, SafeString)(),
        error_messages={"required": _("Без согласия мы не можем завести аккаунт.")},
    )

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])

    def clean_username(self) -> str:
        return clean_login(self.cleaned_data["username"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            like = Person(login=cleaned.get("username", ""), name=cleaned.get("name", ""))
            try:
                validate_password(cleaned["password"], like)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def say_taken(self, log_in: str) -> None:
        """Somebody has this log-in already; `log_in` is the address at which they say that it is they."""
        sentence = gettext(
            'Аккаунт с таким логином уже есть. <a href="{log_in}">Войдите</a> или укажите другой.'
        )
        self.add_error("username", format_html(sentence, log_in=log_in))


class ForgottenForm(forms.Form):
    """Whose password is forgotten."""

    username = forms.CharField(
        label=_("E-mail или телефон"),
        max_length=254,
        help_text=_("Тот, с которым вы входите."),
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def clean_username(self) -> str:
        return spelled_login(self.cleaned_data["username"])


class NewPasswordForm(PersonSetPasswordForm):
    """A new password twice; what is wrong with it is said at the first of the two."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = PASSWORD_HINT

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("new_password1", "new_password2")
        self.validate_password_for_user(self.user, "new_password1")
        return self.cleaned_data

    def save(self, commit: bool = True) -> Person:
        """Write the password alone: an account that was closed meanwhile stays closed."""
        person: Person = self.user
        person.set_password(self.cleaned_data["new_password1"])
        if commit:
            person.save(update_fields=["password"])
        return person


class ChangePasswordForm(NewPasswordForm, PasswordChangeForm):
    """The same, and the old password first."""


class PasswordAgainForm(forms.Form):
    """Whoever sits at an open page has to be the person: the password is asked again."""

    password = forms.CharField(
        label=_("Ваш пароль"),
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, person: Person, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._person = person

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self._person.check_password(password):
            raise ValidationError(_("Пароль не подходит."))
        return password


class EraseForm(PasswordAgainForm):
    """The password, and that it is meant."""

    sure = forms.BooleanField(
        label=_("Да, удалить мой аккаунт навсегда"),
        error_messages={"required": _("Отметьте, если решение твёрдое: вернуть аккаунт будет нельзя.")},
    )


class ContactsForm(PersonForm):
    """One's own ways to be reached."""

    class Meta:
        model = Person
        fields = ("email", "phone", "telegram_name")
        widgets = {
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "phone": forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
            "telegram_name": forms.TextInput(attrs={"placeholder": "@anna", "autocapitalize": "none"}),
        }

    def save(self, commit: bool = True) -> Person:
        """Write the contacts alone: a password that was changed meanwhile stays changed."""
        if commit:
            self.instance.save(update_fields=self.Meta.fields)
        return self.instance

    def clean_phone(self) -> str:
        return clean_phone(self.cleaned_data["phone"])

    def clean_telegram_name(self) -> str:
        name: str = self.cleaned_data["telegram_name"].strip().removeprefix("https://t.me/").lstrip("@")
        if name and not _TELEGRAM_NAME.fullmatch(name):
            raise ValidationError(
                _("Имя в Telegram — это латинские буквы, цифры и «_», от 4 знаков: @anna_p.")
            )
        return name


class NewPersonForm(forms.Form):
    """A person whom the admin adds; they set their own password by a one-time link."""

    name = forms.CharField(label=_("Имя"), max_length=NAME_FORM_MAX_LENGTH)
    login = forms.CharField(label=_("E-mail или телефон"), max_length=254)
    role = forms.ChoiceField(label=_("Роль"), choices=Role.choices, initial=Role.CANDIDATE)
    inviter = forms.CharField(
        label=_("Кто пригласил (логин)"),
        max_length=254,
        required=False,
        help_text=_("Изменить потом нельзя."),
    )

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])

    def clean_login(self) -> str:
        return clean_login(self.cleaned_data["login"])

    def clean_inviter(self) -> Person | None:
        login = self.cleaned_data["inviter"]
        inviter = inviter_by_login(login) if login else None
        if login and inviter is None:
            raise ValidationError(_("Того, кто мог бы приглашать, с таким логином нет."))
        return inviter
