"""People, the one role that each of them has, and their sessions."""

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

from efir.accounts.capabilities import Role
from efir.lib import clock

REF_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_ref_code() -> str:
    """A referral code that can be read out over the telephone: no letters that look alike."""
    return "".join(secrets.choice(REF_ALPHABET) for _ in range(8))


LONGEST_LOGIN = 254
# Digits that every telephone has: there are others in Unicode, too.
_PHONE = re.compile(r"\+7\d{10}|\+(?!7)\d{10,15}", re.ASCII)


def normalize_login(login: str) -> str:
    """One spelling for one login: e-mails in lower case, telephone numbers as + and digits.

    It may be longer than what was typed: some capitals have small letters of two characters, and one sign («ﬁ») may
    stand for several (NFKC, as Django's log-in form has it).
    """
    login = unicodedata.normalize("NFKC", login).replace("\x00", "").strip()
    return _spelled_phone(re.sub(r"[\s()\-.]", "", login)) or login.lower()


def _spelled_phone(typed: str) -> str:
    """The number with its country, or nothing where it cannot be one.

    Without one it is Russian: 8 999 …, 7 999 … and 999 … are the same, and a digit more or less is no other number.
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
    """Whether a log-in in its one spelling is a telephone number."""
    return bool(_PHONE.fullmatch(login))


class PersonManager(BaseUserManager["Person"]):
    """Makes people; roles are given by `efir.accounts.services.create_person`."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(login=normalize_login(username or ""))


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account. Nobody is a superuser: that would carry every capability, `is_lead` too.

    Who is erased (`erased_at`) stays as a number that facts refer to, and nothing tells any more who it was.
    """

    login = models.CharField(_("логин"), max_length=LONGEST_LOGIN, unique=True)
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
        permissions = [
            ("enter_room", "Enters the room"),
            ("is_lead", "Is classified and followed up"),
            ("see_own_candidates", "Sees the people they invited"),
            ("edit_webinar", "Edits a webinar's business fields"),
            ("edit_technical", "Edits a webinar's technical fields"),
            ("manage_status", "Starts and stops a webinar"),
            ("manage_cta", "Shows and hides the call-to-action"),
            ("publish_recording", "Publishes a recording"),
            ("see_deliveries", "Sees messages and their state"),
            ("retry_delivery", "Sends a failed message again"),
            ("decide_verdict", "Decides a held verdict"),
            ("assign_roles", "Gives roles and resets passwords"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.login = normalize_login(self.login)

    @property
    def role(self) -> str:
        """The name of the person's one group, for display; access is decided by capability."""
        membership = getattr(self, "membership", None)
        return membership.group.name if membership else ""

    @property
    def role_label(self) -> str:
        """The role's name in the reader's language."""
        return str(dict(Role.choices).get(self.role, self.role))

    @property
    def has_contact(self) -> bool:
        """Whether there is any way to reach the person that they show."""
        return bool(self.telegram_name or self.phone or self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.login = normalize_login(self.login)
        super().save(*args, **kwargs)


class Membership(models.Model):
    """One role for each person."""

    person = models.OneToOneField(Person, models.CASCADE, related_name="membership")
    group = models.ForeignKey(Group, models.PROTECT)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.group_id}"


class Session(AbstractBaseSession):
    """A browser's session, with its person in a column: one read tells who comes and what they may."""

    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="sessions")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        # By the setting's name: `sessions` imports this module.
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store


class AccessChange(models.Model):
    """When somebody's access changed last: a role, a password, a closed account, a log-out.

    Every web process looks here for news about the people whom it has let in (`efir.accounts.access_cache`).
    """

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True, related_name="+")
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.at}"
