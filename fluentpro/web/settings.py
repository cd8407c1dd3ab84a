"""Django's settings: what FluentPro is made of, and what its configuration says of it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from fluentpro.process import GUARDED, boot, runtime
from fluentpro.schema import Config
from fluentpro.schema.database import Database

ROOT_URLCONF = "fluentpro.web.urls"
WSGI_APPLICATION = "fluentpro.web.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None  # fluentpro.web.logs
DEFAULT_EXCEPTION_REPORTER = "fluentpro.web.errors.Reporter"
USE_TZ = True
SECURE_REDIRECT_EXEMPT = [r"^health"]
X_FRAME_OPTIONS = "DENY"
WHITENOISE_USE_FINDERS = runtime().sources.environment not in GUARDED  # there, `collectstatic` has been run

INSTALLED_APPS = [
    "corsheaders",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "ninja",
    "fluentpro.web",
    "fluentpro.web.overrides",
    "fluentpro.web.tokens",
]
MIDDLEWARE = [
    "fluentpro.web.middleware.Snapshots",
    "fluentpro.web.middleware.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "fluentpro.web.sessions.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

_MAIL: Final = {"console": "console", "smtp": "smtp", "memory": "locmem"}


def derived(config: Config) -> dict[str, Any]:
    """Every Django setting that the configuration decides, SECRET_KEY after its fallbacks.

    The key stands among its own fallbacks: Django reads the one and then the others, and a reload
    may come between.
    """
    django, cors, email = config.django, config.cors, config.email
    key = django.secret_key.get_secret_value()
    fallbacks = [secret.get_secret_value() for secret in django.secret_key_fallbacks]
    return {
        "SECRET_KEY_FALLBACKS": [key, *fallbacks],
        "SECRET_KEY": key,
        "DEBUG": django.debug,
        "ALLOWED_HOSTS": list(django.allowed_hosts),
        "CSRF_TRUSTED_ORIGINS": list(django.csrf_trusted_origins),
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if django.proxy_ssl_header else None,
        "SECURE_SSL_REDIRECT": django.ssl_redirect,
        "SECURE_HSTS_SECONDS": django.hsts_seconds,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": django.hsts_include_subdomains,
        "SECURE_HSTS_PRELOAD": django.hsts_preload,
        "SESSION_COOKIE_SECURE": django.session_cookie_secure,
        "SESSION_COOKIE_AGE": django.session_cookie_age,
        "CSRF_COOKIE_SECURE": django.csrf_cookie_secure,
        "LANGUAGE_CODE": django.language_code,
        "TIME_ZONE": django.time_zone,
        "STATIC_URL": django.static_url,
        "STATIC_ROOT": str(runtime().sources.root / django.static_root),
        "DATABASES": {"default": database_settings(config.database)},
        "CACHES": {"default": _cache(config)},
        "CORS_ALLOW_ALL_ORIGINS": cors.allow_all,
        "CORS_ALLOWED_ORIGINS": [] if cors.allow_all else list(cors.allowed_origins),
        "CORS_ALLOW_CREDENTIALS": cors.allow_credentials,
        "CORS_ALLOW_METHODS": list(cors.allowed_methods),
        "CORS_ALLOW_HEADERS": list(cors.allowed_headers),
        "EMAIL_BACKEND": f"django.core.mail.backends.{_MAIL[email.backend]}.EmailBackend",
        "EMAIL_HOST": email.host,
        "EMAIL_PORT": email.port,
        "EMAIL_HOST_USER": email.user or "",
        "EMAIL_HOST_PASSWORD": email.password.get_secret_value() if email.password else "",
        "EMAIL_USE_TLS": email.use_tls,
        "EMAIL_USE_SSL": email.use_ssl,
        "EMAIL_TIMEOUT": email.timeout,
        "DEFAULT_FROM_EMAIL": email.from_address,
        "SERVER_EMAIL": email.from_address,
    }


def database_settings(database: Database) -> dict[str, Any]:
    """What Django is told of its database."""
    if database.engine == "sqlite":
        name = database.file(runtime().sources.root)
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
    if database.pool_max:
        from fluentpro.web.postgresql import Connection

        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database.name,
            "CONN_HEALTH_CHECKS": database.conn_health_checks,
            # Where and as whom is asked anew for each connection: a rotated password needs no new pool.
            "OPTIONS": {
                "pool": {
                    "conninfo": conninfo,
                    "connection_class": Connection,
                    "min_size": database.pool_min,
                    "max_size": database.pool_max,
                    "timeout": database.pool_timeout,
                }
            },
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.name,
        "HOST": database.host or "",
        "PORT": str(database.port),
        "USER": database.user or "",
        "PASSWORD": database.password.get_secret_value() if database.password else "",
        "CONN_MAX_AGE": database.conn_max_age,
        "CONN_HEALTH_CHECKS": database.conn_health_checks,
        "OPTIONS": {"connect_timeout": database.connect_timeout, "sslmode": database.sslmode},
    }


def conninfo() -> str:
    """How the next connection of the pool is made: libpq's words for the newest snapshot's database."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**libpq(runtime().store.snapshot.config.database))


def libpq(database: Database) -> dict[str, Any]:
    """What libpq needs to connect; a value that is not set is left to libpq."""
    return database.libpq()


def _cache(config: Config) -> dict[str, Any]:
    redis = config.redis
    common = {"TIMEOUT": redis.cache_timeout, "KEY_PREFIX": redis.key_prefix}
    location = redis.location(redis.cache_db)
    if location is None:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", **common}
    options: dict[str, Any] = {
        "socket_connect_timeout": redis.connect_timeout,
        "socket_timeout": redis.socket_timeout,
    }
    parts = urlsplit(location)
    if parts.password:  # Django hides what is called a password, and would show it in an address
        options["password"] = unquote(parts.password)
        user, _, host = parts.netloc.rpartition("@")
        name = user.partition(":")[0]
        location = urlunsplit(parts._replace(netloc=f"{name}@{host}" if name else host))
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": location,
        "OPTIONS": options,
        **common,
    }


globals().update(derived(boot().config))
