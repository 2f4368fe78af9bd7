"""Settings: one file, read from the environment; what production needs and does not have stops the start.

DEBUG=1 (what `make run` sets) fills in values fit for a laptop. Without it every value marked
`required` must be set, and the start ends with a list of what is missing and an example for each.
"""

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from kombu import Queue
from limits import parse_many

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("DATA") or BASE_DIR / ".data")

_missing: list[str] = []


def flag(name: str, *, default: bool = False) -> bool:
    """A yes/no from the environment: 1, true, yes, on (any case) are yes."""
    return os.environ.get(name, "1" if default else "").strip().lower() in {"1", "true", "yes", "on"}


def words(name: str) -> list[str]:
    """A comma-separated list from the environment."""
    return [word.strip() for word in os.environ.get(name, "").split(",") if word.strip()]


def number(name: str, default: int) -> int:
    """A whole number from the environment.

    Raises:
        ImproperlyConfigured: if it is set and is not a whole number.
    """
    raw = os.environ.get(name, "").strip() or str(default)
    if not raw.isascii() or not raw.isdigit():
        raise ImproperlyConfigured(f"{name}={raw!r} is not a whole number; for example {name}={default}")
    return int(raw)


def limits(name: str) -> dict[str, str]:
    """Channel -> limits from the environment: `channel=20/minute;5/second`, comma-separated; empty: none.

    Raises:
        ImproperlyConfigured: if one cannot be read.
    """
    found = {}
    for word in words(name):
        channel, equals, limit = word.partition("=")
        try:
            if limit or not equals:
                parse_many(limit)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {word!r} is no limit; for example {name}=webhook=1/second") from error
        found[channel.strip()] = limit.strip()
    return found


def required(name: str, example: str, *, laptop: str) -> str:
    """A value that production must set; `laptop` stands in under DEBUG."""
    value = os.environ.get(name, "").strip()
    if not value and DEBUG:
        return laptop
    if not value:
        _missing.append(f"  {name}={example}")
    return value


def _every(interval: timedelta, task: str) -> dict[str, object]:
    """A line of beat's schedule."""
    return {"task": task, "schedule": interval, "options": {"expires": interval.total_seconds() * 0.9}}


DEBUG = flag("DEBUG")
SECRET_KEY = required(
    "SECRET_KEY",
    "<50 random characters: python -c 'import secrets; print(secrets.token_urlsafe(50))'>",
    laptop="laptop-only-key-never-used-when-DEBUG-is-off",
)
# Earlier keys, comma-separated: sessions and the sealed secrets of gateways still open with them.
SECRET_KEY_FALLBACKS = words("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *words("ALLOWED_HOSTS")] if DEBUG else words("ALLOWED_HOSTS")
required("ALLOWED_HOSTS", "ready.example.gov.cn", laptop="localhost")
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "readiness.apps.StaticFiles",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_htmx",
    "pgtrigger",
    "villages",
    "checklists",
    "readiness",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "villages.http.chosen_language",
    "readiness.http.Refusals",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "villages.http.session_limits",
    "villages.http.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "villages.http.private_pages",
]
ROOT_URLCONF = "readiness.urls"
WSGI_APPLICATION = "readiness.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "readiness.http.page",
            ],
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- Data ---------------------------------------------------------------------------------------
# Unset, readiness/embedded.py has set both before this file is read (manage.py, tests).
DATABASES = {
    "default": dj_database_url.parse(
        required("DATABASE_URL", "postgres://user:password@127.0.0.1:5432/readiness", laptop="postgres:///readiness")
        or "postgres:///readiness",
        conn_max_age=60,
        conn_health_checks=True,
    )
}
# A change waits at most this long for a lock: better a clear "try again" than a page that hangs.
# With 16 MB the sums of a country's board are hashed and not sorted: 17 ms instead of 25.
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {"options": "-c lock_timeout=5s -c statement_timeout=60s -c work_mem=16MB", "connect_timeout": 5}
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = required("REDIS_URL", "redis://127.0.0.1:6379/0", laptop="redis://127.0.0.1:6379/0")

