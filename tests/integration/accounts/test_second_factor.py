"""The second factor: two steps of a login, codes that count once, recovery codes, and the ways back."""

from __future__ import annotations

import re
from base64 import b32decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from types import SimpleNamespace

import pyotp
import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from django.utils.crypto import salted_hmac

from efir.accounts import second_factor
from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import Person, RecoveryCode, SecondFactor, Session
from efir.accounts.password_reset import one_time_link
from efir.accounts.personal_data import export_data
from efir.accounts.second_factor import CodeRefused, Refusal
from efir.audit.models import AuditEntry
from efir.hooks.actions import Context, Source
from efir.ops.cli.people import reset_second_factor
from efir.telegram import notices
from tests.conftest import PASSWORD, logged_in
from tests.support.telegram import linked, with_accepted_bot

pytestmark = pytest.mark.django_db

WEB = Context(None, Source.SYSTEM)
HTML = {"accept": "text/html"}
LOGIN, CODE, SECURITY = "/login/", "/login/code/", "/account/security/"
SET_UP = "/account/second_factor/"
STEP_S, MINUTE = 30, 60
HASHERS = django_settings.PASSWORD_HASHERS


@pytest.fixture(autouse=True)
def _bot(clock, settings):
    with_accepted_bot(settings, public_url="https://efir.example.org")
    # Each person here has eleven hashes, which cost a second with the product's own hasher.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def secret():
    return second_factor.new_secret()


@pytest.fixture
def make_guarded(make_person, clock, secret):
    """Return a function that makes a person with a second factor; `recovery_codes` are theirs."""

    def make(role=Role.SPEAKER, **kwargs):
        person = make_person(role, password=PASSWORD, **kwargs)
        person.recovery_codes_shown = second_factor.enable(person, secret, code_now(secret, clock), WEB)
        clock.move(STEP_S)
        return person

    return make


@pytest.fixture
def person(make_guarded):
    return make_guarded(login="anna@example.ru", name="Анна")


def code_now(secret, clock, steps=0):
    return pyotp.TOTP(secret).at(int(clock().timestamp()) + steps * STEP_S)


def legacy_seal(data, purpose):
    """Seal as revisions before AES-SIV did."""
    tag = salted_hmac(f"{purpose}.tag", data, algorithm="sha256").digest()[:16]
    mask = salted_hmac(f"{purpose}.mask", tag, algorithm="sha256").digest()
    return tag + bytes(left ^ right for left, right in zip(data, mask, strict=False))


def type_password(client, person, **fields):
    return client.post(LOGIN, {"username": person.login, "password": PASSWORD} | fields)


def is_logged_in(client):
    return client.get("/account/").status_code == 200


def refusal(person, code):
    with pytest.raises(CodeRefused) as refused:
        second_factor.check_code(person, code, WEB)
    return refused.value.why


def actions():
    entries = AuditEntry.objects.exclude(action="consent_given").order_by("pk")
    return list(entries.values_list("action", "source"))


def told():
    return [claim.purpose for claim in notices.claim_notices(10)]


