"""Models of people, their roles, their sessions, and changes of access."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Capability, Role
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, Parameter
from efir.lib.phone import normalize_phone
from efir.lib.text import clean_token, fold

# Without i, l, o, 0 and 1, so that a code can be read out over the telephone.
REF_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_ref_code() -> str:
    """Return a new random referral code."""
    return "".join(secrets.choice(REF_ALPHABET) for _ in range(8))


LOGIN_MAX_LENGTH = 254
NAME_MAX_LENGTH = 150
# Folding may make a name longer. Searches do not find the part beyond this length.
SEARCH_NAME_MAX_LENGTH = 300
_MAIL_SCHEME = re.compile(r"\s*mailto:", re.IGNORECASE)


def normalize_login(login: str) -> str:
    """Return the one spelling of a login: an e-mail in lower case, a telephone number as + and digits.

    The result may be longer than the input: NFKC writes «ﬁ» as two letters.
    """
    login = _MAIL_SCHEME.sub("", clean_token(login))
    if "@" in login:
        login = login.strip(" .,;<>\"'«»")
    return normalize_phone(login) or login.lower()


def search_name(name: str) -> str:
    """Return the name as searches find it."""
    return fold(name)[:SEARCH_NAME_MAX_LENGTH]


class PersonManager(BaseUserManager["Person"]):
    """Finds people by login. To create one use `efir.accounts.services.create_person`, which also assigns the role."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(login=normalize_login(username or ""))


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody with an account.

    There are no superusers, because a superuser would have every capability, including `is_lead`. An erased person
    (`erased_at`) remains as an id that facts refer to, without anything that identifies them.
    """

    login = models.CharField(_("логин"), max_length=LOGIN_MAX_LENGTH, unique=True)
    name = models.CharField(_("имя"), max_length=NAME_MAX_LENGTH)
    search_name = models.CharField(
        max_length=SEARCH_NAME_MAX_LENGTH, editable=False, default="", db_default=""
    )
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("телефон"), max_length=20, blank=True)
    telegram_name = models.CharField(_("имя в Telegram"), max_length=33, blank=True)
    ref_code = models.CharField(max_length=16, unique=True, default=new_ref_code)
    invited_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="candidates")
    language = models.CharField(max_length=2, blank=True, default="", db_default="")  # empty: never chosen
    consent_at = models.DateTimeField(null=True)
    consent_version = models.CharField(max_length=20, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)
    erased_at = models.DateTimeField(null=True)
    groups = models.ManyToManyField(Group, through="Membership", related_name="people")  # type: ignore[assignment]  # AbstractUser has its own

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

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Return whether the person's role gives the permission; there are no other permissions.

        Django's own asks for the permissions of the person, too: two queries for each request instead of one.
        """
        return self.is_active and perm in self._group_and_permissions[1]

    @cached_property
    def _group_and_permissions(self) -> tuple[str, frozenset[str]]:
        """Return the name of the person's group, or an empty string, and its permissions."""
        return _group_and_permissions(_ROLE_OF.rows(person_id=self.pk))

    def set_permissions(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Set what was read with the person: rows of the group's name, and a permission's app label and codename."""
        self.__dict__["_group_and_permissions"] = _group_and_permissions(rows)

    @property
    def role(self) -> str:
        """The name of the person's group, for display only: access is decided by capability."""
        if "_group_and_permissions" in vars(self):
            return self._group_and_permissions[0]
        membership = getattr(self, "membership", None)
        return membership.group.name if membership else ""

    @property
    def role_label(self) -> str:
        """The role's name in the reader's language."""
        return role_label(self.role)

    @property
    def shown_name(self) -> str:
        """The name for readers; in their language if the person was erased, whose stored name is Russian."""
        return gettext("Аккаунт удалён") if self.erased_at else self.name

    @property
    def has_contact(self) -> bool:
        """Whether the person shows any contact."""
        return bool(self.telegram_name or self.phone or self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.login = normalize_login(self.login)
        self.search_name = search_name(self.name)
        fields = kwargs.get("update_fields")
        if fields is not None and "name" in fields:
            kwargs["update_fields"] = {*fields, "search_name"}
        super().save(*args, **kwargs)


def role_label(role: str) -> str:
    """Return the label of the role with this name in the reader's language."""
    return str(dict(Role.choices).get(role, role))


def _group_and_permissions(
    rows: Iterable[tuple[Any, ...]],
) -> tuple[str, frozenset[str]]:
    rows = list(rows)
    names = {name for name, _, _ in rows if name}
    return "".join(names), frozenset(f"{app_label}.{codename}" for _, app_label, codename in rows if codename)


class ConsentText(models.Model):
    """The text of one version of the consent in one language, as HTML. It never changes."""

    version = models.CharField(max_length=20)
    language = models.CharField(max_length=2)
    text = models.TextField()
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "language"], name="consent_text_once")]

    def __str__(self) -> str:
        return f"{self.version} ({self.language})"


class Membership(models.Model):
    """The role of a person."""

    person = models.OneToOneField(Person, models.CASCADE, related_name="membership")
    group = models.ForeignKey(Group, models.PROTECT)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.group_id}"


class SecondFactor(models.Model):
    """The second factor of a person who set one up: the secret of their authenticator app, sealed.

    last_step: the latest time step (of 30 s) whose code was accepted; a code of it or of an earlier one is refused.
    """

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True, related_name="second_factor")
    sealed_secret = models.CharField(max_length=100)
    last_step = models.BigIntegerField()
    since = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.since}"


class RecoveryCode(models.Model):
    """The hash of a code that replaces one of the app, once. The row is deleted when the code is used."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="recovery_codes")
    hash = models.CharField(max_length=128)

    def __str__(self) -> str:
        return f"{self.person_id}: {self.pk}"


def _role_of() -> models.QuerySet[Membership, tuple[Any, ...]]:
    memberships = Membership.objects.filter(person_id=Parameter("person_id", Membership, "person"))
    return memberships.values_list(
        "group__name", "group__permissions__content_type__app_label", "group__permissions__codename"
    )


_ROLE_OF = CompiledQuery(_role_of)


class Session(AbstractBaseSession):
    """A session with its person in a column, so that one query finds the person and their capabilities.

    device: the browser and the system in words, empty if unknown. used_at: written at most once an hour; None for a
    session of an earlier release, which did not store it.
    """

    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="sessions")
    device = models.CharField(max_length=60, blank=True, default="", db_default="")
    used_at = models.DateTimeField(null=True)

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