# In the memory of each web process: what can always be read again, so nothing is lost or shared with it.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    # Whole boards, about 100 kB each.
    "boards": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "boards",
        "OPTIONS": {"MAX_ENTRIES": 60},
    },
}

# --- People -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "villages.Cadre"
AUTHENTICATION_BACKENDS = ["villages.login.NameOrPhone"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
# A session ends after this long in any case, and after this long without a request.
SESSION_LONGEST = timedelta(hours=number("SESSION_HOURS", 12))
SESSION_IDLE = timedelta(minutes=number("SESSION_IDLE_MINUTES", 30))
SESSION_COOKIE_AGE = int(SESSION_LONGEST.total_seconds())

# --- Words and days -----------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "readiness" / "locale"]
FORMAT_MODULE_PATH = "readiness.formats"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
PRODUCT_NAME = _("Readiness")

# --- Files --------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("bootstrap", BASE_DIR / "node_modules" / "bootstrap" / "dist"),
    ("icons", BASE_DIR / "node_modules" / "bootstrap-icons" / "font"),
    ("echarts", BASE_DIR / "node_modules" / "echarts" / "dist"),
]
STORAGES: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# --- Proof: files that people send -----------------------------------------------------------------
# A directory, or an S3-compatible store (MinIO, OSS and others) once PROOFS_S3_BUCKET is set; private in either case.
# Names are our own and are written over only by a repeat of the same upload.
PROOFS_S3_BUCKET = os.environ.get("PROOFS_S3_BUCKET", "")
STORAGES["proofs"] = (
    {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": PROOFS_S3_BUCKET,
            "endpoint_url": os.environ.get("PROOFS_S3_ENDPOINT") or None,
            "region_name": os.environ.get("PROOFS_S3_REGION") or None,
            "access_key": os.environ.get("PROOFS_S3_KEY") or None,
            "secret_key": os.environ.get("PROOFS_S3_SECRET") or None,
            "default_acl": "private",
            "file_overwrite": True,
            "querystring_auth": False,
        },
    }
    if PROOFS_S3_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "proofs",
            "allow_overwrite": True,
            "file_permissions_mode": 0o640,
            "directory_permissions_mode": 0o750,
        },
    }
)
# A file has at most so many MB; all files of one form together; and one cadre sends so many files a day.
PROOF_MEGABYTES = number("PROOF_MEGABYTES", 25)
PROOF_MEGABYTES_AT_ONCE = 8 * PROOF_MEGABYTES
PROOFS_A_DAY = number("PROOFS_A_DAY", 200)
# Set to an internal location such as /kept/, nginx serves the bytes once we have said who may have them.
X_ACCEL_REDIRECT = os.environ.get("X_ACCEL_REDIRECT", "")

WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

# A whole sheet that is pasted gets an answer in words, which a body cut off here would not.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20
# Files stay in memory and are kept only out of a body of at most this size; out of a larger one they are read past in
# small pieces and thrown away. The form then says that the file is too large.
FILE_UPLOAD_MAX_MEMORY_SIZE = 11 * 2**20
# Files for proof go to disk instead, at their addresses alone.
FILE_UPLOAD_HANDLERS = [
    "checklists.evidence.views.ToDisk",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
]