class TestCode:
    @pytest.mark.parametrize("steps", [-1, 0, 1])
    def test_clock_may_be_one_step_off(self, person, secret, clock, steps):
        clock.move(MINUTE)
        assert second_factor.check_code(person, code_now(secret, clock, steps), WEB) is None

    @pytest.mark.parametrize("steps", [-2, 2])
    def test_clock_two_steps_off_is_refused(self, person, secret, clock, steps):
        clock.move(MINUTE)
        assert refusal(person, code_now(secret, clock, steps)) is Refusal.WRONG

    def test_code_counts_once(self, person, secret, clock):
        code = code_now(secret, clock)
        second_factor.check_code(person, code, WEB)
        assert refusal(person, code) is Refusal.USED

    def test_earlier_code_does_not_count_after_a_later_one(self, person, secret, clock):
        clock.move(MINUTE)
        second_factor.check_code(person, code_now(secret, clock), WEB)
        assert refusal(person, code_now(secret, clock, -1)) is Refusal.USED

    def test_code_of_the_set_up_does_not_log_in(self, person, secret, clock):
        assert refusal(person, code_now(secret, clock, -1)) is Refusal.USED

    @pytest.mark.parametrize("typed", ["{} {}", " {}{}\u200b", "{}-{}"])
    def test_code_may_be_typed_in_groups(self, person, secret, clock, typed):
        code = code_now(secret, clock)
        assert second_factor.check_code(person, typed.format(code[:3], code[3:]), WEB) is None

    @pytest.mark.parametrize("typed", ["", "12345", "1234567", "абвгде", "١٢٣٤٥٦", "x" * 500])
    def test_anything_else_is_wrong(self, person, typed):
        assert refusal(person, typed) is Refusal.WRONG

    def test_code_of_another_person_is_wrong(self, person, make_person, clock):
        other, secret = make_person(Role.ADMIN), second_factor.new_secret()
        second_factor.enable(other, secret, code_now(secret, clock), WEB)
        assert refusal(person, code_now(secret, clock)) is Refusal.WRONG


class TestRecoveryCode:
    def test_works_once_and_says_how_many_are_left(self, person):
        code = person.recovery_codes_shown[0]
        assert second_factor.check_code(person, code, WEB) == second_factor.RECOVERY_CODES - 1
        assert refusal(person, code) is Refusal.NO_RECOVERY_CODE

    @pytest.mark.parametrize("typed", ["qsgc-6tcs-pjb9", "qsgc-6tcs", "123456"])
    def test_wrong_one_is_said_without_talk_of_the_phone(self, client, person, typed):
        type_password(client, person)
        page = client.post(CODE + "?recovery=1", {"code": typed}).content.decode()
        assert "Такого кода восстановления нет" in page
        assert "часы телефона" not in page

    def test_may_be_typed_without_dashes_and_in_capitals(self, person):
        code = person.recovery_codes_shown[1].replace("-", "").upper()
        assert second_factor.check_code(person, code, WEB) is not None

    def test_new_codes_end_the_old_ones(self, person):
        new = second_factor.replace_recovery_codes(person, WEB)
        assert refusal(person, person.recovery_codes_shown[0]) is Refusal.NO_RECOVERY_CODE
        assert second_factor.check_code(person, new[0], WEB) == 9

    def test_is_stored_as_a_slow_hash(self, person, settings):
        settings.PASSWORD_HASHERS = HASHERS
        second_factor.replace_recovery_codes(person, WEB)
        hashes = list(RecoveryCode.objects.values_list("hash", flat=True))
        assert len(hashes) == 10
        assert all(stored.startswith("argon2") for stored in hashes)


