"""The settings of the site, read from environment variables (docs/operate/settings.md). Without any
variable it runs on one machine, with SQLite, the spool broker and local files."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from django.core.management.utils import get_random_secret_key
from platformdirs import user_data_path

from segmentation.location import FILES, IS_INSTALLED, ROOT

from . import env
from .celery import app  # noqa: F401  its import makes it the current Celery app, which sends the tasks

BASE_DIR = ROOT
_DEFAULT_DATA = user_data_path("deepsegm", appauthor=False) if IS_INSTALLED else ROOT / "data"
DEEPSEGM_DATA = Path(env.text("DEEPSEGM_DATA", str(_DEFAULT_DATA))).expanduser().absolute()
DEEPSEGM_MODELS = Path(env.text("DEEPSEGM_MODELS", str(DEEPSEGM_DATA / "models"))).expanduser().absolute()
DEEPSEGM_SECRET_FILE = DEEPSEGM_DATA / "secret-key"
DEEPSEGM_BIND = env.text("DEEPSEGM_BIND", "127.0.0.1")
DEEPSEGM_PORT = env.number("DEEPSEGM_PORT", 8000, greatest=65535)

# The microscopes of this site
DEEPSEGM_SCALE_UNCERTAINTY = env.per_cent("DEEPSEGM_SCALE_UNCERTAINTY", greatest=50)
DEEPSEGM_SCALE_UNCERTAINTY_SOURCE = env.text("DEEPSEGM_SCALE_UNCERTAINTY_SOURCE")[:200]

# Limits
DEEPSEGM_REQUIRE_LOGIN = env.flag("DEEPSEGM_REQUIRE_LOGIN")
DEEPSEGM_ONE_PERSON = env.flag("DEEPSEGM_ONE_PERSON")
DEEPSEGM_TRAINING = env.one_of("DEEPSEGM_TRAINING", "staff", "accounts", "nobody")
DEEPSEGM_MAX_UPLOAD_MB = env.number("DEEPSEGM_MAX_UPLOAD_MB", 200, least=1)
DEEPSEGM_MAX_MEGAPIXELS = env.number("DEEPSEGM_MAX_MEGAPIXELS", 500, least=1)
DEEPSEGM_JOB_MEMORY_MB = env.number("DEEPSEGM_JOB_MEMORY_MB", 6000)
DEEPSEGM_WEBHOOKS_PRIVATE = env.flag("DEEPSEGM_WEBHOOKS_PRIVATE")
DEEPSEGM_UPLOADS_PER_HOUR = env.number("DEEPSEGM_UPLOADS_PER_HOUR", 600, least=1)
DEEPSEGM_WAITING_JOBS = env.number("DEEPSEGM_WAITING_JOBS", 100, least=1)
DEEPSEGM_SAMPLE_IMAGES = env.number("DEEPSEGM_SAMPLE_IMAGES", 200, least=1)
DEEPSEGM_METRICS_TOKEN = env.secret("DEEPSEGM_METRICS_TOKEN")
DEEPSEGM_STORED_GB = env.number("DEEPSEGM_STORED_GB", 0)
DEEPSEGM_DAILY_MEGAPIXELS = env.number("DEEPSEGM_DAILY_MEGAPIXELS", 0)
DEEPSEGM_RETENTION_DAYS = env.number("DEEPSEGM_RETENTION_DAYS", 0)
DEEPSEGM_SOFT_LIMIT_SECONDS = env.number("DEEPSEGM_SOFT_LIMIT_SECONDS", 1800, least=10)
DEEPSEGM_CONCURRENCY = env.number("DEEPSEGM_CONCURRENCY", 1, least=1)
DEEPSEGM_THREADS = env.number("DEEPSEGM_THREADS", 0)
DEEPSEGM_TRAINING_THREADS = env.number("DEEPSEGM_TRAINING_THREADS", max(1, (os.cpu_count() or 1) // 2), least=1)
DEEPSEGM_TRAINING_MEMORY_MB = env.number("DEEPSEGM_TRAINING_MEMORY_MB", 8000)
DEEPSEGM_DEVICE = env.text("DEEPSEGM_DEVICE", "auto")
DEEPSEGM_PRECISION = env.one_of("DEEPSEGM_PRECISION", "auto", "bfloat16", "float32")
# The limit for a whole request. A form may have several micrographs; the limit for each is
# DEEPSEGM_MAX_UPLOAD_MB.
DEEPSEGM_MAX_REQUEST_BYTES = (5 * DEEPSEGM_MAX_UPLOAD_MB + 1) * 2**20

# Limits without a variable: they follow from the others, or there is no reason to change them.
DEEPSEGM_INSPECTION_SECONDS = 60
DEEPSEGM_INSPECTION_MEMORY_MB = max(3000, DEEPSEGM_JOB_MEMORY_MB // 2)
DEEPSEGM_MAX_ARCHIVE_MB = 20 * DEEPSEGM_MAX_UPLOAD_MB
DEEPSEGM_WAITING_MEGAPIXELS = max(2 * DEEPSEGM_MAX_MEGAPIXELS, 10 * DEEPSEGM_WAITING_JOBS)
DEEPSEGM_WAITING_SAMPLES = DEEPSEGM_WAITING_TRAININGS = 3
DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE = 600
DEEPSEGM_MIN_FREE_MB = 500  # with less free disk space nothing more is stored
DEEPSEGM_EDITS_MB = 100
DEEPSEGM_QUEUE_MINUTES = 30  # the status page warns about a row that waits longer
DEEPSEGM_SILENCE_SECONDS = 30  # a row goes back into the queue if its worker does not report for so long
DEEPSEGM_TRAINING_HOURS = 12

# Identity and security
DEEPSEGM_URL = env.url("DEEPSEGM_URL")
DEEPSEGM_TRUSTED_PROXIES = env.words("DEEPSEGM_TRUSTED_PROXIES")
HTTPS = DEEPSEGM_URL is not None and DEEPSEGM_URL.scheme == "https"

# The secret key is that of the variable, else the one that `up` has made, else a new one for this
# process only.
_stored = DEEPSEGM_SECRET_FILE.read_text().strip() if DEEPSEGM_SECRET_FILE.is_file() else ""
SECRET_KEY = env.secret("DEEPSEGM_SECRET_KEY") or _stored or get_random_secret_key()
DEEPSEGM_SECRET_KEY_LASTS = bool(env.secret("DEEPSEGM_SECRET_KEY")) or DEEPSEGM_SECRET_FILE.is_file()
DEBUG = env.flag("DEEPSEGM_DEBUG")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.words("DEEPSEGM_ALLOWED_HOSTS")]
if DEEPSEGM_URL:
    ALLOWED_HOSTS.append(DEEPSEGM_URL.hostname)
CSRF_TRUSTED_ORIGINS = [f"{DEEPSEGM_URL.scheme}://{DEEPSEGM_URL.netloc}"] if DEEPSEGM_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if HTTPS else None  # over http browsers only warn about it
if DEEPSEGM_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS and bool(DEEPSEGM_TRUSTED_PROXIES)
SECURE_REDIRECT_EXEMPT = [r"^healthz", r"^readyz", r"^metrics"]
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
# W005, W021: HSTS is for this host only; whether other hosts of the domain, or the preload lists of
# browsers, include it is up to the owner of the domain. E001: the folder for temporary files is
# made when the site starts.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "files.E001"]

# The application
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "segmentation",
    "worker",
]
MIDDLEWARE = [
    "segmentation.request_times.RequestTimes",  # first, so that it sees the response as it is sent
    "segmentation.middleware.TrustedProxies",  # the others need the real address, and whether it is https
    "segmentation.middleware.NoNulBytes",
    "django.middleware.security.SecurityMiddleware",
    "segmentation.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "segmentation.middleware.SecondFactor",  # before middleware that reads the user: it may replace the user
    "segmentation.middleware.RequireLogin",
    "segmentation.middleware.Visitor",
    "segmentation.middleware.StaffLog",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "segmentation.http.errors.FailureMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "deepsegm.urls"
WSGI_APPLICATION = "deepsegm.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [FILES / "templates", *sorted((ROOT / "segmentation").glob("*/templates"))],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["django.contrib.humanize.templatetags.humanize"],
        },
    },
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "segmentation.accounts.OneAtATime"]
# Wrong passwords lock out one name from one address. Other names from this address can still sign
# in.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "segmentation.accounts.client_name"
AXES_CLIENT_IP_CALLABLE = "segmentation.accounts.client_network"
AXES_LOCKOUT_CALLABLE = "segmentation.http.errors.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "login", "ip_address", "code"]
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# Sign-in, an OpenID provider and a second factor: django-allauth, with adapters and templates of our own.
DEEPSEGM_OIDC_URL = env.url("DEEPSEGM_OIDC_URL")
DEEPSEGM_OIDC_CLIENT_ID = env.text("DEEPSEGM_OIDC_CLIENT_ID")
DEEPSEGM_OIDC_SECRET = env.secret("DEEPSEGM_OIDC_SECRET")
DEEPSEGM_OIDC_NAME = env.text("DEEPSEGM_OIDC_NAME", "your institute")[:40]
DEEPSEGM_OIDC_SCOPE = env.text("DEEPSEGM_OIDC_SCOPE", "openid profile email").split()
DEEPSEGM_OIDC_ACCOUNTS = env.one_of("DEEPSEGM_OIDC_ACCOUNTS", "existing", "new")
DEEPSEGM_OIDC_STAFF = env.text("DEEPSEGM_OIDC_STAFF")  # CLAIM=VALUE
DEEPSEGM_OIDC_MATCH_EMAIL = env.flag("DEEPSEGM_OIDC_MATCH_EMAIL")
DEEPSEGM_STAFF_SECOND_FACTOR = env.one_of("DEEPSEGM_STAFF_SECOND_FACTOR", "off", "optional", "required")
ACCOUNT_ADAPTER = "segmentation.adapters.Accounts"
SOCIALACCOUNT_ADAPTER = "segmentation.adapters.Identities"
MFA_ADAPTER = "segmentation.adapters.Factors"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up: these make the sign-in form
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False
ACCOUNT_SESSION_REMEMBER = True
# Wrong passwords are counted by django-axes, by name and address; wrong codes of second factors
# here, by account.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": "10/15m/key"}
MFA_FORMS = {
    "authenticate": "segmentation.adapters.SignInForm",
    "reauthenticate": "segmentation.adapters.CodeAgainForm",
}
MFA_TOTP_TOLERANCE = 1  # half minutes by which a telephone's clock may differ
MFA_RECOVERY_CODES_SHOW_ONCE = True
SOCIALACCOUNT_LOGIN_ON_GET = True  # the content-security policy allows no form that leads to another site
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
if DEEPSEGM_OIDC_URL:  # without a provider its libraries are not loaded
    INSTALLED_APPS.append("allauth.socialaccount.providers.openid_connect")
    _PROVIDER = {
        "provider_id": "oidc",
        "name": DEEPSEGM_OIDC_NAME,
        "client_id": DEEPSEGM_OIDC_CLIENT_ID,
        "secret": DEEPSEGM_OIDC_SECRET,
        "settings": {"server_url": DEEPSEGM_OIDC_URL.geturl().rstrip("/"), "scope": DEEPSEGM_OIDC_SCOPE},
    }
    SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [_PROVIDER]}}
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "deepsegm.formats"
TIME_ZONE = env.time_zone("DEEPSEGM_TIME_ZONE")
USE_I18N = False

# The database
_DATABASE_URL = env.secret("DEEPSEGM_DATABASE_URL")
DATABASES = {
    "default": env.database(_DATABASE_URL)
    if _DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": DEEPSEGM_DATA / "db.sqlite3", "CONN_MAX_AGE": 60}
}
DEEPSEGM_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if DEEPSEGM_SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # A cache of 256 KiB for each connection: with SQLite's usual 2 MB the 16 threads of the
        # site would need 32 MB.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-256;",
    }

# Files: micrographs and results (in a folder or a bucket), and the static files of the pages
DEEPSEGM_BUCKET = env.text("DEEPSEGM_BUCKET")
_LOCAL = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": DEEPSEGM_DATA / "files", "file_permissions_mode": 0o640},
}
_BUCKET = {
    "BACKEND": "segmentation.stores.LimitedS3Storage",
    "OPTIONS": {
        "bucket_name": DEEPSEGM_BUCKET,
        "endpoint_url": env.text("DEEPSEGM_BUCKET_ENDPOINT") or None,
        "region_name": env.text("DEEPSEGM_BUCKET_REGION") or None,
        "access_key": env.secret("DEEPSEGM_BUCKET_KEY") or None,
        "secret_key": env.secret("DEEPSEGM_BUCKET_SECRET") or None,
        "file_overwrite": True,
        "default_acl": None,
        "max_memory_size": 2**24,
    },
}
if DEEPSEGM_BUCKET:
    from botocore.config import Config

    # A bucket that does not answer gives an error after ten seconds at most (segmentation/stores.py).
    limits = {"connect_timeout": 2, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
    _BUCKET["OPTIONS"]["client_config"] = Config(**limits)
STORAGES = {
    "default": _BUCKET if DEEPSEGM_BUCKET else _LOCAL,
    "staticfiles": {"BACKEND": "segmentation.static_files.CollectedFiles"},
}
STATIC_URL = "/static/"
STATICFILES_DIRS = [FILES / "static"]
STATIC_ROOT = DEEPSEGM_DATA / "static"
# If no static files were collected, WhiteNoise serves them from their source folders.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 300
# Nothing else may use this folder: what killed processes left in it is removed.
FILE_UPLOAD_TEMP_DIR = str(Path(env.text("DEEPSEGM_TEMP", str(DEEPSEGM_DATA)), "deepsegm-temp").absolute())
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "segmentation.http.uploads.LockedFileUploadHandler",
]
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
# For a sample that is sent as one form: each image may have a second file and a few fields.
DATA_UPLOAD_MAX_NUMBER_FILES = 2 * DEEPSEGM_SAMPLE_IMAGES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 4 * DEEPSEGM_SAMPLE_IMAGES + 1000

# The workers. The state of a job is in its database row, and the broker only tells workers that a
# job waits. So Celery stores no results. DEEPSEGM_EMBEDDED: whether the workers run on the machine
# of the site, with the spool broker.
DEEPSEGM_EMBEDDED = not env.secret("DEEPSEGM_BROKER_URL")
CELERY_BROKER_URL = env.secret("DEEPSEGM_BROKER_URL") or "spool://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"folder": str(DEEPSEGM_DATA / "spool"), "polling_interval": 2.0}
    if DEEPSEGM_EMBEDDED
    else {"socket_connect_timeout": 3, "socket_timeout": 10, "max_retries": 0}  # `rescue` sends lost tasks again
)
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_IMPORTS = ["worker.tasks"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "analyses"
# Inspecting an upload must not wait for a long analysis: a second, small worker takes this queue.
CELERY_TASK_ROUTES = {
    "worker.inspections": {"queue": "inspections"},
    "worker.training": {"queue": "training"},  # a third worker, so that hours of training delay no analysis
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SOFT_TIME_LIMIT = DEEPSEGM_SOFT_LIMIT_SECONDS
CELERY_TASK_TIME_LIMIT = DEEPSEGM_SOFT_LIMIT_SECONDS + 60
CELERY_WORKER_POOL = "worker.processes.pool:TaskPool"
CELERY_WORKER_CONCURRENCY = DEEPSEGM_CONCURRENCY
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 100
CELERY_WORKER_MAX_MEMORY_PER_CHILD = (
    512 * DEEPSEGM_JOB_MEMORY_MB or None
)  # KiB; a process that uses half of the limit is replaced
CELERY_WORKER_LOST_WAIT = 0.3  # seconds until a killed process, such as that of a cancelled job, is replaced
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 120.0  # seconds; a process loads libraries and a network before it reports
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not DEEPSEGM_EMBEDDED
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = TIME_ZONE

# Logs go to standard error, where systemd, Docker and people look for them.
LOG_LEVEL = env.one_of("DEEPSEGM_LOG_LEVEL", "info", "debug", "warning", "error", "critical").upper()
DEEPSEGM_LOG_FORMAT = env.one_of("DEEPSEGM_LOG_FORMAT", "line", "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "segmentation.log_filters.LineFormatter",
            "format": "{asctime} {levelname} {name}{context}: {message}",
            "style": "{",
        },
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": ["asctime", "levelname", "name", "message", "request", "row"],
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
    },
    "filters": {
        "throttle": {"()": "segmentation.log_filters.LogThrottle"},
        "context": {"()": "segmentation.log_filters.LogContext"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": DEEPSEGM_LOG_FORMAT,
            "filters": ["throttle", "context"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},  # a page that is not found is no fault of the site
        "django.security.DisallowedHost": {"level": "CRITICAL", "propagate": False},  # scanners try all names
        "axes": {"level": "ERROR"},
        "segmentation": {"level": LOG_LEVEL},
        "worker": {"level": LOG_LEVEL},
        "celery": {"level": "WARNING"},
        "waitress": {"level": "ERROR"},
    },
}

DEEPSEGM_UNKNOWN_NAMES = env.unknown_names()  # last, when all settings are read
