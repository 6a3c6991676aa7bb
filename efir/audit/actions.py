"""What people do that is worth remembering."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One kind of deed. Those up to `VERDICT_DECIDED` are read from the ledger and the journal."""

    WEBINAR_PUBLISHED = "webinar_published"
    WEBINAR_STARTED = "webinar_started"
    WEBINAR_STOPPED = "webinar_stopped"
    WEBINAR_PAUSED = "webinar_paused"
    WEBINAR_RESUMED = "webinar_resumed"
    WEBINAR_ARCHIVED = "webinar_archived"
    CTA_SHOWN = "cta_shown"
    CTA_HIDDEN = "cta_hidden"
    VERDICT_DECIDED = "verdict_decided"

    WEBINAR_CREATED = "webinar_created"
    WEBINAR_EDITED = "webinar_edited"
    RECORDING_PUBLISHED = "recording_published"
    MESSAGES_RETRIED = "messages_retried"
    MESSAGES_RESOLVED = "messages_resolved"
    TABLE_EXPORTED = "table_exported"
    PERSON_ADDED = "person_added"
    ROLE_ASSIGNED = "role_assigned"
    PASSWORD_LINK_MADE = "password_link_made"  # noqa: S105  # no password
    ACCOUNT_CLOSED = "account_closed"
    CONSENT_GIVEN = "consent_given"
    DATA_EXPORTED = "data_exported"
    PERSON_ERASED = "person_erased"