class TestLogin:
    def test_password_alone_logs_nobody_in(self, client, person):
        answer = type_password(client, person)
        assert answer.url == CODE
        assert "sessionid" not in answer.cookies
        assert not Session.objects.filter(person=person).exists()
        assert not is_logged_in(client)

    def test_code_completes_it(self, client, person, secret, clock):
        type_password(client, person, next="/account/data/")
        page = client.get(CODE + "?next=/account/data/").content.decode()
        assert 'inputmode="numeric"' in page
        answer = client.post(CODE, {"code": code_now(secret, clock), "next": "/account/data/"})
        assert answer.url == "/account/data/"
        assert is_logged_in(client)
        assert not client.cookies["efir_password_step"].value

    def test_recovery_code_completes_it_and_tells_how_many_are_left(self, client, person):
        type_password(client, person)
        assert "Код восстановления" in client.get(CODE + "?recovery=1").content.decode()
        client.post(CODE + "?recovery=1", {"code": person.recovery_codes_shown[0]})
        assert "Осталось кодов: 9." in client.get("/account/").content.decode()
        assert actions()[-1] == ("recovery_code_used", "web")
        assert AuditEntry.objects.get(action="recovery_code_used").details == {"codes_left": 9}

    def test_wrong_code_is_said(self, client, person):
        type_password(client, person)
        page = client.post(CODE, {"code": "000000"})
        assert "Код не подходит." in page.content.decode()
        assert not is_logged_in(client)

    def test_used_code_is_said(self, client, person, secret, clock):
        second_factor.check_code(person, code := code_now(secret, clock), WEB)
        type_password(client, person)
        assert "уже использован" in client.post(CODE, {"code": code}).content.decode()

    def test_both_pages_are_in_english(self, client, person):
        client.cookies["django_language"] = "en"
        type_password(client, person)
        assert "Code from the app" in client.get(CODE).content.decode()
        assert "Recovery code" in client.get(CODE + "?recovery=1").content.decode()

    def test_code_without_the_password_leads_back(self, client, person, secret, clock):
        assert client.get(CODE + "?next=/account/data/").url == "/login/?next=%2Faccount%2Fdata%2F"
        assert client.post(CODE, {"code": code_now(secret, clock)}).url == LOGIN
        assert not is_logged_in(client)

    @pytest.mark.parametrize("end", ["password", "closed", "other key", "forged"])
    def test_first_step_ends(self, client, person, settings, end):
        type_password(client, person)
        match end:
            case "password":
                person.set_password("sovsem-novyj-7")
                person.save()
            case "closed":
                Person.objects.filter(pk=person.pk).update(is_active=False)
            case "other key":
                settings.SECRET_KEY = "x" * 50
            case "forged":
                client.cookies["efir_password_step"] = client.cookies["efir_password_step"].value[:-1] + "x"
        assert client.post(CODE, {"code": person.recovery_codes_shown[0]}).status_code == 302
        assert not Session.objects.filter(person=person).exists()

    def test_first_step_ends_after_ten_minutes(self, client, person, secret, clock, monkeypatch):
        type_password(client, person)
        monkeypatch.setattr("django.core.signing.time.time", lambda: __import__("time").monotonic() + 1e10)
        assert client.post(CODE, {"code": code_now(secret, clock)}).url == LOGIN

    def test_reset_between_the_steps_does_not_let_in_without_a_code(self, client, person):
        type_password(client, person)
        second_factor.reset(person, WEB)
        assert client.post(CODE, {"code": "000000"}).url == LOGIN
        assert not is_logged_in(client)

    def test_role_lost_does_not_switch_it_off(self, client, make_guarded):
        person = make_guarded(Role.CANDIDATE)
        assert type_password(client, person).url == CODE

    def test_new_password_by_a_link_does_not_pass_by_it(self, client, person):
        link = one_time_link(person).removeprefix(django_settings.EFIR.public_url)
        new = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        assert client.post(link, new).url == LOGIN
        answer = client.post(LOGIN, {"username": person.login, "password": "sovsem-novyj-7"})
        assert answer.url == CODE
        assert not is_logged_in(client)
        assert second_factor.is_on(person)