# --- Headers ------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],  # Bootstrap draws its arrows and ticks as data: pictures
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "villages.http.form_too_old"
if not DEBUG:
    SECURE_SSL_REDIRECT = flag("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked by machines on the same host, over plain HTTP
    SECURE_HSTS_SECONDS = number("SECURE_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = flag("SECURE_COOKIES", default=True)
    if flag("BEHIND_PROXY"):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Mail ---------------------------------------------------------------------------------------
EMAIL_BACKEND = os.environ.get("EMAIL_BACKEND") or "django.core.mail.backends.console.EmailBackend"
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
EMAIL_PORT = number("EMAIL_PORT", 25)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL") or "readiness@localhost"
# Links in mails; without it a mail carries no link.
SITE_URL = os.environ.get("SITE_URL", "").rstrip("/")

# --- Outside: where notices may go, and how fast ---------------------------------------------------
# host:port of every platform that may be asked, comma-separated; empty: nothing leaves the house but mail.
# TLS only, unless an entry begins with http://; see docs/channels.md.
OUTGOING_HOSTS = words("OUTGOING_HOSTS")
# What a platform takes from one robot, as it says itself; NOTICE_LIMITS="wecom_robot=10/minute,webhook=1/second".
NOTICE_LIMITS = {
    "dingtalk_robot": "20/minute",
    "wecom_robot": "20/minute",
    "feishu_robot": "100/minute;5/second",
} | limits("NOTICE_LIMITS")
# So many processes send at most: without Redis each takes its share of a limit.
NOTICE_SENDERS = max(number("NOTICE_SENDERS", 4), 1)

# --- Celery: wakes things up, keeps no truth ------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # there are none, so beat need not have them cleared away
CELERY_TIMEZONE = TIME_ZONE
# What is slow holds up nothing that is urgent. A worker without -Q serves all.
CELERY_TASK_QUEUES = [Queue("planning"), Queue("sending"), Queue("reports")]
CELERY_TASK_DEFAULT_QUEUE = "planning"
CELERY_TASK_ROUTES = {
    "readiness.reminders.deliver": {"queue": "sending"},
    "readiness.reminders.confirm": {"queue": "sending"},
    "readiness.boards.*": {"queue": "reports"},
}
# Acknowledged when done: a worker that is killed takes no task with it. What its process alone takes with it (out of
# memory) is not put back unless the task says so, or it would take the next process with it as well.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10  # after a second signal, before what still runs is cut off
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,  # a frozen Redis must not freeze whoever publishes
    "socket_connect_timeout": 1,
    "visibility_timeout": 1200,  # longer than any task may live: none is handed out while it runs
}
CELERY_TASK_PUBLISH_RETRY = False
# What is due is read from the database, never from the clock, so a run that was missed is caught up by the next. A
# message that nobody took expires before the next one comes: none pile up. No task waits in Redis for its time (ETA):
# what waits is a row with `due_at`.
CELERY_BEAT_SCHEDULE = {
    # Rules are about days; an hour that is set, and the end of quiet hours, are met within five minutes.
    "plan": _every(timedelta(minutes=5), "readiness.reminders.plan"),
    # A call for help, a chase or a task sent back is told within a minute, and no page has to wait for Redis.
    "news": _every(timedelta(seconds=59), "readiness.reminders.news"),
    # The sweep: whatever was planned, put off or lost with a killed worker or an emptied Redis goes out within a
    # minute. Not every 60 seconds: it would always be the same second, perhaps the one when everybody sends.
    "deliver": _every(timedelta(seconds=53), "readiness.reminders.deliver"),
    # DingTalk takes first and decides then; it knows within minutes.
    "confirm": _every(timedelta(minutes=3), "readiness.reminders.confirm"),
    # Vacancies that boards only sum; they change by hand, a few times a day.
    "gaps": _every(timedelta(minutes=15), "readiness.boards.count_gaps"),
    # The ladder of measures goes by days, and a leader looks at it in the office's hours: whoever comes in the morning
    # finds what was so at midnight. Not once a day at a set time: a worker that is down then would miss the day.
    "measures": _every(timedelta(hours=1), "readiness.boards.propose_measures"),
    # Every file of proof against its hash and its row, once a day: which are due stands in the database. What is not
    # reached within one task's time comes first an hour later.
    "proofs": _every(timedelta(hours=1), "readiness.boards.check_proofs"),
    # Several within HEARTBEAT_LATE, so that one that is late is no alarm.
    "worker lives": _every(timedelta(seconds=29), "readiness.worker_lives"),
}
# A part whose last sign of life is older than this counts as down on /healthz.
HEARTBEAT_LATE = timedelta(seconds=number("HEARTBEAT_LATE_SECONDS", 90))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "filters": {"secret_addresses": {"()": "readiness.logs.SecretAddresses"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},  # once, by the root
        "django.request": {"filters": ["secret_addresses"]},
        # Anybody can send a wrong host name; a traceback for each would only fill the log.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}

if _missing:
    raise ImproperlyConfigured(
        "Production settings are missing (DEBUG is off). Set in the environment:\n"
        + "\n".join(_missing)
        + "\nOr set DEBUG=1 on a laptop."
    )
