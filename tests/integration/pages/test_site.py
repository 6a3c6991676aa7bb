"""The site's settings: who may change them, what they change, and what a fresh installation asks first."""

from __future__ import annotations

import re
from io import BytesIO
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

import pytest
import vobject
from django.core.files.uploadedfile import SimpleUploadedFile
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from PIL import Image

from efir.accounts.capabilities import Role
from efir.accounts.consent import BASE_VERSION, consent_version, needs_consent
from efir.accounts.erasure import erase
from efir.accounts.models import ConsentText, Person
from efir.audit.models import AuditEntry
from efir.hooks.actions import Context, Source
from efir.ops.cli.main import main
from efir.site_settings import current
from efir.site_settings.models import LogoFile, SiteSettings

pytestmark = pytest.mark.django_db
PAGE = "/account/site/"
BY_CLI = Context(None, Source.CLI)


def png(width: int = 300, height: int = 100) -> SimpleUploadedFile:
    file = BytesIO()
    Image.new("RGBA", (width, height), (200, 30, 30, 128)).save(file, "PNG")
    return SimpleUploadedFile("logo.png", file.getvalue())


@pytest.fixture
def admin(as_role):
    return as_role(Role.ADMIN)


def page(client: Client, path: str = "/webinars/") -> str:
    return client.get(path).content.decode()


def test_name_stands_on_every_page_and_in_previews(admin):
    answer = admin.post(PAGE, {"name": "Клуб «Рассвет»"})
    assert answer.status_code == 302
    html = page(Client())
    assert html.count("Клуб «Рассвет»") >= 3
    assert '<meta property="og:site_name" content="Клуб «Рассвет»">' in html
    assert "Клуб «Рассвет»" in Client().get("/webinars/calendar.ics").content.decode().replace("\\r\\n ", "")


def test_logo_replaces_icons_and_is_served(admin):
    assert admin.post(PAGE, {"logo": png()}).status_code == 302
    digest = current.current().logo
    html = page(Client())
    for name, size in (("logo.png", (288, 96)), ("icon.png", (64, 64)), ("touch.png", (180, 180))):
        assert f"/site/logo/{digest}/{name}" in html
        served = Client().get(f"/site/logo/{digest}/{name}")
        assert served["content-type"] == "image/png"
        assert Image.open(BytesIO(served.content)).size == size
    assert Client().get("/favicon.ico")["location"] == f"/site/logo/{digest}/touch.png"
    assert admin.post(PAGE, {"logo_removed": "1"}).status_code == 302
    assert "/site/logo/" not in page(Client())
    assert Client().get("/apple-touch-icon.png")["location"] == "/static/img/touch.png"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (lambda: png(40, 40), "Логотип слишком маленький"),
        (lambda: SimpleUploadedFile("logo.png", b"<svg onload=alert(1)>"), "SVG не подойдёт"),
        (lambda: SimpleUploadedFile("logo.png", b"no picture at all"), "не картинка"),
    ],
)
def test_logo_that_cannot_be_shown_is_refused_with_a_sentence(admin, file, said):
    answer = admin.post(PAGE, {"logo": file(), "name": "Клуб"})
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert (current.current().name, LogoFile.objects.count()) == ("", 0)


def test_accent_is_a_stylesheet_with_readable_colours(admin):
    answer = admin.post(PAGE, {"accent": "#ffee00"}, follow=True)
    assert "на светлых страницах будет" in answer.content.decode()
    assert '<link rel="stylesheet" href="/site/theme/ffee00.css">' in page(Client())
    css = Client().get("/site/theme/ffee00.css")
    assert "--accent:#ffee00" not in css.content.decode().split("@media")[0]
    assert "--accent:#ffee00" in css.content.decode().split("@media")[1]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("accent", "красный", "Это не цвет"),
        ("name", "Клуб club.example.org", "не может быть адреса"),
        ("time_zone", "Europe/Nowhere", "Такого часового пояса нет"),
        ("phone", "12", "Такого номера нет"),
        ("offer_text", "Узнать", "Напишите, куда ведёт кнопка"),
        ("offer_url", "javascript:alert(1)", "http://"),
    ],
)
def test_invalid_settings_are_reported_and_not_saved(admin, field, value, said):
    answer = admin.post(PAGE, {"organisation": "ИП Петрова", field: value})
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert current.current().organisation == ""


def test_new_responsible_asks_everybody_for_consent_again(admin, make_person):
    person = make_person()
    assert not needs_consent(person)
    fields = {"organisation": "ИП Петрова А. Н.", "data_contact": "data@example.org"}
    admin.post(PAGE, fields)
    assert consent_version() == f"{BASE_VERSION}.1"
    assert needs_consent(Person.objects.get(pk=person.pk))
    html = page(Client(), "/consent/")
    assert "ИП Петрова А. Н." in html
    assert "data@example.org" in html
    admin.post(PAGE, fields | {"name": "Клуб"})
    assert consent_version() == f"{BASE_VERSION}.1"


