"""Django's own settings, as far as an installation chooses them."""

from __future__ import annotations

from fluentpro.config.fields import Effect, Table, setting
from fluentpro.schema.types import YEAR, HostPattern, Secret, TimeZone, TrustedOrigin, WholeSeconds


class Django(Table):
    """What Django is told; `fluentpro/web/settings.py` derives its settings from here."""

    secret_key: Secret = setting(
        meaning="Signs sessions, cookies and password links: long, random, another in each environment.",
    )
    secret_key_fallbacks: tuple[Secret, ...] = setting(
        (),
        meaning="Earlier and coming secret keys, whose signatures are still accepted while a key is rotated.",
    )
    debug: bool = setting(
        False,
        meaning="Show error pages with code and local variables; for a developer's own machine only.",
        effect=Effect.RESTART,  # Django picks template loaders and URLs by it when it starts
    )
    allowed_hosts: tuple[HostPattern, ...] = setting(
        (),
        meaning="The host names this service answers to; a leading dot takes in the subdomains.",
    )
    csrf_trusted_origins: tuple[TrustedOrigin, ...] = setting(
        (),
        meaning="Other origins whose forms and scripts may send changes, such as a front end elsewhere.",
        effect=Effect.REBIND,  # Django's CSRF middleware keeps what it computed from it
    )
    proxy_ssl_header: bool = setting(
        False,
        meaning="Believe X-Forwarded-Proto: only behind a proxy that always sets it itself.",
    )
    ssl_redirect: bool = setting(
        False,
        meaning="Answer plain HTTP with a redirect to HTTPS.",
        effect=Effect.REBIND,  # Django's security middleware copies it when it is made
    )
    hsts_seconds: WholeSeconds = setting(
        0,
        meaning="How long browsers shall refuse plain HTTP for this host; 0 sends no such demand.",
        unit="s",
        effect=Effect.REBIND,
    )
    hsts_include_subdomains: bool = setting(
        False,
        meaning="Extend the demand for HTTPS to every subdomain.",
        effect=Effect.REBIND,
    )
    hsts_preload: bool = setting(
        False,
        meaning="Allow browsers to build this host into their list of HTTPS-only sites.",
        effect=Effect.REBIND,
    )
    session_cookie_secure: bool = setting(True, meaning="Send the session cookie over HTTPS only.")
    csrf_cookie_secure: bool = setting(True, meaning="Send the CSRF cookie over HTTPS only.")
    session_cookie_age: int = setting(
        1_209_600,
        meaning="How long a session lasts; a replaced secret key stays a fallback for at least as long.",
        unit="s",
        ge=60,
        le=YEAR,
    )
    language_code: str = setting(
        "en-us",
        meaning="The language of texts for visitors whose own is not known.",
        effect=Effect.RESTART,
        pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$",
    )
    time_zone: TimeZone = setting(
        "UTC",
        meaning="The time zone in which times are shown; they are stored in UTC.",
        effect=Effect.RESTART,
    )
    static_url: str = setting(
        "/static/",
        meaning="Where the static files are served: a path or a URL, with a slash at the end.",
        effect=Effect.RESTART,
        pattern=r"^(/|https?://)(\S*/)?$",
    )
    static_root: str = setting(
        "staticfiles",
        meaning="The folder into which `collectstatic` gathers the static files, from the project's root.",
        effect=Effect.RESTART,
        min_length=1,
    )
