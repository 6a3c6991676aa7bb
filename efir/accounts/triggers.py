"""Who invited whom is written once, at sign-up, and who is erased stays so: the database keeps it."""

from __future__ import annotations

from efir.triggers.registry import Trigger

CHAIN = Trigger(
    table="accounts_person",
    name="person_inviter_written_once",
    code="person_inviter_is_written_once",
    sqlite={"BEFORE UPDATE": "NEW.invited_by_id IS NOT OLD.invited_by_id"},
    postgresql=(
        "IF NEW.invited_by_id IS DISTINCT FROM OLD.invited_by_id THEN "
        "RAISE EXCEPTION 'person_inviter_is_written_once'; END IF; RETURN NEW;"
    ),
    postgresql_events="BEFORE UPDATE",
)

# A form that was loaded before the erasure and is saved after it would bring the person back.
_BROUGHT_BACK = (
    "(OLD.erased_at IS NOT NULL AND (NEW.erased_at IS NULL OR NEW.is_active OR NEW.login <> OLD.login "
    "OR NEW.name <> OLD.name OR NEW.email <> '' OR NEW.phone <> '' OR NEW.telegram_name <> ''))"
)

ERASED = Trigger(
    table="accounts_person",
    name="person_stays_erased",
    code="person_is_erased",
    sqlite={"BEFORE UPDATE": _BROUGHT_BACK},
    postgresql=f"IF {_BROUGHT_BACK} THEN RAISE EXCEPTION 'person_is_erased'; END IF; RETURN NEW;",
    postgresql_events="BEFORE UPDATE",
)
