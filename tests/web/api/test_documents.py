"""The OpenAPI document, and the page to try it on, which needs nobody else's server."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.support.inside import Inside
from tests.support.server import Server

SECURED = ("/api/v1/config", "/api/v1/config/explain/{key}", "/api/v1/fleet", "/api/v1/overrides")


class Parts(HTMLParser):
    """What a page loads, and what it runs of its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loaded += [value for name in ("src", "href") if (value := given.get(name))]
        data = given.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in given and not data):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def test_the_page_loads_its_own_files_alone_and_they_are_there(server: Server) -> None:
    page = server.get("/api/v1/docs")
    parts = Parts(page.text)
    assert (page.status_code, parts.inline) == (200, [])
    assert len(parts.loaded) >= 4
    for path in parts.loaded:
        assert path.startswith("/static/ninja/"), path
        file = server.get(path)
        assert (file.status_code, len(file.content) > 500) == (200, True), path
    kinds = {server.get(path).headers["Content-Type"].partition(";")[0] for path in parts.loaded}
    assert {"text/css", "text/javascript"} <= kinds
    assert server.get("/api/v1/openapi.json").status_code == 200


def test_the_page_s_policy_lets_nothing_else_in(server: Server) -> None:
    page = server.get("/api/v1/docs")
    policy = dict(
        item.strip().partition(" ")[::2] for item in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "Set-Cookie" not in page.headers


def test_every_problem_is_documented_in_its_own_media_type(inside: Inside) -> None:
    with inside.client() as client:
        document = client.get("/api/v1/openapi.json").json()
    responses = document["components"]["responses"]
    assert {"401", "403", "404", "405", "409", "412", "415", "422", "429", "503"} <= responses.keys()
    for response in responses.values():
        assert list(response["content"]) == ["application/problem+json"]
    used = {
        reference.rsplit("/", 1)[1]
        for reference in re.findall(r"#/components/responses/\d+", str(document["paths"]))
    }
    assert used == responses.keys() - {"405"}, "of a method that is not there, no operation can tell"


def test_what_is_documented_can_be_looked_up(inside: Inside) -> None:
    with inside.client() as client:
        document = client.get("/api/v1/openapi.json").json()
    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w-]+)'", str(document)))
    assert references
    for kind, name in references:
        assert name in document["components"][kind], name


def test_reading_and_writing_want_their_own_scope(inside: Inside) -> None:
    with inside.client() as client:
        paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert "security" not in paths["/api/v1/about"]["get"]
    for path in SECURED:
        assert paths[path]["get"]["security"] == [{"ReadToken": []}]
    for method, path in (
        ("post", "/api/v1/overrides"),
        ("delete", "/api/v1/overrides/{key}"),
        ("post", "/api/v1/overrides/rollback"),
    ):
        assert paths[path][method]["security"] == [{"WriteToken": []}]
        assert {"401", "403", "409", "412", "422", "429"} <= paths[path][method]["responses"].keys()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/about", "GET"),
        ("PUT", "/api/v1/overrides", "GET, POST"),
        ("GET", "/api/v1/overrides/site.banner", "DELETE"),
    ],
)
def test_a_method_that_a_page_is_not_for_is_a_problem(
    inside: Inside, method: str, path: str, allowed: str
) -> None:
    with inside.client() as client:
        answer = client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == f"this page takes {allowed}"


def test_an_error_of_ours_is_a_problem_too_and_tells_nothing_of_itself(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluentpro.web.api import config

    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(config, "effective", fail)  # nothing real is known to raise here
    with inside.client() as client:
        answer = client.get("/api/v1/config", headers=inside.bearer)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "canary" not in answer.text
