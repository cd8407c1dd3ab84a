"""What the API says to mistakes: `application/problem+json` (RFC 9457), with FluentPro's own findings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import Field

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.display import visible
from fluentpro.web.access import DeniedError
from fluentpro.web.api import audit

MEDIA_TYPE: Final = "application/problem+json"


class Hidden(Schema):
    """A value that a higher layer hides."""

    value: str
    origin: str


class Finding(Schema):
    """What is wrong with one setting, as `fluentpro check --json` says it."""

    code: str = Field(description="The code, to look up in Troubleshooting.")
    severity: str
    key: str
    message: str
    source: str | None = Field(description="The file, variable or override that the value comes from.")
    line: int | None
    column: int | None
    suggestion: str | None
    fix: str | None
    shadows: list[Hidden]


class Mistake(Schema):
    """What is wrong with one part of a request."""

    where: str = Field(description="The part: `body.reason`, `query.limit`.")
    message: str


class Problem(Schema):
    """Why a request was not answered as asked."""

    type: str = Field(description="Always `about:blank`: the status says which kind of problem it is.")
    title: str
    status: int
    detail: str = Field(description="What is wrong with this very request.")
    fix: str | None = Field(None, description="What mends it.")
    request_id: str | None = Field(None, description="The id to find the request by in the log.")
    findings: list[Finding] = Field(
        [], description="What is wrong with the configuration that was asked for."
    )
    mistakes: list[Mistake] = Field([], description="What is wrong with the request's parts.")


class ProblemError(Exception):
    """A request that is answered with a problem. Its texts are fit for whoever sent it."""

    def __init__(
        self, status: int, detail: str, *, fix: str = "", findings: Iterable[Diagnostic] = ()
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.fix, self.findings = status, detail, fix, tuple(findings)


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> HttpResponse:
    """A problem as an answer."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    content = json.dumps(body | {name: value for name, value in more.items() if value})
    return HttpResponse(content, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def install(api: NinjaAPI) -> None:
    """Let an API answer every mistake with a problem; what nobody foresaw is left to Django."""
    api.add_exception_handler(ProblemError, _refused)
    api.add_exception_handler(DeniedError, _denied)
    api.add_exception_handler(ValidationError, _malformed)
    api.add_exception_handler(HttpError, _http)
    api.add_exception_handler(Http404, lambda _request, _error: problem(404, "no such page"))
    api.add_exception_handler(
        RequestDataTooBig, lambda _request, _error: problem(413, "the body is too large")
    )
    api.add_exception_handler(Exception, _unforeseen)


def _refused(request: HttpRequest, error: ProblemError | type[ProblemError]) -> HttpResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 # ninja's types allow for the class
    if error.findings:
        audit.note(request, codes=[item.code for item in error.findings])
    findings = [item.as_dict() for item in error.findings]
    return problem(error.status, error.detail, fix=error.fix, findings=findings)


def _denied(_request: HttpRequest, error: DeniedError | type[DeniedError]) -> HttpResponse:
    assert isinstance(error, DeniedError)  # noqa: S101 # as above
    return problem(error.status, error.detail, fix=error.fix, headers=error.headers)


def _malformed(_request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    """Where and why; never what was sent, which may be a secret in the wrong place."""
    assert isinstance(error, ValidationError)  # noqa: S101 # as above
    mistakes = [{"where": _where(item["loc"]), "message": item["msg"]} for item in error.errors]
    return problem(422, "the request has not the form that the document describes", mistakes=mistakes)


def _where(place: tuple[object, ...]) -> str:
    """A part of a request by its name; what our own code calls the body is nobody's business."""
    source, *names = map(str, place)
    return visible(".".join((source, *(names[1:] if source == "body" else names))))[:200]


def _http(_request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    assert isinstance(error, HttpError)  # noqa: S101 # as above
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(400, "the body is not JSON")  # ninja would add the parser's words
    return problem(error.status_code, error.message)


def _unforeseen(_request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    raise error


def documented(*statuses: int) -> dict[int, type[Problem]]:
    """What an operation says of its problems, besides those that each one can have."""
    return dict.fromkeys(statuses, Problem)
