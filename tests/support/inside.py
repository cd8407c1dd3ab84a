"""FluentPro's Django inside the process of the tests, over a project of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fluentpro.config.runtime import Runtime
from fluentpro.config.store import Outcome, Result
from fluentpro.process import install, make_runtime, sources
from fluentpro.schema import Config
from tests.support.project import LOCAL, Project, changed


@dataclass
class Inside:
    """What the tests of a process share: there can be one Django in it."""

    project: Project
    runtime: Runtime[Config]
    application: Any

    def reload(self) -> Outcome[Config]:
        """Try the files now. Nobody else does: they are not watched."""
        return self.runtime.store.reload("test")

    def apply(self, *settings: tuple[str, object], name: str = "settings/testing.toml") -> Outcome[Config]:
        """Give settings a value in a file, and take them up."""
        text = self.project.read(name)
        for key, value in settings:
            text = changed(text, key, value)
        self.project.replace(name, text)
        outcome = self.reload()
        assert outcome.result is Result.APPLIED, str(outcome.error)
        return outcome

    def restore(self) -> None:
        """Put the files back, and take that up."""
        self.project.restore()
        self.reload()

    def client(self) -> httpx.Client:
        """Asks the WSGI application that gunicorn serves."""
        transport = httpx.WSGITransport(app=self.application)
        return httpx.Client(transport=transport, base_url="http://testserver")

    @property
    def bearer(self) -> dict[str, str]:
        """What opens the pages for operators."""
        return {"Authorization": f"Bearer {self.project.token}"}


def start(root: Path, database: Path) -> Inside:
    """Start FluentPro's Django as a worker does, but for the watch."""
    project = Project.make(root, database, local=changed(LOCAL, "reload.enabled", False))
    (root / "staticfiles").mkdir()  # WhiteNoise warns where there is none
    runtime = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, project.root))
    install(runtime)
    os.environ["DJANGO_SETTINGS_MODULE"] = "fluentpro.web.settings"
    from fluentpro.web import wsgi

    return Inside(project, runtime, wsgi.application)


def stop() -> None:
    """End the threads."""
    from django.db import connections

    from fluentpro.web import wiring

    wiring.stop()
    connections.close_all()