class TestGuessing:
    def test_ten_wrong_codes_from_an_address_close_it(self, client, person, secret, clock):
        type_password(client, person)
        codes = [client.post(CODE, {"code": "000000"}).status_code for _ in range(11)]
        assert codes == [200] * 9 + [429] * 2
        closed = client.post(CODE, {"code": code_now(secret, clock)}, headers=HTML)
        assert closed.status_code == 429
        # A new password does not help.
        assert "Попросите администратора сбросить" in closed.content.decode()
        assert "новый пароль" not in closed.content.decode()
        # The password is closed together with the code.
        assert type_password(Client(), person).status_code == 429

    def test_many_addresses_share_the_limit_of_the_login(self, person):
        clients = [Client(REMOTE_ADDR=f"203.0.113.{number}") for number in range(5)]
        answers = []
        for client in clients:
            type_password(client, person)
            answers += [client.post(CODE, {"code": "000000"}).status_code for _ in range(5)]
        assert answers == [200] * 20 + [429] * 5

    def test_owner_is_told_once_that_somebody_guesses(self, client, person):
        linked(person)
        told()
        type_password(client, person)
        for _ in range(14):
            client.post(CODE, {"code": "000000"})
        assert told() == ["codes_guessed"]

    def test_new_password_by_a_link_gives_no_more_guesses(self, client, person):
        type_password(client, person)
        for _ in range(9):
            client.post(CODE, {"code": "000000"})
        link = one_time_link(person).removeprefix(django_settings.EFIR.public_url)
        new = {"new_password1": "sovsem-novyj-7", "new_password2": "sovsem-novyj-7"}
        client.post(link, new)
        client.post(LOGIN, {"username": person.login, "password": "sovsem-novyj-7"})
        assert client.post(CODE, {"code": "000000"}).status_code == 429

    def test_right_login_forgives_wrong_codes(self, client, person, secret, clock):
        type_password(client, person)
        for _ in range(8):
            client.post(CODE, {"code": "000000"})
        client.post(CODE, {"code": code_now(secret, clock)})
        other = Client()
        type_password(other, person)
        assert other.post(CODE, {"code": "000000"}).status_code == 200

    def test_known_browser_has_a_limit_of_its_own(self, client, person, secret, clock):
        type_password(client, person)
        client.post(CODE, {"code": code_now(secret, clock)})
        client.post("/logout/")
        stranger = Client()
        type_password(stranger, person)
        while stranger.post(CODE, {"code": "000000"}).status_code == 200:
            pass
        clock.move(STEP_S)
        type_password(client, person)
        assert client.post(CODE, {"code": code_now(secret, clock)}).status_code == 302


class TestSetUp:
    @pytest.fixture
    def owner(self, make_person):
        return make_person(Role.SPEAKER, password=PASSWORD)

    @pytest.fixture
    def browser(self, owner):
        return logged_in(owner)

    def begun(self, browser):
        browser.post(SET_UP + "begin", headers=HTML)
        page = unescape(browser.get(SET_UP).content.decode())
        return page, re.search(r"[?&]secret=([A-Z2-7]+)", page)[1]

    def test_set_up_from_start_to_recovery_codes(self, browser, owner, clock):
        linked(owner)
        other = logged_in(owner)
        assert "выключен" in browser.get(SECURITY).content.decode()
        page, secret = self.begun(browser)
        assert "<svg" in page
        assert "otpauth://totp/" in page
        shown = browser.post(SET_UP, {"code": code_now(secret, clock)}).content.decode()
        codes = re.findall(r"<code>([\w-]+)</code>", shown)
        assert len(codes) == 10
        assert second_factor.is_on(owner)
        assert is_logged_in(browser)
        assert not is_logged_in(other)
        assert actions() == [("second_factor_enabled", "web")]
        assert told() == ["second_factor_on"]
        state = browser.get(SECURITY).content.decode()
        assert "включён" in state
        assert not any(code in state for code in codes)

    def test_secret_is_shown_until_the_first_code_only(self, browser, clock):
        _, secret = self.begun(browser)
        browser.post(SET_UP, {"code": code_now(secret, clock)})
        assert browser.get(SET_UP).url == SECURITY
        assert browser.post(SET_UP, {"code": code_now(secret, clock)}).url == SECURITY

    def test_wrong_code_changes_nothing(self, browser, owner):
        self.begun(browser)
        answer = browser.post(SET_UP, {"code": "000000"})
        assert answer.status_code == 400
        assert "Код не подходит." in answer.content.decode()
        assert not second_factor.is_on(owner)

    def test_opening_the_page_makes_no_secret(self, browser):
        assert browser.get(SET_UP).url == SECURITY

    def test_older_login_is_asked_for_the_password(self, browser, owner, clock):
        clock.move(11 * MINUTE)
        assert browser.post(SET_UP + "begin", headers=HTML).status_code == 403
        assert browser.post(SET_UP + "begin", {"password": PASSWORD}, headers=HTML).url == SET_UP

    def test_is_not_offered_to_candidates(self, as_role):
        client = as_role(Role.CANDIDATE)
        assert "second_factor" not in client.get(SECURITY).content.decode()
        assert client.post(SET_UP + "begin").status_code == 403

    def test_secret_is_nowhere_in_plain(self, browser, owner, clock, caplog):
        _, secret = self.begun(browser)
        session = Session.objects.get(person=owner)
        assert secret not in str(session.get_decoded())
        browser.post(SET_UP, {"code": code_now(secret, clock)})
        stored = SecondFactor.objects.get(person=owner)
        assert secret not in stored.sealed_secret
        assert secret not in caplog.text
        assert secret not in str(export_data(owner))
        assert secret not in str(list(AuditEntry.objects.values_list("details", flat=True)))

    def test_second_enabling_is_refused(self, owner, clock):
        secret = second_factor.new_secret()
        second_factor.enable(owner, secret, code_now(secret, clock), WEB)
        with pytest.raises(second_factor.AlreadyOn):
            second_factor.enable(owner, secret, code_now(secret, clock), WEB)


