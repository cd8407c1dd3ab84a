"""The OpenAPI document, completed, and the page to read and try it on, which needs nobody else's server."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import OpenAPISchema

from fluentpro.web.api.problems import MEDIA_TYPE, Problem
from fluentpro.web.headers import DIGEST_HEADER, ID_HEADER

REF: Final = "#/components"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; "  # the stylesheet holds its arrows
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PROBLEMS: Final = {
    400: "The request can't be read.",
    401: "There is no token, or not a good one.",
    403: "The token may read, and the operation writes.",
    404: "There is no such setting, override, revision or page.",
    405: "The page is there, and not for this method.",
    409: "Somebody else changed the overrides meanwhile; nothing was changed.",
    412: "The configuration is no longer the one that If-Match names; nothing was changed.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The change is refused, or the request has not the right form; nothing was changed.",
    429: "Too many requests with this token, or too many wrong tokens from this address.",
    503: "The database does not answer.",
}
"""Every kind of problem, and what it means here."""
HEADERS: Final = {
    DIGEST_HEADER: "The digest of the configuration that made this answer.",
    ID_HEADER: "The id of the request, also on its lines in the log.",
}


class Page(Swagger):
    """The page, under a policy that lets nothing in but our own files."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """The page."""
        response = super().render_page(request, api, **kwargs)
        response.headers["Content-Security-Policy"] = POLICY
        return response


class Documented(NinjaAPI):
    """An API whose document tells of problems in their own media type, and of the headers of every answer."""

    _made: OpenAPISchema | None = None

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The document, made once: everybody may ask for it, and as often as they like."""
        if self._made is None:
            self._made = self._complete(**kwargs)
        return self._made

    def _complete(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        components = schema["components"]
        components["schemas"] |= _definitions()
        components["headers"] = {name: _header(text) for name, text in HEADERS.items()}
        components["responses"] = {str(status): _problem(status) for status in PROBLEMS}
        for operations in schema["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                for status, response in responses.items():
                    if status in PROBLEMS:
                        responses[status] = {"$ref": f"{REF}/responses/{status}"}
                    else:
                        response["headers"] = _headers(*HEADERS)
        return schema


def _definitions() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=f"{REF}/schemas/{{model}}", mode="serialization")
    inner: dict[str, Any] = schema.pop("$defs")
    schema.pop("required")
    return {**inner, "Problem": schema | {"required": ["type", "title", "status", "detail"]}}


def _problem(status: int) -> dict[str, Any]:
    more = {401: ["WWW-Authenticate"], 405: ["Allow"], 429: ["Retry-After"]}.get(status, [])
    return {
        "description": f"{HTTPStatus(status).phrase}. {PROBLEMS[status]}",
        "headers": _headers(*HEADERS) | {name: _header("") for name in more},
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{REF}/schemas/Problem"}}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"{REF}/headers/{name}"} for name in names}


def _header(text: str) -> dict[str, Any]:
    return {"schema": {"type": "string"}} | ({"description": text} if text else {})
