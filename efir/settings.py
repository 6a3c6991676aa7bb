"""Django's settings, derived from the environment as `efir.config` reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from efir.config import PROVIDER_HOSTS, read_config
from efir.lib.hosts import bracketed
from efir.lib.log import configure_logging

PACKAGE = Path(__file__).resolve().parent

EFIR = read_config(os.environ)

# --- Application ---

SECRET_KEY = EFIR.secret_key
DEBUG = False
# The public host, the listening address, and this machine for health checks and proxies.
ALLOWED_HOSTS = sorted(
    {"127.0.0.1", "localhost", "[::1]", *map(bracketed, (EFIR.host, urlsplit(EFIR.public_url).hostname))}
)
ROOT_URLCONF = "efir.urls"
ASGI_APPLICATION = "efir.asgi.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "efir.triggers",
    "efir.hooks",
    "efir.audit",
    "efir.site_settings",
    "efir.accounts",
    "efir.webinars",
    "efir.room",
    "efir.broadcast",
    "efir.talk",
    "efir.attendance",
    "efir.telegram",
    "efir.followup",
    "efir.importing",
    "efir.pages",
    "efir.server",
    "efir.demo",
]

MIDDLEWARE = [
    # First, so that every answer is counted, those of the other middleware too.
    "efir.web.request_metrics.request_metrics",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "efir.web.security_headers.SecurityHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "efir.web.locale.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "efir.accounts.sessions.SessionPersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

if EFIR.demo:
    MIDDLEWARE.append("efir.demo.middleware.DemoRedirectMiddleware")

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "efir.web.form_token.for_everybody",
                "efir.site_settings.context.site_settings",
            ],
        },
    }
]

FORM_RENDERER = "efir.web.form_renderer.FormRenderer"

# --- Database: SQLite for one process, PostgreSQL for any number ---

url_options: dict[str, Any] = EFIR.database.get("OPTIONS", {})
if EFIR.is_sqlite:
    options = url_options | {
        # Writers queue at BEGIN; with DEFERRED one of two writers would fail halfway.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds that a writer waits for its turn
        # Python's default of 128 prepared statements for each connection costs megabytes and saves microseconds.
        "cached_statements": 0,
        # FULL: a committed fact survives a power cut. A page cache of 512 KiB instead of 2 MiB, because every thread
        # has a connection and the kernel caches the same pages.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-512",
    }
else:
    options = {
        # A server that vanishes is noticed within 15 s: 5 + 2 × 5, and for unacknowledged bytes the last line (in ms).
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 15_000,
        **url_options,
        # An attempt is given up early, because the next one begins at once: the pool's default backs off for minutes.
        "pool": {"min_size": 1, "max_size": 16, "timeout": 10, "reconnect_timeout": 0.5},
    }
ENGINE = "efir.lib.sqlite" if EFIR.is_sqlite else "efir.lib.postgresql"
# SQLite: a thread of a pool keeps its connection, since opening one costs more than most queries. PostgreSQL: the pool
# of connections gets it back after each request.
max_age = None if EFIR.is_sqlite else 0
DATABASES = {"default": EFIR.database | {"ENGINE": ENGINE, "OPTIONS": options, "CONN_MAX_AGE": max_age}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People and sessions ---

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["efir.accounts.hashers.LeanArgon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "efir.accounts.validators.UserAttributeValidator",
        "OPTIONS": {"user_attributes": ["login", "name"]},
    },
    {"NAME": "efir.accounts.validators.MinLengthValidator"},
    {"NAME": "efir.accounts.validators.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/account/"
LOGOUT_REDIRECT_URL = "/webinars/"
SESSION_ENGINE = "efir.accounts.sessions"
SESSION_COOKIE_AGE = 30 * 24 * 3600  # a candidate comes back from one webinar to the next
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
PASSWORD_RESET_TIMEOUT = 24 * 3600  # the link comes by Telegram, which may be opened the next morning

# --- Rate limits: the numbers are in efir.web.rate_limit, django-axes counts wrong passwords ---

AXES_HANDLER = "efir.accounts.login_throttle.AttemptsHandler"
AXES_FAILURE_LIMIT = "efir.accounts.login_throttle.axes_failure_limit"
AXES_COOLOFF_TIME = "efir.accounts.login_throttle.axes_cool_off"
AXES_LOCKOUT_CALLABLE = "efir.accounts.login_throttle.locked_out"
AXES_WHITELIST_CALLABLE = "efir.accounts.login_throttle.is_known_browser"
AXES_USERNAME_CALLABLE = "efir.accounts.login_throttle.attempted_login"
AXES_CLIENT_IP_CALLABLE = "efir.web.client_ip.request_rate_limit_key"
# By login and address together, so that nobody can lock out somebody else.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Otherwise every attempt during a lockout would write to the database and make its row longer without end.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# The counters of the other limits. With Django's default of 300 entries a script could evict them.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
SILENCED_SYSTEM_CHECKS = [
    "django_ratelimit.E003",  # a cache that processes do not share: each may count for itself
    "django_ratelimit.W001",
    "security.W005",  # HSTS for subdomains: they may belong to other sites
    "security.W008",  # redirecting http to https is the proxy's job, because TLS ends there
    "security.W021",  # HSTS preload: the owner of the domain decides
]

# --- Security ---

# What is larger than a form waits on the disk while it arrives (`efir.edge.body_limit.LARGEST_FORM`).
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
CSRF_TRUSTED_ORIGINS = [EFIR.public_url]
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = EFIR.is_https
# Browsers accept a cookie with this prefix only from this very host, over https.
COOKIE_PREFIX = "__Host-" if EFIR.is_https else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
MESSAGE_STORAGE = "efir.web.messages.Storage"
if EFIR.is_https:
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
X_FRAME_OPTIONS = "DENY"
# With Django's default, same-origin, YouTube's player refuses to play (error 153).
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
FRAME_HOSTS = frozenset(PROVIDER_HOSTS) | frozenset(EFIR.frame_hosts)
# The demo's own player page: its room plays something without a network.
OWN_FRAMES: tuple[str, ...] = (f"{EFIR.public_url}/demo/player/",) if EFIR.demo else ()
# Hosts that HLS is played from, besides this installation. A page over https may load only https.
HLS_HOSTS = EFIR.hls_hosts
HLS_ORIGINS = tuple(
    f"{scheme}://{host}"
    for host in HLS_HOSTS
    for scheme in (("https",) if EFIR.is_https else ("https", "http"))
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        # The form that links Telegram posts to this site and is redirected to t.me.
        "form-action": [SELF, "https://t.me"],
        "frame-ancestors": [NONE],
        # hls.js hands its segments to the player as a blob.
        "media-src": [SELF, "blob:", *HLS_ORIGINS],
        "connect-src": [SELF, *HLS_ORIGINS],
        "worker-src": [SELF],
        "frame-src": [*OWN_FRAMES, *sorted(f"https://{host}" for host in FRAME_HOSTS)],
    }
}

# --- Language and time: Russian first, English second; a webinar has its own time zone ---

LANGUAGE_CODE = "ru"
LANGUAGES = [("ru", "Русский"), ("en", "English")]
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}django_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = EFIR.is_https
LOCALE_PATHS = [PACKAGE / "locale"]
USE_TZ = True
TIME_ZONE = EFIR.time_zone

# --- Static files: hashed names, served by the same process ---

STATIC_URL = "/static/"
STATIC_ROOT = EFIR.data_dir / "static"
STATICFILES_DIRS = [PACKAGE / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "efir.web.staticfiles.HashedStaticFiles"},
}

# --- Logs: structlog instead of Django's own configuration ---

LOGGING_CONFIG = None
configure_logging(EFIR.log_level, EFIR.log_format)
