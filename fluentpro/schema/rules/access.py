"""What reaches the service from other origins and proxies, and what leaves it as mail."""

from __future__ import annotations

from typing import Final

from fluentpro.config.rules import Rule
from fluentpro.schema.rules.vocabulary import DEPLOYED, PRODUCTION, must, never, required
from fluentpro.schema.types import YEAR

RULES: Final[tuple[Rule, ...]] = (
    must(
        "CFG420",
        "cors.allowed_origins",
        'must not hold "*" in staging and production: any page could call the API from a browser',
        "name the origins of the front ends",
        condition=lambda origins: "*" not in origins,
        env=DEPLOYED,
    ),
    *(
        must(
            "CFG421",
            key,
            "must hold https:// origins only in production: a page over plain HTTP can be altered on its way",
            "write https:// for each origin",
            condition=lambda origins: not any(origin.startswith("http://") for origin in origins),
            env=PRODUCTION,
        )
        for key in ("cors.allowed_origins", "django.csrf_trusted_origins")
    ),
    never(
        "CFG422",
        "cors.allow_credentials",
        'must be off where allowed_origins holds "*": any page could act with a visitor\'s cookies',
        "name the origins, or set allow_credentials = false",
        when=lambda config: config.cors.allow_credentials and config.cors.allow_all,
    ),
    never(
        "CFG423",
        "django.proxy_ssl_header",
        "must be on where ssl_redirect is: TLS ends at a proxy, and unbelieved, every answer redirects",
        "set proxy_ssl_header = true, and let the proxy always set X-Forwarded-Proto",
        when=lambda config: config.django.ssl_redirect and not config.django.proxy_ssl_header,
    ),
    never(
        "CFG424",
        "django.hsts_preload",
        "needs hsts_include_subdomains: browsers take no host into their list without it",
        "set hsts_include_subdomains = true, or hsts_preload = false",
        when=lambda config: config.django.hsts_preload and not config.django.hsts_include_subdomains,
    ),
    never(
        "CFG425",
        "django.hsts_preload",
        "needs hsts_seconds of a year or more: browsers take no host into their list with less",
        f"set hsts_seconds = {YEAR}, or hsts_preload = false",
        when=lambda config: config.django.hsts_preload and config.django.hsts_seconds < YEAR,
    ),
    must(
        "CFG426",
        "email.backend",
        "must be SMTP in production: mail would end in the log or in memory",
        'set backend = "smtp" and the host of the mail server',
        eq="smtp",
        env=PRODUCTION,
    ),
    never(
        "CFG427",
        "email.use_tls",
        "off, and so is use_ssl: in staging and production, mail and password would travel in clear",
        "set use_tls = true for port 587, or use_ssl = true for port 465",
        when=lambda config: (
            config.email.backend == "smtp" and not (config.email.use_tls or config.email.use_ssl)
        ),
        env=DEPLOYED,
    ),
    never(
        "CFG428",
        "email.use_ssl",
        "can't be on together with use_tls: a connection begins either with TLS or without it",
        "keep use_tls for port 587, or use_ssl for port 465",
        when=lambda config: config.email.use_tls and config.email.use_ssl,
    ),
    required(
        "CFG429",
        "email.password",
        "missing, and email.user is set: Django would not sign in at the mail server at all",
        "give it in Vault, or set FLUENTPRO_EMAIL__PASSWORD; or unset email.user",
        when=lambda config: config.email.backend == "smtp" and config.email.user is not None,
    ),
)
