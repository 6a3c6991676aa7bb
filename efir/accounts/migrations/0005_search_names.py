"""Fold every name for searches, and bring every login to the spelling that today's cleaning gives it."""


from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from efir.accounts.models import LOGIN_MAX_LENGTH, normalize_login, search_name

CHUNK = 1000


def clean_and_fold(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Leave a login as it is if another account has its cleaned spelling: `efir verify` names such pairs."""
    connection = schema_editor.connection
    people = apps.get_model("accounts", "Person")._base_manager
    rows = people.order_by("pk").only("pk", "login", "name", "email", "phone")
    last = 0
    while chunk := list(rows.filter(pk__gt=last)[:CHUNK]):
        last = chunk[-1].pk
        cleaned = {person.pk: normalize_login(person.login)[:LOGIN_MAX_LENGTH] for person in chunk}
        differing = [person for person in chunk if cleaned[person.pk] not in ("", person.login)]
        for person in differing:
            if not people.filter(login=cleaned[person.pk]).exists():
                contacts = [field for field in ("email", "phone") if getattr(person, field) == person.login]
                people.filter(pk=person.pk).update(**dict.fromkeys(["login", *contacts], cleaned[person.pk]))
        with connection.cursor() as cursor:
            folded = [(search_name(person.name), person.pk) for person in chunk]
            cursor.executemany("UPDATE accounts_person SET search_name = %s WHERE id = %s", folded)
    if connection.vendor == "postgresql":
        # A restore migrates in the transaction that filled the tables: events that wait would forbid an ALTER TABLE.
        connection.check_constraints()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_erased_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="search_name",
            field=models.CharField(db_default="", default="", editable=False, max_length=300),
        ),
        migrations.RunPython(clean_and_fold, migrations.RunPython.noop),
    ]
