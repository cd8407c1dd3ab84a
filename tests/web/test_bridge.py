"""What Django reads is current after a swap, wherever in Django it is read."""

from __future__ import annotations

import logging
import threading
from secrets import token_hex

import pytest
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail, signing
from django.core.cache import cache, caches
from django.core.mail import get_connection

from fluentpro.config.pin import pin
from fluentpro.process import current
from tests.support.inside import Inside
from tests.support.traffic import readers_at_work

SECRETS = ".secrets.local.toml"
HTTPS = {"X-Forwarded-Proto": "https"}


def rotate(inside: Inside, key: str, *fallbacks: str) -> None:
    keys = (("django.secret_key", key), ("django.secret_key_fallbacks", list(fallbacks)))
    inside.apply(*keys, name=SECRETS)


# ---- Typed readers


def test_a_typed_reader_keeps_the_snapshot_it_is_pinned_to(inside: Inside) -> None:
    before = current().site.banner
    with pin(inside.runtime.store.snapshot):
        inside.apply(("site.banner", "changed"))
        assert current().site.banner == before
    assert current().site.banner == "changed"


def test_one_thread_is_pinned_and_another_is_not(inside: Inside) -> None:
    seen: list[str] = []
    with pin(inside.runtime.store.snapshot):
        inside.apply(("site.banner", "changed"))
        thread = threading.Thread(target=lambda: seen.append(current().site.banner))
        thread.start()
        thread.join()
    assert seen == ["changed"]


# ---- The secret key


def test_what_the_old_key_signed_is_accepted_while_it_is_a_fallback(inside: Inside) -> None:
    from django.contrib.auth.models import User  # models are there once Django is

    old, new = inside.project.secret_key, token_hex(32)
    session = SessionStore()
    session["learner"] = 7
    session.save()
    signed = signing.dumps("by the old key")
    user = User(pk=1, email="learner@example.com", password="!")
    link = default_token_generator.make_token(user)
    rotate(inside, old, new)
    rotate(inside, new, old)
    assert signing.loads(signed) == "by the old key"
    assert SessionStore(session.session_key).load() == {"learner": 7}
    assert default_token_generator.check_token(user, link)
    assert signing.dumps("x", key=new).split(":")[-1] != signed.split(":")[-1]
    rotate(inside, new)
    with pytest.raises(signing.BadSignature):
        signing.loads(signed)
    assert SessionStore(session.session_key).load() == {}


def test_the_new_key_signs_at_once(inside: Inside) -> None:
    new = token_hex(32)
    rotate(inside, new, inside.project.secret_key)
    assert signing.Signer(key=new).unsign(signing.Signer().sign("x")) == "x"
    assert new == settings.SECRET_KEY


@pytest.mark.parametrize("fresh", [False, True], ids=["to and fro", "to new ones"])
def test_no_signature_is_refused_while_the_key_is_rotated(inside: Inside, fresh: bool) -> None:
    """A coming key is a fallback first, and an old one stays a fallback."""
    keys = [inside.project.secret_key, token_hex(32)]
    stop, counts = threading.Event(), [0, 0, 0]

    def sign_and_read(number: int) -> None:
        while not stop.is_set():
            token = signing.dumps(number)
            for _ in range(20):
                assert signing.loads(token) == number
            counts[number] += 1

    numbers = iter(range(3))
    with readers_at_work(lambda: sign_and_read(next(numbers)), 3, stop):
        for _ in range(8):
            if fresh:
                keys.insert(1, token_hex(32))
                rotate(inside, *keys)
            keys[:2] = keys[1::-1]
            rotate(inside, *keys)
    assert min(counts) > 20


# ---- What Django keeps, and must make anew


def test_allowed_hosts(inside: Inside) -> None:
    with inside.client() as client:
        assert client.get("/api/v1/about", headers={"Host": "new.example"}).status_code == 400
        inside.apply(("django.allowed_hosts", ["new.example"]))
        assert client.get("/api/v1/about", headers={"Host": "new.example"}).status_code == 200
        assert client.get("/api/v1/about").status_code == 400


