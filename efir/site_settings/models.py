"""The one row of settings, and the files of the logo."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from efir.lib import clock
from efir.site_settings.logo import NAMES, logo_path

# There is one row.
ONLY = 1


def default_site_name() -> str:
    """Return the name of a site whose admin has not chosen one."""
    return gettext("Эфир")


class SiteSettings(models.Model):
    """The settings of `/account/site/`. An empty field means the default.

    `changed_at` is None until somebody has saved the settings. `version` moves with every change. `consent_number`
    moves with every change of who is responsible, because the text of the consent names them.
    """

    name = models.CharField(_("название сайта"), max_length=60, blank=True)
    logo = models.CharField(max_length=32, blank=True)  # the digest of its files
    accent = models.CharField(_("основной цвет"), max_length=7, blank=True)  # #rrggbb
    organisation = models.CharField(_("кто отвечает за сайт"), max_length=200, blank=True)
    organisation_address = models.CharField(_("адрес"), max_length=300, blank=True)
    data_contact = models.CharField(_("контакт по персональным данным"), max_length=254, blank=True)
    contact_name = models.CharField(
        _("кто отвечает тем, кого никто не приглашал"), max_length=150, blank=True
    )
    telegram_name = models.CharField(_("имя в Telegram"), max_length=33, blank=True)
    phone = models.CharField(_("телефон"), max_length=20, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    offer_text = models.CharField(_("предложение"), max_length=100, blank=True)
    offer_url = models.CharField(_("адрес предложения"), max_length=2000, blank=True)
    time_zone = models.CharField(_("часовой пояс новых вебинаров"), max_length=64, blank=True)
    language = models.CharField(_("язык"), max_length=2, blank=True, choices=settings.LANGUAGES)

    version = models.PositiveBigIntegerField(default=0)
    consent_number = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=ONLY), name="site_settings_once")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name of the site."""
        return self.name or default_site_name()

    @property
    def logo_paths(self) -> dict[str, str]:
        """The paths of the logo's files: `logo`, `icon` and `touch`; empty without a logo."""
        return {name.partition(".")[0]: logo_path(self.logo, name) for name in NAMES if self.logo}

    @property
    def stylesheet_path(self) -> str:
        """The path of the accent's stylesheet; empty without an accent."""
        return f"/site/theme/{self.accent[1:]}.css" if self.accent else ""

    @property
    def has_contact(self) -> bool:
        """Whether there is a contact for people nobody invited."""
        return bool(self.telegram_name or self.phone or self.email)


class LogoFile(models.Model):
    """One size of the logo. `digest` is made from its files, so that the content of a URL never changes."""

    digest = models.CharField(max_length=32)
    name = models.CharField(max_length=20)
    content = models.BinaryField()
    stored_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "name"], name="logo_file_once")]

    def __str__(self) -> str:
        return f"{self.digest}/{self.name}"