class TestPasswordAgain:
    """Where the product asks for the password, it asks for the code, too."""

    @pytest.mark.parametrize(
        ("address", "fields"),
        [
            ("/account/telegram/link", {}),
            ("/account/people/", {"name": "Яна", "login": "ya@example.ru", "role": "speaker", "inviter": ""}),
            ("/account/people/{other}/role", {"role": "speaker", "confirmed": "yes"}),
            ("/account/people/{other}/password_reset", {}),
            ("/account/site/", {"name": "Наш сайт"}),
        ],
    )
    def test_step_that_asks_when_the_login_is_old(self, make_guarded, secret, clock, address, fields):
        admin, other = make_guarded(Role.ADMIN), make_guarded(Role.CANDIDATE)
        client, address = logged_in(admin), address.format(other=other.pk)
        clock.move(11 * MINUTE)
        page = client.post(address, fields, headers=HTML)
        assert 'name="code"' in page.content.decode()
        alone = client.post(address, fields | {"password": PASSWORD}, headers=HTML)
        assert alone.status_code == 403
        wrong = client.post(address, fields | {"password": PASSWORD, "code": "000000"})
        assert wrong.json()["error"] == "code_required"
        assert {action for action, _ in actions()} <= {"second_factor_enabled"}
        both = fields | {"password": PASSWORD, "code": code_now(secret, clock)}
        assert client.post(address, both).status_code != 403

    def test_wrong_password_does_not_cost_the_code(self, person, secret, clock):
        client = logged_in(person)
        clock.move(11 * MINUTE)
        fields = {"code": code_now(secret, clock)}
        answer = client.post("/account/telegram/link", fields | {"password": "x"})
        assert answer.json()["error"] == "password_required"
        assert client.post("/account/telegram/link", fields | {"password": PASSWORD}).status_code == 200

    def test_new_password(self, person, secret, clock):
        client = logged_in(person)
        new = {
            "old_password": PASSWORD,
            "new_password1": "sovsem-novyj-7",
            "new_password2": "sovsem-novyj-7",
        }
        assert 'name="code"' in client.get("/account/password/").content.decode()
        assert client.post("/account/password/", new).status_code == 200
        # A password that is refused does not cost the code.
        code = {"code": code_now(secret, clock)}
        assert client.post("/account/password/", new | {"new_password2": "x"} | code).status_code == 200
        assert client.post("/account/password/", new | code).url == "/account/"
        person.refresh_from_db()
        assert person.check_password("sovsem-novyj-7")

    def test_export_and_erasure(self, person, secret, clock):
        client = logged_in(person)
        assert client.post("/account/data/export", {"export-password": PASSWORD}).status_code == 400
        typed = {"export-password": PASSWORD, "export-code": code_now(secret, clock)}
        assert client.post("/account/data/export", typed).status_code == 200
        sure = {"erase-password": PASSWORD, "erase-sure": "on"}
        assert client.post("/account/data/erase", sure).status_code == 400
        clock.move(STEP_S)
        client.post("/account/data/erase", sure | {"erase-code": code_now(secret, clock)})
        assert not SecondFactor.objects.exists()
        assert not RecoveryCode.objects.exists()

    def test_recovery_code_tells_how_many_are_left(self, person, clock):
        client = logged_in(person)
        clock.move(11 * MINUTE)
        fields = {"password": PASSWORD, "code": person.recovery_codes_shown[0]}
        client.post("/account/telegram/link", fields)
        assert "Осталось кодов: 9." in client.get("/account/").content.decode()