def test_text_of_each_version_is_kept_in_both_languages(admin):
    admin.post(PAGE, {"organisation": "ИП Петрова"})
    admin.post(PAGE, {"organisation": "ООО Рассвет"})
    kept = {(row.version, row.language): row.text for row in ConsentText.objects.all()}
    assert "ИП Петрова" in kept[f"{BASE_VERSION}.1", "ru"]
    assert "ООО Рассвет" in kept[f"{BASE_VERSION}.2", "en"]
    assert kept[f"{BASE_VERSION}.2", "en"].startswith("<p>You allow")
    assert (BASE_VERSION, "ru") in kept


def test_earlier_text_can_be_read_by_whoever_accepted_it(admin, as_role):
    candidate = as_role(Role.CANDIDATE)
    admin.post(PAGE, {"organisation": "ИП Петрова"})
    path = f"/consent/?version={BASE_VERSION}"
    assert path in page(candidate, "/account/data/")
    html = page(candidate, path)
    assert "Это прежняя редакция." in html
    assert "ИП Петрова" not in html.partition("<footer")[0]
    assert Client().get("/consent/?version=1999-01-01").status_code == 404
    assert "Это прежняя редакция." not in page(candidate, f"/consent/?version={BASE_VERSION}.1")


def test_uninvited_person_sees_the_sites_contact(as_role):
    current.save(
        {
            "contact_name": "Анна",
            "telegram_name": "anna_p",
            "offer_text": "Узнать",
            "offer_url": "https://example.org/o",
        },
        BY_CLI,
    )
    html = page(as_role(Role.CANDIDATE), "/account/contacts/")
    assert "https://t.me/anna_p" in html
    assert "https://example.org/o" in html


@pytest.mark.parametrize("state", ["without contacts", "erased"])
def test_sites_contact_stands_in_for_an_inviter_who_cannot_be_reached(make_person, state):
    partner, client = make_person(Role.PARTNER), Client()
    client.force_login(make_person(invited_by=partner))
    path = "/account/contacts/"
    current.save({"phone": "+79991234567"}, BY_CLI)
    Person.objects.filter(pk=partner.pk).update(telegram_name="polina_p")
    assert "tel:+79991234567" not in page(client, path)
    Person.objects.filter(pk=partner.pk).update(telegram_name="")
    if state == "erased":
        erase(partner.pk, BY_CLI)
    assert "tel:+79991234567" in page(client, path)
    current.save({"phone": ""}, BY_CLI)
    assert 'href="/account/webinar_room/"' in page(client, path)


def test_somebody_who_left_is_named_in_the_readers_language(admin, make_person):
    partner, client = make_person(Role.PARTNER), Client(headers={"accept-language": "en"})
    client.force_login(make_person(invited_by=partner))
    erase(partner.pk, BY_CLI)
    assert "<h2>Account deleted</h2>" in page(client, "/account/contacts/")
    for path in ("/account/audit/", "/account/people/"):
        assert "Аккаунт удалён" in page(admin, path)
        assert "Account deleted" in admin.get(path, headers={"accept-language": "en"}).content.decode()


def test_contacts_without_anybody_lead_to_the_room(as_role):
    html = page(as_role(Role.CANDIDATE), "/account/contacts/")
    assert 'href="/account/webinar_room/"' in html
    assert "контактов здесь нет" not in html


def test_own_logo_stands_wherever_efirs_stood(admin, make_webinar):
    admin.post(PAGE, {"logo": png()})
    archived = make_webinar("archived")
    for path in (
        "/webinars/",
        "/offline/",
        f"/account/webinar_room/{archived.pk}/",
        "/account/webinar_room/",
    ):
        html = page(admin, path)
        assert "/site/logo/" in html
        assert "img/logo" not in html, path


def test_invitations_and_an_empty_schedule_have_a_preview(admin, make_person):
    admin.post(PAGE, {"name": "Клуб", "logo": png()})
    partner = make_person(Role.PARTNER)
    for path in ("/webinars/", f"/signup/?ref={partner.ref_code}"):
        html = page(Client(), path)
        assert '<meta property="og:site_name" content="Клуб">' in html
        assert re.search(r'property="og:image" content="http[^"]+/touch.png"', html)
    # A messenger that follows a canonical address would lose who invited.
    assert "og:url" not in html
    assert "canonical" not in html


