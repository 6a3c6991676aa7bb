"""The audit log as a Django app; its table is append-only."""

from __future__ import annotations

from django.apps import AppConfig

from efir.triggers import registry


class AuditConfig(AppConfig):
    name = "efir.audit"
    label = "audit"

    def ready(self) -> None:
        registry.register(
            *registry.append_only("audit_auditentry", "audit_append_only", "audit_log_is_append_only")
        )
