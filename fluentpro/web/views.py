"""The pages for operators, the whole of the health and the metrics, and what an error of ours leaves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.defaults import server_error

from fluentpro.health.check import Status, worst
from fluentpro.web import metrics
from fluentpro.web.access import for_operators
from fluentpro.web.api.problems import problem
from fluentpro.web.health import probes, verdicts


@require_safe
@never_cache
@for_operators
def health(request: HttpRequest) -> HttpResponse:
    """Each check with its status, observation, time and age."""
    known, draining = verdicts(), probes.draining()
    status = worst(*(verdict.ready for verdict in known), *([Status.FAIL] if draining else []))
    body = {
        "status": status.value,
        "draining": draining,
        "checks": {verdict.name: verdict.as_dict() for verdict in known},
    }
    code = 503 if status is Status.FAIL else 200
    return JsonResponse(body, status=code, content_type="application/health+json")


@require_safe
@never_cache
@for_operators
def prometheus(request: HttpRequest) -> HttpResponse:
    """Every process's metrics in Prometheus' text format."""
    metrics.judge(verdicts())
    page = metrics.page()
    headers = {"Content-Length": str(len(page))}  # it is answered before the middleware that adds it
    return HttpResponse(page, content_type=metrics.CONTENT_TYPE, headers=headers)


def failed(request: HttpRequest) -> HttpResponse:
    """What an error that nobody caught leaves: the id to find it by in the log, for the API as JSON."""
    if not request.path_info.startswith("/api/"):
        return server_error(request)
    return problem(500, "an error on our side")
