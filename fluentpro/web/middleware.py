"""Around every request: one snapshot, one id, one line in the log; and the probes, before all else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse

from fluentpro.config.pin import pin
from fluentpro.health.check import Status
from fluentpro.process import runtime
from fluentpro.web import health, metrics, views
from fluentpro.web.headers import DIGEST_HEADER, ID_HEADER

GetResponse: TypeAlias = Callable[[HttpRequest], HttpResponseBase]

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.stdlib.get_logger("fluentpro.request")


class Snapshots:
    """Pins the snapshot that a request sees from its first to its last line."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within one snapshot; name it, and the request, in the headers and in every log line."""
        began = time.perf_counter()
        with (
            pin(runtime().store.snapshot) as snapshot,
            structlog.contextvars.bound_contextvars(request_id=request_id(request)),
        ):
            response = self.get_response(request)
            response.headers[DIGEST_HEADER] = snapshot.digest
            response.headers[ID_HEADER] = structlog.contextvars.get_contextvars()["request_id"]
            seconds = time.perf_counter() - began
            if not request.path_info.startswith("/health/"):
                _account(request, response.status_code, seconds)
            return response


def _account(request: HttpRequest, status: int, seconds: float) -> None:
    metrics.REQUESTS.labels(request.method, status).inc()
    metrics.REQUEST_SECONDS.observe(seconds)
    facts = {
        "method": request.method,
        "path": request.path_info,
        "status": status,
        "seconds": round(seconds, 4),
    }
    (log.error if status >= 500 else log.info)("request", **facts)  # noqa: PLR2004 # server errors


def request_id(request: HttpRequest) -> str:
    """The caller's id if it has the form of one, else a new one."""
    given = request.headers.get(ID_HEADER, "")
    return given if _ID.fullmatch(given) else uuid4().hex


class Probes:
    """Answers the probes and `/metrics` before any middleware that may redirect or refuse.

    Whoever asks knows a process by its address, over plain HTTP inside the cluster.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.answers: dict[str, Callable[[], Status]] = {
            "/health/live": health.probes.live,
            "/health/ready": health.probes.ready,
            "/health/startup": health.probes.startup,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """A probe's answer, the metrics, or whatever comes behind."""
        if request.path_info == "/metrics":
            return views.prometheus(request)
        answer = self.answers.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return probe(answer())


def probe(status: Status) -> HttpResponse:
    """A status in the format of application/health+json, and nothing else to the public."""
    response = JsonResponse(
        {"status": status.value},
        status=503 if status is Status.FAIL else 200,
        content_type="application/health+json",
        headers={"Cache-Control": "no-store"},
    )
    response.headers["Content-Length"] = str(len(response.content))
    return response
