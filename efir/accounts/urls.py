"""URLs of accounts."""

from __future__ import annotations

from django.urls import path

from efir.accounts.views import data, login, password, password_reset, people, second_factor, security

urlpatterns = [
    path("login/", login.log_in, name="login"),
    path("login/code/", login.log_in_code, name="login_code"),
    path("login/forgotten/", password_reset.forgotten, name="password_forgotten"),
    path("logout/", login.log_out, name="logout"),
    path("consent/", login.consent, name="consent"),
    path("account/consent/", data.consent_asked, name="consent_asked"),
    path("account/data/", data.own_data, name="own_data"),
    path("account/data/export", data.export, name="own_data_export"),
    path("account/data/erase", data.erase_oneself, name="own_data_erase"),
    path("account/password/", password.change_password, name="password_change"),
    path("account/security/", security.security, name="security"),
    path("account/sessions/end", security.end_others, name="sessions_end"),
    path("account/sessions/<slug:mark>/end", security.end_one, name="session_end"),
    path("account/second_factor/", second_factor.set_up, name="second_factor"),
    path("account/second_factor/begin", second_factor.begin, name="second_factor_begin"),
    path("account/second_factor/codes", second_factor.new_codes, name="second_factor_codes"),
    path("account/second_factor/off", second_factor.off, name="second_factor_off"),
    path("account/people/", people.people, name="people"),
    path("account/people/<id:person_id>/role", people.role, name="person_role"),
    path("account/people/<id:person_id>/password_reset", people.password_reset, name="person_password_reset"),
    path(
        "account/people/<id:person_id>/second_factor_reset",
        second_factor.reset_other,
        name="person_second_factor_reset",
    ),
    path("account/reset/<str:uidb64>/<str:token>/", password_reset.reset, name="password_reset_confirm"),
]
