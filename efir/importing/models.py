"""What was imported, by its id in the other system, so that nothing is imported twice."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from efir.accounts.models import Person
from efir.lib import clock
from efir.webinars.models import Webinar

SOURCE_MAX_LENGTH = 200


class ImportedRecord(models.Model):
    """One person or webinar of another system, and the corresponding row here.

    source: the other system, by its address. foreign_id: the id there; for people without one a digest of their login,
        so that an erased person leaves nothing that names them.
    created: whether the import made the person; False if somebody with the same login was here before.
    """

    source = models.CharField(max_length=SOURCE_MAX_LENGTH)
    foreign_id = models.CharField(max_length=80)
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    webinar = models.ForeignKey(Webinar, models.PROTECT, null=True, related_name="+")
    created = models.BooleanField(default=True)
    imported_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person=None, webinar__isnull=False) | Q(person__isnull=False, webinar=None),
                name="imported_person_or_webinar",
            ),
            models.UniqueConstraint(
                fields=["source", "foreign_id"], condition=Q(webinar=None), name="imported_person_once"
            ),
            models.UniqueConstraint(
                fields=["source", "foreign_id"], condition=Q(person=None), name="imported_webinar_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.foreign_id}"
