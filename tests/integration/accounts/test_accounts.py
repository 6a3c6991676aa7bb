"""Sign-up, login, referral, roles and passwords."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from axes.utils import reset
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts import services
from efir.accounts.capabilities import Capability, Role, can
from efir.accounts.consent import consent_version
from efir.accounts.forms import ContactsForm
from efir.accounts.models import Person
from efir.accounts.passwords import PasswordOvertaken, set_password
from efir.accounts.roles import assign_role
from efir.accounts.services import LoginTaken, close_account, create_person
from efir.audit.actions import Action
from efir.hooks.actions import Context, Source
from efir.web.rate_limit import LIMITS
from efir.webinars.models import Seat
from tests.conftest import SYSTEM, logged_in

pytestmark = pytest.mark.django_db
PASSWORD = "kandidat-2026"


@pytest.fixture(autouse=True)
def _reset_axes():
    yield
    reset()


def sign_up(client: Client, address: str = "/signup/", **fields: str):
    given = {"name": "Ольга", "username": "olga@example.ru", "password": PASSWORD, "consent": "on"}
    return client.post(address, given | fields)


class TestSignUp:
    def test_makes_a_candidate_and_logs_in(self):
        client = Client()
        assert sign_up(client).url == "/account/"
        person = Person.objects.get(login="olga@example.ru")
        assert (person.role, person.email, person.invited_by) == ("candidate", "olga@example.ru", None)
        assert person.consent_at
        assert person.consent_version
        assert client.get("/account/").status_code == 200

    @pytest.mark.parametrize(
        ("typed", "login"),
        [
            ("8 (999) 123-45-67", "+79991234567"),
            ("+7 999 123 45 67", "+79991234567"),
            (" Olga@Example.RU ", "olga@example.ru"),
            ("olga@oﬃce.ru", "olga@office.ru"),
        ],
    )
    def test_logins_are_normalised(self, typed, login):
        sign_up(Client(), username=typed)
        assert Person.objects.get().login == login
        assert Client().post("/login/", {"username": typed, "password": PASSWORD}).status_code == 302

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("username", "olga"),
            ("username", "12345"),
            ("username", "olga@nowhere"),
            ("username", "ol\x00ga@example.ru"),
            ("password", "short"),
            ("password", "12345678"),
            ("name", " "),
            ("consent", ""),
        ],
    )
    def test_sign_up_error_keeps_the_input(self, field, value):
        answer = sign_up(Client(), **{"name": "Ольга Ч.", field: value})
        html = answer.content.decode()
        assert answer.status_code == 200
        assert "поправьте отмеченное" in html
        assert field == "name" or "Ольга Ч." in html
        assert not Person.objects.exists()

    def test_sign_up_with_taken_login_links_to_login(self, make_person):
        make_person(login="+79991234567")
        answer = sign_up(Client(), username="89991234567", next="/account/webinar_room/7/")
        html = answer.content.decode()
        assert "уже есть" in html
        assert '<a href="/login/?next=%2Faccount%2Fwebinar_room%2F7%2F">Войдите</a>' in html
        assert Person.objects.count() == 1

    @pytest.mark.parametrize(
        ("password", "words"),
        [
            ("vecher7", "нужно хотя бы 8 знаков"),
            ("qwerty123", "подбирают одним из первых"),
            ("olga@example.ru", "слишком похож на логин или имя"),
        ],
    )
    def test_weak_password_is_refused_with_a_reason(self, password, words):
        html = sign_up(Client(), username="olga@example.ru", password=password).content.decode()
        assert words in html
        assert not Person.objects.exists()

    def test_concurrent_sign_up_raises_login_taken(self, make_person, monkeypatch):
        make_person(login="olga@example.ru")
        monkeypatch.setattr(
            services.Person.objects, "filter", _hide_first_result(services.Person.objects.filter)
        )
        with pytest.raises(LoginTaken):
            create_person(login="olga@example.ru", name="О", role=Role.CANDIDATE, password=None)

    def test_logged_in_person_is_redirected_to_account(self, make_person):
        assert logged_in(make_person()).get("/signup/").url == "/account/"
        assert sign_up(logged_in(make_person())).url == "/account/"

    def test_sign_up_follows_next_within_the_site(self):
        assert sign_up(Client(), next="/account/webinar_room/").url == "/account/webinar_room/"
        assert sign_up(Client(), username="b@example.ru", next="https://evil.example/").url == "/account/"

    def test_sign_up_ignores_privileged_fields(self, make_person):
        partner = make_person(Role.PARTNER)
        sign_up(
            Client(), role="admin", invited_by=str(partner.pk), is_superuser="1", lead_id="1", groups="admin"
        )
        person = Person.objects.get(login="olga@example.ru")
        assert (person.role, person.invited_by, person.is_superuser) == ("candidate", None, False)

    def test_sign_ups_of_one_address_are_limited(self, monkeypatch):
        monkeypatch.setitem(LIMITS, "sign_up", replace(LIMITS["sign_up"], count=2))
        codes = [sign_up(Client(), username=f"a{n}@example.ru").status_code for n in range(3)]
        assert codes == [302, 302, 429]
        assert Client().get("/signup/").status_code == 200
        assert sign_up(Client(), username="a9@example.ru")["Retry-After"] == "3600"

    def test_name_length_is_limited(self):
        assert "не более 60 символов" in sign_up(Client(), name="О" * 61).content.decode()
        assert sign_up(Client(), name="О" * 60).status_code == 302

    def test_consent_text_is_linked(self):
        assert 'href="/consent/"' in Client().get("/signup/").content.decode()
        assert consent_version() in Client().get("/consent/").content.decode()


def _hide_first_result(real):
    calls = []

    def blind(**kwargs):
        calls.append(1)
        return Person.objects.none() if len(calls) == 1 else real(**kwargs)

    return blind


class TestSeatAtSignUp:
    def test_sign_up_books_the_seat(self, make_webinar):
        webinar = make_webinar()
        assert (
            f'name="webinar" value="{webinar.pk}"'
            in Client().get(f"/signup/?webinar={webinar.pk}").content.decode()
        )
        sign_up(Client(), webinar=str(webinar.pk))
        assert Seat.objects.get().person.login == "olga@example.ru"

    def test_sign_up_page_names_the_webinar(self, clock, make_webinar):
        page = Client().get(f"/signup/?webinar={make_webinar(title='Как <начать>').pk}").content.decode()
        assert "Как &lt;начать&gt;" in page
        assert "сегодня в 20:00 МСК" in page

    @pytest.mark.parametrize("state", ["draft", "finished", "archived"])
    def test_closed_webinar_is_not_shown(self, make_webinar, state):
        page = Client().get(f"/signup/?webinar={make_webinar(state, title='Тайный').pk}").content.decode()
        assert "Тайный" not in page
        assert "место на вебинаре" not in page

    def test_account_page_confirms_the_seat(self, clock, make_webinar):
        client = Client()
        assert sign_up(client, webinar=str(make_webinar().pk)).url == "/account/"
        page = client.get("/account/").content.decode()
        assert "Место забронировано: «Как начать», сегодня в 20:00 МСК" in page

    @pytest.mark.parametrize("state", ["live", "paused"])
    def test_sign_up_leads_into_a_live_webinar(self, make_webinar, state):
        number = make_webinar(state).pk
        assert "сразу войдёте в эфир" in Client().get(f"/signup/?webinar={number}").content.decode()
        assert sign_up(Client(), webinar=str(number)).url == f"/account/webinar_room/{number}/"
        answer = sign_up(Client(), webinar=str(number), username="b@example.ru", next="/webinars/")
        assert answer.url == "/webinars/"

    @pytest.mark.parametrize("state", ["draft", "finished", "archived"])
    def test_closed_webinar_does_not_prevent_sign_up(self, make_webinar, state):
        sign_up(Client(), webinar=str(make_webinar(state).pk))
        assert Person.objects.filter(login="olga@example.ru").exists()
        assert not Seat.objects.exists()

    @pytest.mark.parametrize("asked", ["999", "01", "x", "9" * 30, "-1"])
    def test_wrong_webinar_id_does_not_prevent_sign_up(self, asked):
        assert sign_up(Client(), webinar=asked).status_code == 302


class TestReferral:
    @pytest.fixture
    def partners(self, make_person):
        return make_person(Role.PARTNER), make_person(Role.LEADER)

    def invited_by(self) -> Person | None:
        return Person.objects.get(login="olga@example.ru").invited_by

    @pytest.mark.parametrize("page", ["/webinars/", "/signup/"])
    def test_code_is_stored_until_sign_up(self, partners, page):
        client = Client()
        answer = client.get(f"{page}?ref={partners[0].ref_code}")
        cookie = answer.cookies["efir_ref"]
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 90 * 24 * 3600)
        sign_up(client)
        assert self.invited_by() == partners[0]

    def test_last_valid_code_wins(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        client.get(f"/webinars/?ref={partners[1].ref_code.upper()}")
        client.get("/webinars/?ref=nobody")
        sign_up(client)
        assert self.invited_by() == partners[1]

    def test_code_in_address_wins_over_cookie(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        sign_up(client, f"/signup/?ref={partners[1].ref_code}")
        assert self.invited_by() == partners[1]

    def test_invalid_code_in_address_keeps_the_cookie(self, partners):
        client = Client()
        client.get(f"/webinars/?ref={partners[0].ref_code}")
        sign_up(client, "/signup/?ref=nobody")
        assert self.invited_by() == partners[0]

    @pytest.mark.parametrize("code", ["nobody", "\x00", "x" * 500, "код"])
    def test_malformed_code_is_told_before_the_account_is_made(self, code):
        client = Client()
        assert "efir_ref" not in client.get("/webinars/", {"ref": code}).cookies
        page = sign_up(client, ref=code).content.decode()
        assert "Ссылка-приглашение не действует" in page
        assert 'name="ref"' not in page
        assert not Person.objects.filter(login="olga@example.ru").exists()
        sign_up(client)
        assert self.invited_by() is None

    def test_code_that_expired_meanwhile_is_reported(self, partners):
        client = Client()
        client.get(f"/signup/?ref={partners[0].ref_code}")
        assign_role(partners[0], Role.CANDIDATE, SYSTEM)
        page = sign_up(client, ref=partners[0].ref_code).content.decode()
        assert "Ссылка-приглашение не действует" in page
        assert "Ссылка-приглашение не действует" in client.get("/signup/").content.decode()

    @pytest.mark.parametrize(
        "end",
        [*".,)»/!*…\"'?;:]}>&", "\u200b", "\u2069", ").", "%20", "?utm_source=tg", " Приходите!", "\u2019"],
    )
    def test_what_follows_the_code_is_ignored(self, partners, end):
        client = Client()
        page = client.get(f"/signup/?ref={partners[0].ref_code}{end}")
        assert f"<b>{partners[0].name}</b>" in page.content.decode()
        sign_up(client)
        assert self.invited_by() == partners[0]

    @pytest.mark.parametrize("end", [*".,)»/!*…", "\u200b", "\u2069"])
    def test_what_follows_the_webinar_is_ignored(self, partners, make_webinar, end):
        client, scheduled = Client(), make_webinar()
        address = f"/signup/?ref={partners[0].ref_code}&webinar={scheduled.pk}{end}"
        assert scheduled.title in client.get(address).content.decode()

    def test_sign_up_page_reports_an_invalid_code(self, partners, make_person):
        dead = "Ссылка-приглашение не действует"
        client = Client()
        for code in ("nobody", "код", make_person().ref_code):
            assert dead in client.get("/signup/", {"ref": code}).content.decode()
        for query in ({}, {"ref": ""}, {"ref": partners[0].ref_code}):
            assert dead not in client.get("/signup/", query).content.decode()
        assert "пришли раньше" in client.get("/signup/?ref=nobody").content.decode()

    def test_code_of_a_candidate_is_ignored(self, make_person):
        client = Client()
        client.get(f"/webinars/?ref={make_person().ref_code}")
        sign_up(client)
        assert self.invited_by() is None

    def test_inviter_is_never_rewritten(self, partners):
        client = Client()
        sign_up(client, ref=partners[0].ref_code)
        client.get(f"/webinars/?ref={partners[1].ref_code}")
        client.post("/account/contact_details", {"email": "", "phone": "", "telegram_name": ""})
        assert self.invited_by() == partners[0]


class TestLogIn:
    @pytest.mark.parametrize("typed", ["89991234567", "+7 (999) 123-45-67", "8 999 123 45 67"])
    def test_login_accepts_spellings_of_a_phone_number(self, make_person, typed):
        make_person(login="+79991234567", password=PASSWORD)
        assert Client().post("/login/", {"username": typed, "password": PASSWORD}).status_code == 302

    def test_unknown_login_and_wrong_password_get_the_same_page(self, make_person):
        make_person(login="olga@example.ru", password=PASSWORD)
        pages = [
            re.sub(
                r'value="[^"]*"',
                "",
                Client().post("/login/", {"username": name, "password": "wrong"}).content.decode(),
            )
            for name in ("olga@example.ru", "nobody@example.ru")
        ]
        assert pages[0] == pages[1]

    def test_login_changes_the_session_key(self, make_person):
        client = Client()
        client.get("/webinars/")
        person = make_person(password=PASSWORD)
        session = client.session
        session["kept"] = "1"
        session.save()
        before = session.session_key
        client.cookies["sessionid"] = before
        client.post("/login/", {"username": person.login, "password": PASSWORD})
        assert client.session.session_key != before

    def test_wrong_passwords_are_limited_for_all_spellings(self, make_person):
        make_person(login="+79991234567", password=PASSWORD)
        spellings = ["89991234567", "+79991234567"] * 5
        codes = [
            Client().post("/login/", {"username": each, "password": "wrong"}).status_code
            for each in spellings
        ]
        assert codes[-1] == 429
        answer = Client().post("/login/", {"username": "89991234567", "password": PASSWORD})
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert "Подождите" in answer.content.decode()

    def test_login_ignores_next_of_another_site(self, make_person):
        person = make_person(password=PASSWORD)
        answer = Client().post(
            "/login/", {"username": person.login, "password": PASSWORD, "next": "//evil.example/"}
        )
        assert answer.url == "/account/"

    def test_logout_requires_the_csrf_token(self, make_person):
        client = logged_in(make_person(), enforce_csrf_checks=True)
        answer = client.post("/logout/")
        assert answer.status_code == 403
        assert "Форма устарела" in answer.content.decode()

    def test_logout_by_get_shows_a_page(self, make_person):
        answer = logged_in(make_person()).get("/logout/", headers={"accept": "text/html"})
        assert answer.status_code == 405
        assert 'action="/logout/"' in answer.content.decode()


class TestPeople:
    def test_admin_assigns_a_role(self, make_person):
        person = make_person()
        client = logged_in(make_person(Role.ADMIN))
        assert client.post(f"/account/people/{person.pk}/role", {"role": "partner"}).status_code == 200
        assert Person.objects.get(pk=person.pk).role == "partner"

    def test_browser_is_asked_before_a_role_changes(self, make_person):
        person, client = make_person(name="Ольга"), logged_in(make_person(Role.ADMIN))
        path, html = f"/account/people/{person.pk}/role", {"headers": {"accept": "text/html"}}
        page = client.post(path, {"role": "partner"}, **html)
        assert page.status_code == 200
        assert "роль сейчас — кандидат, будет — партнёр" in page.content.decode()
        assert Person.objects.get(pk=person.pk).role == "candidate"
        fields = dict(
            re.findall(r'<input type="hidden" name="(role|confirmed)" value="(\w+)"', page.content.decode())
        )
        assert client.post(path, fields, **html).status_code == 302
        assert Person.objects.get(pk=person.pk).role == "partner"
        # The role that somebody has needs no question.
        assert client.post(path, {"role": "partner"}, **html).status_code == 302

    def test_admin_cannot_change_own_role(self, make_person):
        admin = make_person(Role.ADMIN)
        answer = logged_in(admin).post(f"/account/people/{admin.pk}/role", {"role": "candidate"})
        assert (answer.status_code, answer.json()["error"]) == (409, "own_role")
        assert Person.objects.get(pk=admin.pk).role == "admin"

    @pytest.mark.parametrize("role", ["moderator", "", "Admin"])
    def test_unknown_role_is_refused(self, make_person, role):
        client = logged_in(make_person(Role.ADMIN))
        assert client.post(f"/account/people/{make_person().pk}/role", {"role": role}).status_code == 400

    @pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER, Role.SPEAKER])
    def test_only_admins_manage_people(self, make_person, role):
        person, client = make_person(), logged_in(make_person(role))
        for action in ("role", "password_reset"):
            assert client.post(f"/account/people/{person.pk}/{action}", {"role": "admin"}).status_code == 403
        assert client.post("/account/people/", {"name": "x"}).status_code == 403
        assert Person.objects.get(pk=person.pk).role == "candidate"

    def test_search_finds_people_by_part_of_name_or_login(self, make_person):
        make_person(name="Ольга Новикова", login="olga@example.ru")
        make_person(name="Игорь", login="+79991234567")
        client = logged_in(make_person(Role.ADMIN, name="Мария"))
        for sought, found in {
            "новикова": "Ольга",
            "8999123": "",
            "89991234567": "Игорь",
            "OLGA": "Ольга",
        }.items():
            page = client.get("/account/people/", {"q": sought}).content.decode()
            assert not found or found in page
            assert "Мария</td>" not in page

    def test_admin_adds_a_person_with_a_password_link(self, make_person):
        partner = make_person(Role.PARTNER, login="partner@example.ru")
        client = logged_in(make_person(Role.ADMIN))
        fields = {"name": "Новая", "login": "new@example.ru", "role": "speaker", "inviter": partner.login}
        page = client.post("/account/people/", fields).content.decode()
        added = Person.objects.get(login="new@example.ru")
        assert (added.role, added.invited_by, added.has_usable_password()) == ("speaker", partner, False)
        assert "/account/reset/" in page
        assert "уже есть" in client.post("/account/people/", fields).content.decode()


class TestPasswordReset:
    @pytest.fixture
    def link(self, make_person):
        self.person = make_person(password=PASSWORD)
        self.earlier = logged_in(self.person)
        client = logged_in(make_person(Role.ADMIN))
        page = client.post(f"/account/people/{self.person.pk}/password_reset").content.decode()
        return re.search(r"http://[^\"/]+(/account/reset/[^\"]+)", page)[1]

    def test_link_sets_password_once_and_ends_sessions(self, link):
        fields = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        assert Client().get(link).status_code == 200
        assert Client().post(link, fields).url == "/login/"
        assert self.earlier.get("/account/").status_code == 302
        answer = Client().post("/login/", {"username": self.person.login, "password": "sovsem-novyj-7"})
        assert answer.url == "/account/"
        assert Client().post(link, fields).status_code == 404
        assert Client().get(link).status_code == 404

    def test_forged_link_is_404(self, link):
        for forged in (link[:-2] + "x/", "/account/reset/MQ/abc/", "/account/reset/%00/abc-def/"):
            assert Client().get(forged).status_code == 404

    def test_opening_the_link_writes_nothing(self, link):
        with CaptureQueriesContext(connection) as queries:
            Client().get(link)
        assert all(query["sql"].startswith("SELECT") for query in queries)

    def test_password_errors_are_shown_at_their_field(self, link):
        assert "Не меньше 8 знаков." in Client().get(link).content.decode()
        short = Client().post(link, {"new_password1": "korotko", "new_password2": "korotko"}).content.decode()
        assert "id_new_password1_error" in short
        assert "id_new_password2_error" not in short
        other = (
            Client().post(link, {"new_password1": "sovsem-novyj-7", "new_password2": "x"}).content.decode()
        )
        assert "id_new_password1_error" not in other
        assert "id_new_password2_error" in other

    def test_password_change_requires_the_old_password(self, make_person):
        client, other = logged_in(person := make_person(password=PASSWORD)), logged_in(person)
        fields = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        assert client.post("/account/password/", fields | {"old_password": "wrong"}).status_code == 200
        assert client.post("/account/password/", fields | {"old_password": PASSWORD}).url == "/account/"
        assert client.get("/account/").status_code == 200
        assert other.get("/account/").status_code == 302
        assert "Вы вошли только в этом браузере" in client.get("/account/security/").content.decode()


def test_logins_are_logged_by_person_id(make_person, client, caplog):
    person = make_person(login="anna@example.org", password=PASSWORD)
    client.post("/login/", {"username": person.login, "password": "a-wrong-password"})
    client.post("/login/", {"username": person.login, "password": PASSWORD})
    client.post("/logout/")
    lines = [record.msg for record in caplog.records if record.name == "efir.accounts.login_throttle"]
    assert [(each["event"], each.get("person_id")) for each in lines] == [
        ("log_in_failed", None),
        ("logged_in", person.pk),
        ("logged_out", person.pk),
    ]
    assert person.login not in caplog.text
    assert "password" not in "".join(map(str, lines))


class TestLateFormSave:
    """A request may be overtaken by another one between reading the person and saving."""

    NEW = "sovsem-novyj-7"

    def test_contacts_form_keeps_closed_account_and_new_password(self, make_person):
        person = make_person(password=PASSWORD)
        form = ContactsForm({"telegram_name": "anna_p"}, instance=Person.objects.get(pk=person.pk))
        assert form.is_valid()
        person.set_password(self.NEW)
        person.save(update_fields=["password"])
        close_account(Person.objects.get(pk=person.pk), SYSTEM)
        form.save()
        person.refresh_from_db()
        assert (person.is_active, person.has_usable_password()) == (False, False)
        assert person.telegram_name == "anna_p"

    def test_late_password_keeps_account_closed(self, make_person):
        person = make_person(password=PASSWORD)
        close_account(Person.objects.get(pk=person.pk), SYSTEM)
        with pytest.raises(PasswordOvertaken):
            set_password(person, self.NEW, Action.PASSWORD_CHANGED, Context(person.pk, Source.WEB))
        person.refresh_from_db()
        assert not person.is_active


class TestWebinarLink:
    """A partner's link to a webinar offers its seat to everybody who opens it."""

    def test_logged_in_person_is_offered_the_seat(self, make_person, make_webinar):
        webinar, person = make_webinar(), make_person()
        client, link = logged_in(person), f"/signup/?ref=whatever&webinar={webinar.pk}"
        page = client.get(link).content.decode()
        assert webinar.title in page
        assert f'action="/webinars/{webinar.pk}/seat"' in page
        assert not Seat.objects.exists()  # opening the link writes nothing
        client.post(f"/webinars/{webinar.pk}/seat")
        page = client.get(link, follow=True).content.decode()
        assert f'action="/webinars/{webinar.pk}/seat"' not in page
        assert f"/account/webinar_room/{webinar.pk}/" in page

    def test_login_from_sign_up_leads_to_the_seat(self, make_person, make_webinar):
        webinar, person = make_webinar(), make_person(password=PASSWORD)
        page = Client().get(f"/signup/?webinar={webinar.pk}").content.decode()
        (log_in,) = re.findall(r'<a href="(/login/\?next=[^"]+)">Войдите</a>', page)
        client = Client()
        answer = client.post(log_in, {"username": person.login, "password": PASSWORD})
        assert answer.url == f"/signup/?webinar={webinar.pk}"
        assert f'action="/webinars/{webinar.pk}/seat"' in client.get(answer.url).content.decode()

    def test_link_of_a_past_webinar_names_the_next_one(self, make_person, make_webinar):
        over, ahead = make_webinar("finished"), make_webinar(title="Следующий <эфир>")
        for client in (Client(), logged_in(make_person())):
            page = client.get(f"/signup/?webinar={over.pk}").content.decode()
            assert "Вебинар, на который вела ссылка, уже прошёл." in page
            assert f"/webinars/{over.pk}/seat" not in page
        assert "«Следующий &lt;эфир&gt;»" in Client().get(f"/signup/?webinar={over.pk}").content.decode()
        assert "сразу после регистрации" in Client().get("/signup/").content.decode()
        assert ahead.pk

    def test_sign_up_page_says_what_the_inviter_sees(self, make_person):
        partner = make_person(Role.PARTNER)
        page = Client().get(f"/signup/?ref={partner.ref_code}").content.decode()
        assert "Этот человек увидит ваше имя и e-mail или телефон" in page
        assert "Этот человек увидит" not in Client().get("/signup/").content.decode()


@pytest.mark.parametrize(("is_active", "allowed"), [(True, [True, False]), (False, [False, False])])
def test_permissions_are_those_of_the_role_of_an_active_person(make_person, is_active, allowed):
    person = make_person(Role.PARTNER)
    person.user_permissions.add(Permission.objects.get(codename=Capability.ASSIGN_ROLES))
    person.is_active = is_active
    with CaptureQueriesContext(connection) as queries:
        found = [can(person, each) for each in (Capability.SEE_OWN_CANDIDATES, Capability.ASSIGN_ROLES)]
    assert found == allowed
    assert len(queries) <= 1