def test_the_log_level_of_us_django_and_gunicorn(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("fluentpro", "django.security", "gunicorn.error")
    inside.apply(("logging.level", "ERROR"), name="settings.local.toml")
    capsys.readouterr()
    for name in names:
        logging.getLogger(name).warning("not serious")
    assert capsys.readouterr().out == ""
    inside.apply(("logging.level", "DEBUG"), name="settings.local.toml")
    capsys.readouterr()
    for name in names:
        logging.getLogger(name).debug("all of it")
    assert capsys.readouterr().out.count("all of it") == len(names)


def test_the_form_of_the_log(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    inside.apply(("logging.format", "console"), name="settings.local.toml")
    capsys.readouterr()
    logging.getLogger("django").warning("for a person")
    assert not capsys.readouterr().out.startswith("{")
    inside.apply(("logging.format", "json"), name="settings.local.toml")
    capsys.readouterr()
    logging.getLogger("django").warning("for a program")
    assert capsys.readouterr().out.startswith('{"event": "for a program"')


def test_the_cache(inside: Inside) -> None:
    cache.set("lesson", "one")
    inside.apply(("redis.cache_timeout", 17), ("redis.key_prefix", "other"))
    assert caches["default"].default_timeout == 17
    assert caches["default"].key_prefix == "other"
    assert cache.get("lesson") is None, "another prefix, another name"
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(caches["default"].default_timeout))
    thread.start()
    thread.join()
    assert seen == [17]


def test_mail(inside: Inside) -> None:
    inside.apply(
        ("email.backend", "smtp"),
        ("email.host", "mail.example"),
        ("email.port", 587),
        ("email.use_tls", True),
        ("email.timeout", 3.0),
        ("email.from_address", "Tutor <tutor@example.com>"),
    )
    connection = get_connection()
    assert type(connection).__module__ == "django.core.mail.backends.smtp"
    assert (connection.host, connection.port, connection.use_tls, connection.timeout) == (
        "mail.example",
        587,
        True,
        3.0,
    )
    assert mail.EmailMessage("subject").from_email == "Tutor <tutor@example.com>"


def test_cors(inside: Inside) -> None:
    origin = {"Origin": "https://app.example"}
    with inside.client() as client:
        assert "Access-Control-Allow-Origin" not in client.get("/api/v1/about", headers=origin).headers
        inside.apply(("cors.allowed_origins", ["https://app.example"]))
        answer = client.get("/api/v1/about", headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        inside.apply(("cors.allow_credentials", False), ("cors.allowed_methods", ["GET"]))
        asked = {**origin, "Access-Control-Request-Method": "GET"}
        preflight = client.options("/api/v1/about", headers=asked)
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET"
        assert "Access-Control-Allow-Credentials" not in preflight.headers


def test_trusted_origins_of_forms(inside: Inside) -> None:
    with inside.client() as client:
        client.get("/admin/login/")
        form = {
            "username": "nobody",
            "password": "nothing",
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        }
        origin = {"Origin": "https://front.example"}
        assert client.post("/admin/login/", data=form, headers=origin).status_code == 403
        inside.apply(("django.csrf_trusted_origins", ["https://*.example"]))
        assert client.post("/admin/login/", data=form, headers=origin).status_code == 200


def test_the_demand_for_https(inside: Inside) -> None:
    with inside.client() as client:
        inside.apply(("django.proxy_ssl_header", True))
        assert "Strict-Transport-Security" not in client.get("/api/v1/about", headers=HTTPS).headers
        inside.apply(
            ("django.ssl_redirect", True),
            ("django.hsts_seconds", 31_536_000),
            ("django.hsts_include_subdomains", True),
            ("django.hsts_preload", True),
        )
        secure = client.get("/api/v1/about", headers=HTTPS)
        assert secure.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
        plain = client.get("/api/v1/about")
        assert (plain.status_code, plain.headers["Location"]) == (301, "https://testserver/api/v1/about")


def test_the_cookies(inside: Inside) -> None:
    with inside.client() as client:
        assert "Secure" not in client.get("/admin/login/").headers["Set-Cookie"]
        inside.apply(("django.csrf_cookie_secure", True))
        assert "Secure" in client.get("/admin/login/").headers["Set-Cookie"]
    inside.apply(("django.session_cookie_age", 3600))
    assert SessionStore().get_expiry_age() == 3600


def test_what_takes_a_restart_stays_as_django_was_started_with_it(inside: Inside) -> None:
    inside.apply(("django.language_code", "de"), ("django.debug", True), ("email.host", "mail.example"))
    assert (settings.LANGUAGE_CODE, settings.DEBUG, settings.EMAIL_HOST) == ("en-us", False, "mail.example")
    assert inside.runtime.store.status.pending_restart == ("django.debug", "django.language_code")
    inside.apply(("django.language_code", "en-us"), ("django.debug", False))
    assert inside.runtime.store.status.pending_restart == ()


def test_a_module_that_took_the_settings_object_long_ago_sees_the_change(inside: Inside) -> None:
    """The trap of exchanging `django.conf` itself: what was imported before keeps the old object."""
    from django.http import request

    inside.apply(("django.allowed_hosts", ["new.example"]))
    assert request.settings.ALLOWED_HOSTS == ["new.example"]
    assert signing.settings is request.settings is settings
