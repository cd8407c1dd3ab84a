"""The pages for operators: the whole of the health, and the metrics."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from fluentpro.health.check import Status, worst
from fluentpro.web import metrics
from fluentpro.web.access import for_operators
from fluentpro.web.health import probes, verdicts


@require_safe
@never_cache
@for_operators
def health(request: HttpRequest) -> HttpResponse:
    """Each check with its status, observation, time and age."""
    known = verdicts()
    status = worst(*(verdict.ready for verdict in known), *([Status.FAIL] if probes.draining else []))
    body = {
        "status": status.value,
        "draining": probes.draining,
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
    return HttpResponse(metrics.page(), content_type=metrics.CONTENT_TYPE)