class TestOwnPage:
    @pytest.mark.parametrize("step", ["codes", "off"])
    def test_always_asks_for_password_and_code(self, person, secret, clock, step):
        client = logged_in(person)
        assert client.post(SET_UP + step).status_code == 403
        assert client.post(SET_UP + step, {"password": PASSWORD, "code": "000000"}).status_code == 403
        typed = {"password": PASSWORD, "code": code_now(secret, clock)}
        answer = client.post(SET_UP + step, typed)
        assert answer.status_code == (200 if step == "codes" else 302)
        assert second_factor.is_on(person) is (step == "codes")

    def test_switching_off_is_told_and_audited(self, person, secret, clock):
        linked(person)
        told()
        client = logged_in(person)
        client.post(SET_UP + "off", {"password": PASSWORD, "code": code_now(secret, clock)})
        assert actions()[-1] == ("second_factor_disabled", "web")
        assert told() == ["second_factor_off"]
        assert type_password(Client(), person).url == "/admin_webinar/"

    def test_guessing_is_limited(self, person):
        client = logged_in(person)
        typed = {"password": PASSWORD, "code": "000000"}
        answers = [client.post(SET_UP + "off", typed).status_code for _ in range(21)]
        assert answers == [403] * 20 + [429]

    def test_no_codes_left_is_said(self, person):
        RecoveryCode.objects.filter(person=person).delete()
        assert "Кодов восстановления не осталось" in logged_in(person).get(SECURITY).content.decode()


class TestReset:
    def address(self, person):
        return f"/account/people/{person.pk}/second_factor_reset"

    def test_reset_by_another_admin_asks_for_their_password(self, make_person, person):
        linked(person)
        told()
        admin = make_person(Role.ADMIN, password=PASSWORD)
        client, theirs = logged_in(admin), logged_in(person)
        assert self.address(person) in client.get("/account/people/").content.decode()
        asked = client.post(self.address(person))
        assert asked.status_code == 403
        assert "Анна" in asked.content.decode()
        assert client.post(self.address(person), {"password": "x"}).status_code == 403
        assert second_factor.is_on(person)
        assert client.post(self.address(person), {"password": PASSWORD}).url == "/account/people/"
        assert not second_factor.is_on(person)
        assert not is_logged_in(theirs)
        entry = AuditEntry.objects.get(action="second_factor_reset")
        assert (entry.actor_id, entry.person_id) == (admin.pk, person.pk)
        assert told() == ["second_factor_reset"]
        assert type_password(Client(), person).url == "/admin_webinar/"

    def test_admin_with_a_second_factor_shows_a_code(self, make_guarded, person, secret, clock):
        client = logged_in(make_guarded(Role.ADMIN))
        assert client.post(self.address(person), {"password": PASSWORD}).status_code == 403
        typed = {"password": PASSWORD, "code": code_now(secret, clock)}
        assert client.post(self.address(person), typed).status_code == 302

    def test_own_second_factor_cannot_be_reset(self, make_guarded):
        admin = make_guarded(Role.ADMIN)
        client = logged_in(admin)
        assert self.address(admin) not in client.get("/account/people/").content.decode()
        client.post(self.address(admin), {"password": PASSWORD})
        assert second_factor.is_on(admin)

    def test_speaker_cannot_reset_a_second_factor(self, as_role, person):
        assert as_role(Role.SPEAKER).post(self.address(person), {"password": "x"}).status_code == 403

    def test_sole_admin_resets_it_on_the_command_line(self, make_guarded, capsys):
        admin = make_guarded(Role.ADMIN, login="boss@example.ru")
        assert reset_second_factor(SimpleNamespace(login="boss@example.ru")) == 0
        assert '"second_factor_was_on": true' in capsys.readouterr().out
        assert actions()[-1] == ("second_factor_reset", "cli")
        assert type_password(Client(), admin).url in ("/admin_webinar/", "/account/site/")
        assert reset_second_factor(SimpleNamespace(login="boss@example.ru")) == 0
        assert reset_second_factor(SimpleNamespace(login="nobody@example.ru")) == 1


