"""Who invited whom is written once, at sign-up, and the database keeps it so."""

from __future__ import annotations

from efir.guards import Guard

CHAIN = Guard(
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
