"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path, re_path

from fluentpro.web import api, views

urlpatterns = [
    path("health", views.health),
    # The probes and /metrics are answered in fluentpro.web.middleware, before all else.
    path("api/v1/", api.urls()),
    re_path(r"^api(?:/|$)", api.unknown),
    path("admin/", admin.site.urls),
]
handler500 = views.failed