class TestSecretKey:
    def test_code_of_another_key_is_refused_but_recovery_codes_work(
        self, client, person, secret, clock, settings
    ):
        settings.SECRET_KEY = "another-key-of-more-than-thirty-two-signs"
        assert refusal(person, code_now(secret, clock)) is Refusal.UNREADABLE
        type_password(client, person)
        assert "ключ сайта сменили" in client.post(CODE, {"code": "123456"}).content.decode()
        client.post(CODE, {"code": person.recovery_codes_shown[0]})
        assert "Ключ сайта сменили" in client.get(SECURITY).content.decode()

    def test_rotation_keeps_codes(self, person, secret, clock, settings):
        new = "another-key-of-more-than-thirty-two-signs"
        assert second_factor.change_key(settings.SECRET_KEY, new) == 0
        settings.SECRET_KEY = new
        assert second_factor.check_code(person, code_now(secret, clock), WEB) is None
        assert second_factor.unreadable() == []

    def test_next_code_seals_an_old_secret_anew(self, person, secret, clock):
        legacy = legacy_seal(b32decode(secret), f"efir.second-factor.{person.pk}")
        SecondFactor.objects.filter(person=person).update(sealed_secret=urlsafe_b64encode(legacy).decode())
        assert second_factor.check_code(person, code_now(secret, clock), WEB) is None
        sealed = SecondFactor.objects.get(person=person).sealed_secret
        assert sealed == second_factor.seal_secret(secret, person)

    def test_rotation_without_the_old_key_counts_what_is_lost(self, person):
        assert second_factor.change_key("", "new") == 1

    def test_secret_is_worth_nothing_in_another_row(self, person, make_person):
        sealed = SecondFactor.objects.get(person=person).sealed_secret
        assert second_factor.unseal_secret(sealed, make_person()) is None


def test_erasure_forgets_it(person):
    erase(person.pk, WEB)
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_export_tells_of_it_without_the_secret(person):
    (row,) = export_data(person)["second_factor"]
    assert row["recovery_codes_left"] == 10
    assert set(row) == {"since", "recovery_codes_left"}


@pytest.mark.parametrize(
    "purpose",
    ["second_factor_on", "second_factor_off", "second_factor_reset", "recovery_code_used", "codes_guessed"],
)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_owner_is_told_in_their_language(person, purpose, language):
    person.language = language
    text = notices.NoticeClaim(1, 1, purpose, 1, person).compose().text
    assert ("If this was not you" in text or "If you did not ask for it" in text) is (language == "en")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_code_counts_once_for_many_at_once(make_guarded, secret, clock, kind):
    person = make_guarded()
    code = code_now(secret, clock) if kind == "app" else person.recovery_codes_shown[0]

    def check(_):
        try:
            second_factor.check_code(person, code, WEB)
        except CodeRefused:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(check, range(4))) == 1
