"""People, their role, their sessions, and the log of changes of access."""

from __future__ import annotations

import re
import secrets
import unicodedata
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Capability, Role
from efir.lib import clock

# Without i, l, o, 0 and 1, so that a code can be read out over the telephone.
REF_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_ref_code() -> str:
    """Return a new random referral code."""
    return "".join(secrets.choice(REF_ALPHABET) for _ in range(8))


LOGIN_MAX_LENGTH = 254
# ASCII digits only: \d matches the digits of other scripts, too.
_PHONE = re.compile(r"\+7\d{10}|\+(?!7)\d{10,15}", re.ASCII)


def normalize_login(login: str) -> str:
    """Return the one spelling of a login: an e-mail in lower case, a telephone number as + and digits.

    The result may be longer than the input: NFKC (which Django's login form applies, too) writes «ﬁ» as two letters.
    """
    login = unicodedata.normalize("NFKC", login).replace("\x00", "").strip()
    return _normalize_phone(re.sub(r"[\s()\-.]", "", login)) or login.lower()


def _normalize_phone(typed: str) -> str:
    """Return the number with its country code, or an empty string if it is not a number.

    Numbers without a country code are Russian (8 999 …, 7 999 … and 999 … are the same) and must have all digits.
    """
    match = re.fullmatch(r"(\+?)(\d{10,15})", typed, re.ASCII)
    if match is None:
        return ""
    has_plus, number = match.groups()
    if not has_plus and len(number) == 10 and number.startswith("9"):
        return f"+7{number}"
    if not has_plus and number.startswith("8"):
        return f"+7{number[1:]}" if len(number) == 11 else ""
    if number.startswith("7"):
        return f"+{number}" if len(number) == 11 else ""
    return f"+{number}" if has_plus or len(number) > 10 else ""


def is_phone(login: str) -> bool:
    """Return whether a normalised login is a telephone number."""
    return bool(_PHONE.fullmatch(login))


class PersonManager(BaseUserManager["Person"]):
    """Finds people by login. To create one use `efir.accounts.services.create_person`, which also assigns the role."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(login=normalize_login(username or ""))


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account.

    Nobody is a superuser, since that would include every capability, `is_lead` too. An erased person (`erased_at`)
    remains as an id that facts refer to, without anything that identifies them.
    """

    login = models.CharField(_("логин"), max_length=LOGIN_MAX_LENGTH, unique=True)
    name = models.CharField(_("имя"), max_length=150)
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("телефон"), max_length=20, blank=True)
    telegram_name = models.CharField(_("имя в Telegram"), max_length=33, blank=True)
    ref_code = models.CharField(max_length=16, unique=True, default=new_ref_code)
    invited_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="candidates")
    consent_at = models.DateTimeField(null=True)
    consent_version = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)
    erased_at = models.DateTimeField(null=True)
    groups = models.ManyToManyField(Group, through="Membership", related_name="people")  # type: ignore[assignment]

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "login"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(is_superuser=False), name="nobody_is_superuser")
        ]
        permissions = [(capability.value, capability.label) for capability in Capability]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.login = normalize_login(self.login)

    @property
    def role(self) -> str:
        """The name of the person's group, for display only: access is decided by capability."""
        membership = getattr(self, "membership", None)
        return membership.group.name if membership else ""

    @property
    def role_label(self) -> str:
        """The role's name in the reader's language."""
        return str(dict(Role.choices).get(self.role, self.role))

    @property
    def has_contact(self) -> bool:
        """Whether the person shows any contact."""
        return bool(self.telegram_name or self.phone or self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.login = normalize_login(self.login)
        super().save(*args, **kwargs)


class Membership(models.Model):
    """The role of a person."""

    person = models.OneToOneField(Person, models.CASCADE, related_name="membership")
    group = models.ForeignKey(Group, models.PROTECT)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.group_id}"


class Session(AbstractBaseSession):
    """A session with its person in a column, so that one query finds the person and their capabilities."""

    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        # By name, because `sessions` imports this module.
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store


class AccessChange(models.Model):
    """The last change of a person's access: role, password, closed account or logout.

    Every web process polls this table to update its `access_cache` and its open streams.
    """

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.at}"
