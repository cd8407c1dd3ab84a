"""Writes the plain Django project that FluentPro is measured against: `python -m ... FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

_AUTHENTICATION = "AuthenticationMiddleware"
DJANGOS = {f"fluentpro.web.sessions.{_AUTHENTICATION}": f"django.contrib.auth.middleware.{_AUTHENTICATION}"}
"""What of ours stands in the place of something of Django's."""
SETTINGS_TAIL = """
import os
from pathlib import Path

ROOT_URLCONF = "plain.urls"
WSGI_APPLICATION = "plain.wsgi.application"
BANNER = Path(__file__).with_name("banner.txt").read_text(encoding="utf-8")
if "PLAIN_WITHOUT_MIDDLEWARE" in os.environ:
    MIDDLEWARE = []
if "PLAIN_DATABASE" in os.environ:
    import json

    rendered = json.loads(Path(os.environ["PLAIN_DATABASE"]).read_text(encoding="utf-8"))
    pool = {"min_size": 1, "max_size": int(os.environ["PLAIN_POOL"])}
    database = DATABASES["default"] | rendered | {"CONN_MAX_AGE": 0}
    DATABASES = {"default": database | {"OPTIONS": database["OPTIONS"] | {"pool": pool}}}
"""
URLS = """\
import os

from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from ninja import NinjaAPI, Schema


class About(Schema):
    name: str
    version: str
    environment: str
    banner: str


api = NinjaAPI()


@api.get("/about", response=About)
def about(request):
    return About(name="Plain", version="1", environment="testing", banner=settings.BANNER)


def empty(request):
    return HttpResponse(headers={"Content-Length": "0"})


urlpatterns = [path("empty", empty), path("api/v1/", api.urls)]
if "PLAIN_DATABASE" in os.environ:
    from django.contrib import admin

    urlpatterns.append(path("admin/", admin.site.urls))
"""
WSGI = """\
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


def write(folder: Path) -> None:
    """Write the project: FluentPro's own settings as literals, without what is FluentPro."""
    from fluentpro.web import settings

    package = folder / "plain"
    package.mkdir()
    values = {name: getattr(settings, name) for name in dir(settings) if name.isupper()}
    values["MIDDLEWARE"] = [DJANGOS.get(item, item) for item in values["MIDDLEWARE"]]
    for name in ("INSTALLED_APPS", "MIDDLEWARE"):
        values[name] = [item for item in values[name] if not item.startswith("fluentpro.")]
    literals = "".join(f"{name} = {value!r}\n" for name, value in sorted(values.items()))
    for name, text in {
        "__init__.py": "",
        "settings.py": literals + SETTINGS_TAIL,
        "urls.py": URLS,
        "wsgi.py": WSGI,
    }.items():
        (package / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
