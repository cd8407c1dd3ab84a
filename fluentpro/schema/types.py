"""The formats that several tables share: ports, times, host names, URLs, origins.

A message of this module reads on from the value: "80000 is" "not a port (1 to 65535)". It never
holds the value itself, since whoever prints it must first know whether the value is secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Annotated, TypeAlias
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

YEAR = 31_536_000
"""Seconds in a year: no time span of the schema is longer than ten of them."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_NAME = 253  # RFC 1035
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_secret(value: SecretStr, *, shortest: int = 1) -> SecretStr:
    """Refuse a secret that is too short; nothing is said of how long it is."""
    if len(value) >= shortest:
        return value
    message = f"too short (at least {shortest} characters)" if shortest > 1 else "empty"
    raise _refusal("secret", message, "give a long random value, such as one of `openssl rand -hex 32`")


def check_host(value: str) -> str:
    """Refuse what is neither a host name nor an IP address."""
    if _is_host(value):
        return value
    raise _refusal(
        "host",
        "not a host name (no scheme, no port, no path)",
        'give the name or the address alone, such as "db.example.com" or "10.0.0.5"',
    )


def check_host_or_socket(value: str) -> str:
    """Refuse what is neither a host nor the absolute path of a socket's folder."""
    return value if value.startswith("/") else check_host(value)


def check_host_pattern(value: str) -> str:
    """Refuse what Django would never match in ALLOWED_HOSTS."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value.removeprefix(".")
    if value == "*" or _is_host(bare):
        return value
    raise _refusal(
        "host_pattern",
        "not a host pattern (no scheme, no port, no path)",
        'give "api.example.com", ".example.com" for a domain with its subdomains, or an IP address',
    )


def check_origin(value: str) -> str:
    """Refuse what is not an origin (scheme, host and maybe a port) and not "*"."""
    if value == "*" or _is_origin(value):
        return value
    raise _refusal(
        "origin",
        "not an origin (scheme://host or scheme://host:port, with no path)",
        'give scheme and host, such as "https://app.example.com", without a slash at the end',
    )


def check_trusted_origin(value: str) -> str:
    """Refuse what is not an origin whose host may begin with "*."."""
    if _is_origin(value.replace("://*.", "://", 1)):
        return value
    raise _refusal(
        "trusted_origin",
        "not an origin (https://host or https://*.domain, with no path)",
        'give scheme and host, such as "https://app.example.com" or "https://*.example.com"',
    )


def check_service_url(value: str) -> str:
    """Refuse a URL without TLS, except on this machine."""
    parts = _split(value)
    if parts and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return value
    raise _refusal(
        "service_url",
        "not an https:// URL (http:// is taken for this machine only)",
        'give the whole address, such as "https://name.example.com"',
    )


def check_redis_url(value: str) -> str:
    """Refuse what is not the address of a Redis or Valkey server."""
    parts = _split(value)
    if parts and (
        (parts.scheme in {"redis", "rediss"} and parts.hostname)
        or (parts.scheme == "unix" and parts.path.startswith("/"))
    ):
        return value
    raise _refusal(
        "redis_url",
        "not a redis URL (redis://, rediss:// or unix://)",
        'give "redis://host:6379", "rediss://host:6379" for TLS, or "unix:///path/to/socket"',
    )


def check_time_zone(value: str) -> str:
    """Refuse what is not a name of the IANA time zone database."""
    try:
        return value if value == "UTC" else ZoneInfo(value).key
    except (KeyError, ValueError, OSError):
        raise _refusal(
            "time_zone",
            "not a time zone of the IANA database",
            'give a name such as "UTC" or "Europe/Berlin"',
        ) from None


def check_mail_address(value: str) -> str:
    """Refuse what is not `name@host` or `Name <name@host>`."""
    address = re.fullmatch(r"(?:[^<>\r\n]+ <([^<>]+)>)|([^<>\s]+)", value)
    local, _, host = ((address[1] or address[2]) if address else "").rpartition("@")
    if local and not re.search(r"\s", local) and _is_host(host):
        return value
    raise _refusal(
        "mail_address",
        "not an e-mail address",
        'give "name@example.com" or "FluentPro <name@example.com>"',
    )


def _refusal(code: str, message: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{what}", {"what": message, "fix": fix})


def _is_host(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return len(value) <= _LONGEST_NAME and _NAME.fullmatch(value) is not None
    return True


def _is_origin(value: str) -> bool:
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"}:
        return False
    return value == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


def _split(value: str) -> SplitResult | None:
    """The parts of a URL, or None if it is none; urlsplit alone drops line ends and takes any port."""
    if re.search(r"[\s\x00-\x1f]", value):
        return None
    try:
        parts = urlsplit(value)
        good = parts.scheme == "unix" or (_is_host(parts.hostname or "") and parts.port != 0)
    except ValueError:
        return None
    return parts if good else None


def _text(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(check)


Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, title="a port")]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=10 * YEAR)]
WholeSeconds: TypeAlias = Annotated[int, Field(ge=0, le=10 * YEAR)]
Secret: TypeAlias = Annotated[SecretStr, AfterValidator(check_secret)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(partial(check_secret, shortest=16))]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
HostName: TypeAlias = Annotated[str, _text(check_host)]
HostOrSocket: TypeAlias = Annotated[str, _text(check_host_or_socket)]
HostPattern: TypeAlias = Annotated[str, _text(check_host_pattern)]
Origin: TypeAlias = Annotated[str, _text(check_origin)]
TrustedOrigin: TypeAlias = Annotated[str, _text(check_trusted_origin)]
ServiceUrl: TypeAlias = Annotated[str, _text(check_service_url)]
RedisUrl: TypeAlias = Annotated[str, _text(check_redis_url)]
TimeZone: TypeAlias = Annotated[str, _text(check_time_zone)]
MailAddress: TypeAlias = Annotated[str, _text(check_mail_address)]
