"""The manifests as `kubectl kustomize` builds them, and a ConfigMap as the kubelet mounts it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any

import yaml

from tests.cli.project import COMMAND, KEPT
from tests.deploy import kubectl

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
ENVIRONMENTS = ("staging", "production")
PROCESSES = ("web", "realtime", "worker")
UNBOUND = ("--load-restrictor", "LoadRestrictionsNone")
"""The settings files lie above the overlays."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """Everything that one environment applies."""

    environment: str
    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def named(self, kind: str, name: str) -> Object:
        """The one object; a name may go on with a hash."""
        [found] = [
            item
            for item in self.of(kind)
            if item["metadata"]["name"] == name or item["metadata"]["name"].rpartition("-")[0] == name
        ]
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """The pod of each Deployment and Job, by its name."""
        for item in self.of("Deployment") + self.of("Job"):
            yield item["metadata"]["name"], item["spec"]["template"]

    def variables(self) -> dict[str, str]:
        """The variables that every pod gets."""
        found: dict[str, str] = self.named("ConfigMap", "fluentpro-environment")["data"]
        return found

    def settings(self, name: str = "fluentpro-settings") -> dict[str, str]:
        """The settings files, by the key of the ConfigMap."""
        [found] = [item for item in self.of("ConfigMap") if item["metadata"]["name"] == name]
        data: dict[str, str] = found["data"]
        return data


def container(pod: Object) -> Object:
    """The only container of a pod."""
    [found] = pod["spec"]["containers"]
    one: Object = found
    return one


def volume(pod: Object, name: str) -> Object:
    """One volume of a pod."""
    [found] = [item for item in pod["spec"]["volumes"] if item["name"] == name]
    one: Object = found
    return one


@cache
def manifests(environment: str) -> Manifests:
    """What `kubectl kustomize` makes of an overlay; raises `MissingError` where there is no kubectl."""
    text = subprocess.run(
        [kubectl.find(), "kustomize", *UNBOUND, KUBERNETES / "overlays" / environment],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return Manifests(environment, tuple(yaml.safe_load_all(text)))


@cache
def shown(environment: str) -> Mapping[str, Mapping[str, Any]]:
    """The settings of an environment as its files give them, by table and name."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    done = subprocess.run(
        [COMMAND, "show", "--json"],
        cwd=ROOT,
        env={
            **kept,
            "ENV_FOR_DYNACONF": environment,
            "FLUENTPRO_VAULT__ENABLED": "false",
            "HOME": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found: Mapping[str, Mapping[str, Any]] = json.loads(done.stdout)["settings"]
    return found


class Mount:
    """A ConfigMap as a folder: files are links into `..data`, a link that each change swaps."""

    def __init__(self, root: Path, paths: Mapping[str, str], data: Mapping[str, str]) -> None:
        self.root, self.paths = root, paths
        root.mkdir(parents=True, exist_ok=True)
        self.swap(data)
        for name in {path.partition("/")[0] for path in paths.values()}:
            (root / name).symlink_to(f"..data/{name}")

    def swap(self, data: Mapping[str, str]) -> None:
        """Bring in another content, all of it by the rename of one link."""
        new = self.root / f"..{token_hex(4)}"
        for key, path in self.paths.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(data[key])
        link = self.root / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.root / "..data")


def paths(pod: Object) -> dict[str, str]:
    """Where the keys of the settings appear in a pod's mount."""
    return {item["key"]: item["path"] for item in volume(pod, "settings")["configMap"]["items"]}
