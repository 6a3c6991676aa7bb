"""Why a password will not do, in our own words. The rules are Django's."""

from __future__ import annotations

from django.contrib.auth import password_validation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


class MinLengthValidator(password_validation.MinimumLengthValidator):
    """Has the least length."""

    def get_error_message(self) -> str:
        """What is said of a shorter one."""
        return ngettext(
            "Пароль короткий: нужен хотя бы %(count)d символ.",
            "Пароль короткий: нужно хотя бы %(count)d символов.",
            self.min_length,
        ) % {"count": self.min_length}


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Is none of the 20,000 that everybody tries first."""

    def get_error_message(self) -> str:
        """What is said of one of them."""
        return _("Этот пароль подбирают одним из первых. Придумайте другой.")


class UserAttributeValidator(password_validation.UserAttributeSimilarityValidator):
    """Is not the log-in or the name, a little changed."""

    def get_error_message(self) -> str:
        """What is said of one that is."""
        return _("Пароль слишком похож на логин или имя. Придумайте другой.")
