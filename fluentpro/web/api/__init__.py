"""The JSON API, with its OpenAPI document at /api/v1/openapi.json and a page to try it at /api/v1/docs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from fluentpro import __version__
from fluentpro.web.api import about, audit, config, fleet, overrides
from fluentpro.web.api.documents import Documented, Page
from fluentpro.web.api.problems import install, problem

DESCRIPTION: Final = """\
What runs, why, and what operators override. Whatever is wrong with a request, the answer is
`application/problem+json`; nothing was changed then. A page that is there answers 405 to a method that
it is not for. Docs: docs/api.md.
"""
SAFE: Final = ("GET", "HEAD", "OPTIONS")
PUBLIC: Final = ("docs", "openapi.json")

api = Documented(
    title="FluentPro",
    version=__version__,
    description=DESCRIPTION,
    urls_namespace="api-v1",
    docs=Page({"persistAuthorization": False, "validatorUrl": None}),
)
install(api)
for part in (about, config, fleet, overrides):
    api.add_router("", part.router)


def urls() -> tuple[list[Any], str, str]:
    """The API's pages, each answering every mistake in the same form."""
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if pattern.callback and str(pattern.pattern) not in PUBLIC:
            pattern.callback = _same(pattern.callback)
    return patterns, app, namespace


def unknown(request: HttpRequest) -> HttpResponse:
    """No such page under /api: a program wants to read that, too."""
    return problem(404, "no such page")


def _same(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Whatever a page answers, as every other page does; a write that was refused is told of."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            allowed = ", ".join(sorted(response.headers["Allow"].split(", ")))
            response = problem(405, f"this page takes {allowed}", headers={"Allow": allowed})
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method not in SAFE and response.status_code >= 400:  # noqa: PLR2004 # a mistake
            audit.refused(request, response.status_code, response.reason_phrase)
        return response

    return answer
