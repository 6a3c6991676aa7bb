"""Database triggers: the inviter is written once, at sign-up, and an erased person stays erased."""

from __future__ import annotations

from efir.triggers.registry import Trigger

INVITER = Trigger(
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

# Otherwise a form that was loaded before the erasure and saved after it would restore the person.
_IS_RESTORED = (
    "(OLD.erased_at IS NOT NULL AND (NEW.erased_at IS NULL OR NEW.is_active OR NEW.login <> OLD.login "
    "OR NEW.name <> OLD.name OR NEW.email <> '' OR NEW.phone <> '' OR NEW.telegram_name <> ''))"
)

ERASED = Trigger(
    table="accounts_person",
    name="person_stays_erased",
    code="person_is_erased",
    sqlite={"BEFORE UPDATE": _IS_RESTORED},
    postgresql=f"IF {_IS_RESTORED} THEN RAISE EXCEPTION 'person_is_erased'; END IF; RETURN NEW;",
    postgresql_events="BEFORE UPDATE",
)
