"""Forms of accounts: sign-up, passwords, contacts, and the admin's new person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

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
from efir.accounts.code_forms import CodeAskedForm
from efir.accounts.models import LOGIN_MAX_LENGTH, Person, normalize_login
from efir.accounts.services import inviter_by_login
from efir.accounts.validators import NAME_FORM_MAX_LENGTH, clean_name
from efir.lib.phone import is_phone
from efir.web.forms import EmailField, LineField, TokenField

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
_TELEGRAM_LINK = re.compile(r"(?:https?://)?(?:www\.)?(?:t|telegram)\.(?:me|dog)/", re.IGNORECASE)
_TELEGRAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


def clean_phone(text: str) -> str:
    """Return the normalised telephone number. Raises ValidationError if it is not one."""
    phone = normalize_login(text)
    if phone and not is_phone(phone):
        raise ValidationError(_NO_NUMBER)
    return phone


def clean_known_login(text: str) -> str:
    """Return the normalised login of an existing account. Raises ValidationError if it is too long to be one."""
    login = normalize_login(text)
    if len(login) > LOGIN_MAX_LENGTH:
        raise ValidationError(_("Слишком длинный логин."))
    return login


def clean_login(text: str) -> str:
    """Return the normalised login of a new account. Raises ValidationError if it is no e-mail or telephone number."""
    login = clean_known_login(text)
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


class NameField(LineField):
    """The name of a person."""

    def clean_pasted(self, text: str) -> str:
        return clean_name(text) if text.strip() else ""


class PhoneField(TokenField):
    """A telephone number, as + and digits."""

    def to_python(self, value: Any) -> str:
        return clean_phone(super().to_python(value))


class TelegramNameField(TokenField):
    """A username of Telegram, without @, from the name or from a link to it."""

    def to_python(self, value: Any) -> str:
        name: str = _TELEGRAM_LINK.sub("", super().to_python(value)).partition("?")[0].strip("@/")
        if name and not _TELEGRAM_NAME.fullmatch(name):
            raise ValidationError(
                _("Имя в Telegram — это латинские буквы, цифры и «_», от 4 знаков: @anna_p.")
            )
        return name


class LoginField(TokenField):
    """The login of a new or an existing account."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(
            label=_("E-mail или телефон"),
            max_length=LOGIN_MAX_LENGTH,
            widget=forms.TextInput(attrs=attrs),
            **kwargs,
        )


def _consent_link() -> SafeString:
    return format_html(
        '<a href="/consent/" target="_blank" rel="noopener">{}</a>', gettext("Прочитать текст согласия")
    )


class SignUpForm(forms.Form):
    """Name, login, password and consent."""

    name = NameField(
        label=_("Как вас зовут"),
        max_length=NAME_FORM_MAX_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    username = LoginField(help_text=_("Это ваш логин. Мы не пишем на почту и не звоним."))
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

    def clean_username(self) -> str:
        return clean_login(self.cleaned_data["username"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned:
            person = Person(login=cleaned.get("username", ""), name=cleaned.get("name", ""))
            try:
                validate_password(cleaned["password"], person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def say_taken(self, log_in: str, *, plainly: bool) -> None:
        """Add the error that the login is taken, with a link to the login page at `log_in`.

        With `plainly=False` the text does not reveal whether there is such an account: it only says what to do in
        either case.
        """
        sentence = (
            gettext('Аккаунт с таким логином уже есть. <a href="{log_in}">Войдите</a> или укажите другой.')
            if plainly
            else gettext(
                "С этим логином зарегистрироваться не получилось. Если аккаунт у вас уже есть, "
                '<a href="{log_in}">войдите</a> или <a href="/login/forgotten/">задайте новый пароль</a>. Если нет, '
                "проверьте логин или укажите другой."
            )
        )
        self.add_error("username", format_html(sentence, log_in=log_in))


class ForgottenForm(forms.Form):
    """The login whose password is forgotten."""

    username = LoginField(help_text=_("Тот, с которым вы входите."))

    def clean_username(self) -> str:
        return clean_known_login(self.cleaned_data["username"])


class NewPasswordForm(PersonSetPasswordForm):
    """A new password, typed twice; its errors are shown at the first field. `passwords.set_password` saves it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = PASSWORD_HINT

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("new_password1", "new_password2")
        self.validate_password_for_user(self.user, "new_password1")
        return self.cleaned_data


class ChangePasswordForm(CodeAskedForm, NewPasswordForm, PasswordChangeForm):
    """A new password, and the old one first, with a code if the person has a second factor."""

    def __init__(self, user: Person, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.ask_for_code(user, after="old_password")


class PasswordAgainForm(CodeAskedForm):
    """Asks for the password (and the code) again, since somebody else may sit at an open page."""

    password = forms.CharField(
        label=_("Ваш пароль"),
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, person: Person, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._person = person
        self.ask_for_code(person, after="password")

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self._person.check_password(password):
            raise ValidationError(_("Пароль не подходит."))
        return password


class EraseForm(PasswordAgainForm):
    """The password and an explicit confirmation."""

    sure = forms.BooleanField(
        label=_("Да, удалить мой аккаунт навсегда"),
        error_messages={"required": _("Отметьте, если решение твёрдое: вернуть аккаунт будет нельзя.")},
    )


class ContactsForm(PersonForm):
    """The person's own contacts."""

    class Meta:
        model = Person
        fields = ("email", "phone", "telegram_name")
        field_classes: ClassVar = {
            "email": EmailField,
            "phone": PhoneField,
            "telegram_name": TelegramNameField,
        }
        widgets = {
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "phone": forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
            "telegram_name": forms.TextInput(attrs={"placeholder": "@anna", "autocapitalize": "none"}),
        }

    def save(self, commit: bool = True) -> Person:
        """Save the contacts only, so that a password that was changed meanwhile stays changed."""
        if commit:
            self.instance.save(update_fields=self.Meta.fields)
        return self.instance


class NewPersonForm(forms.Form):
    """A person whom an admin adds, and who sets the password by a one-time link."""

    # No autocomplete, because the browser would fill in the admin's own data.
    _no_autofill = forms.TextInput(attrs={"autocomplete": "off"})

    name = NameField(label=_("Имя"), max_length=NAME_FORM_MAX_LENGTH, widget=_no_autofill)
    login = TokenField(label=_("E-mail или телефон"), max_length=LOGIN_MAX_LENGTH, widget=_no_autofill)
    role = forms.ChoiceField(label=_("Роль"), choices=Role.choices, initial=Role.CANDIDATE)
    inviter = TokenField(
        label=_("Кто пригласил (логин)"),
        max_length=LOGIN_MAX_LENGTH,
        required=False,
        help_text=_("Изменить потом нельзя."),
        widget=_no_autofill,
    )

    def clean_login(self) -> str:
        return clean_login(self.cleaned_data["login"])

    def clean_inviter(self) -> Person | None:
        login = self.cleaned_data["inviter"]
        inviter = inviter_by_login(login) if login else None
        if login and inviter is None:
            raise ValidationError(_("Проверьте логин: такого человека нет, или он не может приглашать."))
        return inviter