def test_calendar_entry_says_whose_room_it_is(make_webinar):
    webinar = make_webinar("scheduled")
    current.save({"name": "Клуб «Рассвет»"}, BY_CLI)
    entry = vobject.readOne(page(Client(), f"/webinars/{webinar.pk}/calendar.ics")).vevent
    assert "на сайте «Клуб «Рассвет»»" in entry.description.value
    assert quote_plus("Комната вебинара на сайте «Клуб") in page(Client())


def test_failed_request_names_the_site_without_the_database(monkeypatch):
    monkeypatch.setattr(current, "_cached", SiteSettings(name="Клуб"))
    html = render_to_string("503.html", {}, RequestFactory().get("/"))
    assert " · Клуб</title>" in html


def test_audit_shows_the_sites_time_and_names_it(admin, clock):
    current.save({"time_zone": "Asia/Omsk"}, BY_CLI)
    html = page(admin, "/account/audit/?since=2026-11-23&until=2026-11-23")
    assert "Время: UTC+6." in html
    assert f"{clock.moment.astimezone(ZoneInfo('Asia/Omsk')):%d.%m.%Y %H:%M:%S}" in html


def test_audit_log_names_nobody(admin):
    admin.post(PAGE, {"name": "Клуб", "contact_name": "Анна Петрова", "phone": "+79991234567"})
    entry = AuditEntry.objects.get(action="site_edited")
    assert entry.details == {"changes": {"name": ["", "Клуб"]}, "untold": ["contact_name", "phone"]}
    html = page(admin, "/account/audit/")
    assert "правка настроек сайта" in html
    assert "кто отвечает тем, кого никто не приглашал" in html


def test_first_admin_is_asked_and_later_ones_are_not(make_person):
    make_person(Role.ADMIN, login="admin@example.org", password="admin-parol-2026")
    make_person(Role.SPEAKER, login="speaker@example.org", password="admin-parol-2026")

    def lands(login: str, **fields: str) -> str:
        given = {"username": login, "password": "admin-parol-2026", **fields}
        return Client().post("/login/", given)["location"]

    assert lands("admin@example.org") == PAGE
    assert lands("admin@example.org", next="/webinars/") == "/webinars/"
    assert lands("speaker@example.org") == "/admin_webinar/"
    current.save({}, BY_CLI)
    assert lands("admin@example.org") == "/admin_webinar/"


def test_default_time_zone_is_that_of_new_webinars(as_role):
    current.save({"time_zone": "Asia/Omsk"}, BY_CLI)
    assert 'value="Asia/Omsk"' in page(as_role(Role.SPEAKER), "/admin_webinar/new/")


def test_default_language_is_for_those_who_ask_for_none():
    current.save({"language": "en"}, BY_CLI)
    current.set_caching(True)
    try:
        current.current()
        assert "Schedule" in page(Client()) or "Webinars" in page(Client())
        assert "Вебинары" in Client(headers={"accept-language": "ru"}).get("/webinars/").content.decode()
    finally:
        current.set_caching(False)


def test_command_line_shows_and_sets(capsys, tmp_path):
    picture = tmp_path / "logo.png"
    picture.write_bytes(png().read())
    arguments = ["--name", "Клуб", "--accent", "#0a7", "--logo", str(picture)]
    assert main(["site", "set", *arguments]) == 0
    assert '"accent": "#00aa77"' in capsys.readouterr().out
    assert main(["site", "set", "--time-zone", "Europe/Nowhere"]) == 1
    assert "time_zone" in capsys.readouterr().err
    assert main(["site", "show"]) == 0
    shown = capsys.readouterr().out
    assert '"name": "Клуб"' in shown
    assert current.current().logo in shown


@pytest.mark.parametrize(
    ("given", "stored", "code"), [("en", "en", 0), ("ru", "", 0), ("", "", 0), ("de", "en", 1)]
)
def test_language_is_named_on_the_command_line(given, stored, code):
    current.save({"language": "en"}, BY_CLI)
    assert main(["site", "set", "--language", given]) == code
    assert current.current().language == stored


def test_default_language_is_chosen_on_the_page(admin):
    assert '<option value="ru" selected>' in page(admin, PAGE)
    admin.post(PAGE, {"language": "ru"})
    assert AuditEntry.objects.filter(action="site_edited").count() == 0


@pytest.mark.parametrize("path", ["/login/", "/signup/", "/webinars/", "/consent/", "/nowhere/"])
def test_every_page_names_the_site(path):
    current.save({"name": "Клуб"}, BY_CLI)
    html = Client().get(path, headers={"accept": "text/html"}).content.decode()
    assert 'class="brand" href="/webinars/" aria-label="Клуб"' in html
    assert " · Клуб</title>" in html
