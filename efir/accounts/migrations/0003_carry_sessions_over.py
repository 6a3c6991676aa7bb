from datetime import UTC, datetime

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations

CHUNK = 500


def carry_over(apps, schema_editor):
    """Nobody is logged out by the upgrade: Django's own sessions are taken over, and their table goes."""
    connection = schema_editor.connection
    if "django_session" not in connection.introspection.table_names():
        return
    people = set(apps.get_model("accounts", "Person").objects.values_list("pk", flat=True))
    session = apps.get_model("accounts", "Session")
    store = SessionStore()
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key, session_data, expire_date FROM django_session")
        rows = cursor.fetchall()
    made = []
    for key, data, expire_date in rows:
        person_id = int(store.decode(data).get(SESSION_KEY, 0))
        if person_id in people:
            made.append(session(session_key=key, session_data=data, person_id=person_id, expire_date=_moment(expire_date)))
    session.objects.bulk_create(made, batch_size=CHUNK)
    schema_editor.execute("DROP TABLE django_session")


def _moment(value):
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_sessions_of_our_own'),
    ]

    operations = [
        migrations.RunPython(carry_over, migrations.RunPython.noop),
    ]
