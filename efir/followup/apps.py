"""Follow-up as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class FollowupConfig(AppConfig):
    name = "efir.followup"
    label = "followup"

    def ready(self) -> None:
        from efir.accounts.capabilities import Capability
        from efir.followup import digest, reminder_texts, texts
        from efir.followup import listeners as listeners  # noqa: PLC0414  # importing registers them
        from efir.telegram.models import Kind
        from efir.telegram.outbox.message_types import MessageType, register

        register(
            MessageType(
                Kind.PARTNER_ATTENDANCE,
                compose=digest.partner_attendance,
                priority=1,
                batching=digest.BATCHING,
                needs=Capability.SEE_OWN_CANDIDATES,
            )
        )
        # After partners' messages and before recordings; reminders never compete with a follow-up of the same webinar.
        register(MessageType(Kind.SEAT_REMINDER, compose=reminder_texts.seat_reminder, priority=2))
        register(MessageType(Kind.SEAT_ON_AIR, compose=reminder_texts.seat_on_air, priority=2))
        register(MessageType(Kind.SEAT_MOVED, compose=reminder_texts.seat_moved, priority=2))
        register(MessageType(Kind.CANDIDATE_FOLLOWUP, compose=texts.candidate_followup, priority=2))
        register(
            MessageType(
                Kind.CANDIDATE_RECORDING,
                compose=texts.candidate_recording,
                priority=3,
                needs_recording=True,
                joins=Kind.CANDIDATE_FOLLOWUP,
            )
        )
