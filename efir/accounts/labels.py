"""How roles are called on pages. For display only: access is decided by capability."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.accounts.capabilities import Role

ROLE_WORDS: dict[str, Promise] = {
    Role.ADMIN.value: _("администратор"),
    Role.SPEAKER.value: _("спикер"),
    Role.LEADER.value: _("лидер"),
    Role.PARTNER.value: _("партнёр"),
    Role.CANDIDATE.value: _("кандидат"),
}


def role_label(role: str) -> str:
    """The role's name in the reader's language."""
    return str(ROLE_WORDS.get(role, role))
