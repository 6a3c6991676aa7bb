"""The people of the sample data."""

from __future__ import annotations

from django.contrib.auth.hashers import make_password

from efir.accounts import second_factor
from efir.accounts.capabilities import Role
from efir.accounts.models import Person, RecoveryCode, SecondFactor
from efir.accounts.services import create_person
from efir.accounts.sessions import new_session
from efir.telegram.models import TelegramChat
from tools.screenshots.actions import GUARDED, PASSWORD, RECOVERY_CODE
from tools.screenshots.held_webinars import DAY, HOUR, at_time
from tools.screenshots.state import NOW

# Login: name, role, inviter, whether Telegram is linked (None: linked, but the bot is blocked).
PEOPLE: dict[str, tuple[str, Role, str, bool | None]] = {
    "admin": ("Ольга Кузнецова", Role.ADMIN, "", True),
    "speaker": ("Анна Ветрова", Role.SPEAKER, "", True),
    "leader": ("Лев Горин", Role.LEADER, "", True),
    "partner": ("Павел Соколов", Role.PARTNER, "leader", True),
    "newpartner": ("Полина Новикова", Role.PARTNER, "leader", False),
    "kate": ("Катя Морозова", Role.CANDIDATE, "partner", True),
    "kolya": ("Коля Белов", Role.CANDIDATE, "partner", False),
    "ksyusha": ("Ксюша Лебедева", Role.CANDIDATE, "partner", None),
    "kirill": ("Кирилл Зайцев", Role.CANDIDATE, "partner", True),
    "klara": ("Клара Орлова", Role.CANDIDATE, "partner", True),
    "kostya": ("Константин Константинопольский-Задунайский", Role.CANDIDATE, "partner", True),
    "alone": ("Юля Егорова", Role.CANDIDATE, "", False),
}


def create_people() -> dict[str, Person]:
    """Create everybody, by login."""
    made: dict[str, Person] = {}
    with at_time(NOW - 60 * DAY):
        for number, (login, (name, role, inviter, linked)) in enumerate(PEOPLE.items()):
            person = made[login] = create_person(
                login=login,
                name=name,
                role=role,
                password=None,
                invited_by=made.get(inviter),
                consented=login != "kolya",
            )
            person.ref_code = f"{login}1"
            if login != "newpartner":
                person.email, person.phone = f"{login}@example.org", f"+7000000{number:04}"
                person.telegram_name = f"efir_{login}"
            person.save()
            if linked is not False:
                reason = "" if linked else "blocked"
                TelegramChat.objects.create(
                    person=person,
                    chat_id=1000 + number,
                    reachable=bool(linked),
                    unreachable_reason=reason,
                    reset_from=NOW + 9 * HOUR if login == "klara" else None,
                )
    return made


def create_guarded_person() -> None:
    """Create a speaker with a second factor, of whose recovery codes one is known."""
    with at_time(NOW - DAY):
        person = create_person(
            login=GUARDED, name="Галина Замкова", role=Role.SPEAKER, password=PASSWORD, consented=True
        )
        sealed = second_factor.seal_secret(second_factor.new_secret(), person)
        SecondFactor.objects.create(person=person, sealed_secret=sealed, last_step=0)
        hashes = [make_password(RECOVERY_CODE.replace("-", "")), *[make_password(None)] * 6]
        RecoveryCode.objects.bulk_create([RecoveryCode(person=person, hash=each) for each in hashes])


def log_in_elsewhere(person: Person) -> None:
    """Log the person in on three devices, some of them long ago."""
    for device, ago in (("Safari, iPhone", 3 * HOUR), ("Samsung Internet, Android", 9 * DAY), ("", 20 * DAY)):
        with at_time(NOW - ago):
            session = new_session(person)
            session["device"] = device
            session.create()
