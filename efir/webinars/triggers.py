"""Database triggers that enforce the lifecycle, on SQLite and on PostgreSQL.

They refuse an insert that is not a fresh draft, a forbidden transition, and a status or a visibility that differs from
the ledger's latest entry. They do not stop raw SQL that forges the ledger and the row together.
"""

from __future__ import annotations

from efir.hooks.actions import Code
from efir.triggers.registry import Trigger, append_only
from efir.webinars.lifecycle import ON_AIR, TRANSITIONS

_CODE = Code.MUTATION_FORBIDDEN.value
_ALLOWED = ", ".join(sorted(f"'{before.value}>{after.value}'" for before, after in TRANSITIONS))
_ON_AIR = ", ".join(f"'{status.value}'" for status in ON_AIR)

_NOT_FRESH = (
    "(NEW.status <> 'draft' OR NEW.cta_visible OR "
    "EXISTS (SELECT 1 FROM webinars_ledgerentry WHERE webinar_id = NEW.id))"
)
_NOT_AS_WRITTEN = (
    "(NEW.id <> OLD.id OR ((NEW.status <> OLD.status OR NEW.cta_visible <> OLD.cta_visible) AND ("  # noqa: S608  # constants
    f"(NEW.status <> OLD.status AND (OLD.status || '>' || NEW.status) NOT IN ({_ALLOWED})) OR NOT EXISTS ("
    "SELECT 1 FROM webinars_ledgerentry AS latest "
    "WHERE latest.id = (SELECT MAX(id) FROM webinars_ledgerentry WHERE webinar_id = NEW.id) "
    "AND latest.to_status = NEW.status AND latest.cta_visible = NEW.cta_visible))))"
)
# A step starts from the webinar's present state, and changes either the status or, on air, the visibility.
_NOT_A_STEP = (
    "(NOT EXISTS (SELECT 1 FROM webinars_webinar AS w "  # noqa: S608  # constants
    "WHERE w.id = NEW.webinar_id AND w.status = NEW.from_status AND ("
    f"(NEW.cta_visible = w.cta_visible AND (NEW.from_status || '>' || NEW.to_status) IN ({_ALLOWED})) OR "
    f"(NEW.from_status = NEW.to_status AND NEW.from_status IN ({_ON_AIR})))))"
)


def _refuse(table: str, name: str, event: str, condition: str) -> Trigger:
    postgresql = f"IF {condition} THEN RAISE EXCEPTION '{_CODE}'; END IF; RETURN NEW;"
    return Trigger(table, name, _CODE, {event: condition}, postgresql, event)


TRIGGERS = (
    _refuse("webinars_webinar", "webinar_starts_as_draft", "BEFORE INSERT", _NOT_FRESH),
    _refuse("webinars_webinar", "webinar_follows_ledger", "BEFORE UPDATE", _NOT_AS_WRITTEN),
    _refuse("webinars_ledgerentry", "ledger_steps", "BEFORE INSERT", _NOT_A_STEP),
    *append_only("webinars_ledgerentry", "ledger_append_only", _CODE),
)
