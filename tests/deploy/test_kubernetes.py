"""The manifests: valid for a current Kubernetes, and as hard, patient and careful as they have to be."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy import kubectl
from tests.deploy.manifests import (
    ENVIRONMENTS,
    KUBERNETES,
    PROCESSES,
    ROOT,
    UNBOUND,
    Manifests,
    container,
    manifests,
    shown,
    volume,
)

CURRENT = "1.37"
DEPLOYER = "fluentpro-deployer"
OLDEST = "1.34"
"""Where a preStop that sleeps and the unhealthy pods' eviction are for everybody."""


@pytest.fixture(params=ENVIRONMENTS)
def built(request: pytest.FixtureRequest) -> Manifests:
    try:
        return manifests(request.param)
    except kubectl.MissingError as error:
        pytest.skip(str(error))


def uid() -> int:
    """The user that the image runs as."""
    [user] = re.findall(r"^USER (\d+):\1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return int(user)


# ---- Are they valid?


@pytest.mark.parametrize("version", [OLDEST, CURRENT])
def test_every_object_is_valid_strictly(built: Manifests, version: str) -> None:
    for item in built.objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_a_field_that_is_not_there_would_be_found(built: Manifests) -> None:
    wrong = {**built.named("Service", "fluentpro-web"), "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, CURRENT, strict=True)


def test_everything_is_in_the_namespace_of_the_environment_and_in_one_step(built: Manifests) -> None:
    place = f"fluentpro-{built.environment}"
    for item in built.objects:
        metadata = item["metadata"]
        assert (metadata["name"] if item["kind"] == "Namespace" else metadata["namespace"]) == place
        assert metadata["labels"]["fluentpro.com/step"] in {"cluster", "prepare", "check", "migrate", "run"}


def test_no_secret_stands_in_a_manifest(built: Manifests) -> None:
    assert not built.of("Secret")
    for key, text in built.settings().items():
        assert (
            text
            == (ROOT / {".secrets.toml": key, "settings.toml": key}.get(key, f"settings/{key}")).read_text()
        )


def test_a_program_for_a_machine_without_kubectl_builds_the_same(tmp_path: Path) -> None:
    """Fetched once, into a cache; said plainly where that can't be done."""
    try:
        program = kubectl.CACHE / "kubectl"
        program = program if program.is_file() else kubectl.fetch(program)
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    overlay = KUBERNETES / "overlays" / "staging"
    done = subprocess.run(
        [program, "kustomize", *UNBOUND, overlay],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(yaml.safe_load_all(done.stdout)) == manifests("staging").objects


# ---- Who runs, and what is around it


def test_every_pod_is_hardened(built: Manifests) -> None:
    for name, pod in built.pods():
        spec, one = pod["spec"], container(pod)
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": uid(),
            "runAsGroup": uid(),
            "fsGroup": uid(),
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all("hostPath" not in item for item in spec["volumes"])
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}
        assert one["resources"]["limits"].keys() >= {"memory"}


def test_the_namespace_admits_only_what_is_hardened(built: Manifests) -> None:
    [namespace] = built.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_only_token_in_a_pod_is_for_vault(built: Manifests) -> None:
    for name, pod in built.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        [source] = volume(pod, "vault-token")["projected"]["sources"]
        token = source["serviceAccountToken"]
        assert token["audience"] == "vault"
        [mount] = [item for item in container(pod)["volumeMounts"] if item["name"] == "vault-token"]
        assert f"{mount['mountPath']}/{token['path']}" == built.variables()["FLUENTPRO_VAULT__JWT_FILE"]
    for account in built.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_each_process_type_has_an_account_of_its_own(built: Manifests) -> None:
    accounts = {item["metadata"]["name"] for item in built.of("ServiceAccount")} - {DEPLOYER}
    used = {name: pod["spec"]["serviceAccountName"] for name, pod in built.pods()}
    assert set(used.values()) == accounts
    assert {name: used[name] for name in (f"fluentpro-{item}" for item in PROCESSES)} == {
        name: name for name in (f"fluentpro-{item}" for item in PROCESSES)
    }


def test_the_image_is_one_and_named_by_its_digest(built: Manifests) -> None:
    images = {container(pod)["image"] for _, pod in built.pods()}
    [image] = images
    assert re.fullmatch(r"fluentpro@sha256:0{64}", image), "`rollout` puts the real one in"


def test_who_rolls_out_may_do_that_and_reads_no_secret(built: Manifests) -> None:
    [role] = built.of("Role")
    may = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert not [key for key, verbs in may.items() if "*" in {*key, *verbs} or key[1] == "secrets"]
    for item in built.objects:
        if item["metadata"]["labels"]["fluentpro.com/step"] != "cluster":
            group, slash, _ = item["apiVersion"].partition("/")
            kind = re.sub(r"y$", "ie", re.sub(r"ss$", "sse", item["kind"].lower())) + "s"
            assert may[group if slash else "", kind] >= {"get", "create", "patch"}, kind
    assert "delete" in may["batch", "jobs"]
    assert "create" in may["", "pods/exec"]
    [binding] = built.of("RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [DEPLOYER]


# ---- How it lives and ends


def test_every_process_type_is_served_with_three_probes(built: Manifests) -> None:
    for process in PROCESSES:
        one = container(built.named("Deployment", f"fluentpro-{process}")["spec"]["template"])
        found = {
            kind: (one[f"{kind}Probe"]["httpGet"]["path"], one[f"{kind}Probe"]["httpGet"]["port"])
            for kind in ("startup", "readiness", "liveness")
        }
        assert found == {
            "startup": ("/health/startup", "http"),
            "readiness": ("/health/ready", "http"),
            "liveness": ("/health/live", "http"),
        }
        assert one["ports"] == [{"name": "http", "containerPort": 8000}]


def test_a_start_may_wait_for_vault_as_long_as_the_settings_allow(built: Manifests) -> None:
    vault = shown(built.environment)["vault"]
    for item in built.of("Deployment"):
        probe = container(item["spec"]["template"])["startupProbe"]
        patience = probe["periodSeconds"] * probe["failureThreshold"]
        assert patience >= 2 * (vault["startup_wait"] + vault["timeout"])
        assert item["spec"]["progressDeadlineSeconds"] > patience


def test_a_drain_is_noticed_before_connections_are_refused(built: Manifests) -> None:
    for item in built.of("Deployment"):
        probe = container(item["spec"]["template"])["readinessProbe"]
        noticed = probe["periodSeconds"] * probe["failureThreshold"]
        assert noticed <= shown(built.environment)["server"]["drain_delay"]


def test_a_pod_has_the_time_to_end_that_the_settings_give(built: Manifests) -> None:
    settings = shown(built.environment)
    server = settings["server"]
    for process in PROCESSES:
        pod = built.named("Deployment", f"fluentpro-{process}")["spec"]["template"]
        head_start = container(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
        work = settings["celery"]["time_limit"] if process == "worker" else server["graceful_timeout"]
        assert pod["spec"]["terminationGracePeriodSeconds"] > head_start + server["drain_delay"] + work


def test_a_restart_is_the_answer_to_nothing_that_it_does_not_mend(built: Manifests) -> None:
    """A probe of liveness that hangs for a moment under load ends nobody."""
    for item in built.of("Deployment"):
        probe = container(item["spec"]["template"])["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 30


def test_a_new_pod_is_ready_before_an_old_one_goes(built: Manifests) -> None:
    for item in built.of("Deployment"):
        assert item["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert "replicas" not in item["spec"], "that is the autoscaler's"


def test_every_process_type_scales_and_survives_the_end_of_a_node(built: Manifests) -> None:
    for process in PROCESSES:
        name = f"fluentpro-{process}"
        item = built.named("Deployment", name)
        chosen = item["spec"]["selector"]["matchLabels"]
        scaler = built.named("HorizontalPodAutoscaler", name)["spec"]
        assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert 0 < scaler["minReplicas"] < scaler["maxReplicas"]
        budget = built.named("PodDisruptionBudget", name)["spec"]
        assert (budget["selector"]["matchLabels"], budget["maxUnavailable"]) == (chosen, 1)
        pod = item["spec"]["template"]
        assert chosen.items() <= pod["metadata"]["labels"].items()
        spread = pod["spec"]["topologySpreadConstraints"]
        assert {rule["topologyKey"] for rule in spread} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        assert all(rule["labelSelector"]["matchLabels"] == chosen for rule in spread)


def test_production_has_more_than_one_of_each() -> None:
    for item in manifests("production").of("HorizontalPodAutoscaler"):
        assert item["spec"]["minReplicas"] >= 3


# ---- Who talks to whom


def test_nobody_talks_unless_it_is_said(built: Manifests) -> None:
    deny = built.named("NetworkPolicy", "fluentpro-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_way_in_and_the_metrics_reach_the_port(built: Manifests) -> None:
    [rule] = built.named("NetworkPolicy", "fluentpro-in")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    assert len(rule["from"]) == 2
    assert all("namespaceSelector" in peer for peer in rule["from"])


def test_what_the_settings_name_can_be_reached_and_nothing_else(built: Manifests) -> None:
    settings = shown(built.environment)
    rules = built.named("NetworkPolicy", "fluentpro-out")["spec"]["egress"]
    opened = {port["port"] for rule in rules if "to" not in rule for port in rule["ports"]}

    def port(url: str) -> int:
        found = re.search(r":(\d+)/?$", url)
        return int(found[1]) if found else 443

    wanted = {
        settings["database"]["port"],
        port(settings["redis"]["url"]),
        port(settings["vault"]["address"]),
        settings["email"]["port"],
    }
    assert opened == wanted | {443}


def test_the_way_in_leads_to_names_that_the_service_answers_to(built: Manifests) -> None:
    [ingress] = built.of("Ingress")
    [rule] = ingress["spec"]["rules"]
    [tls] = ingress["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]] == shown(built.environment)["django"]["allowed_hosts"]
    for path in rule["http"]["paths"]:
        service = built.named("Service", path["backend"]["service"]["name"])
        [port] = service["spec"]["ports"]
        assert path["backend"]["service"]["port"] == {"name": port["name"]}
        process = service["spec"]["selector"]["app.kubernetes.io/component"]
        pod = built.named("Deployment", f"fluentpro-{process}")["spec"]["template"]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        assert port["targetPort"] == container(pod)["ports"][0]["name"]


def test_every_websocket_is_led_to_the_process_type_that_holds_them(built: Manifests) -> None:
    """Each path of a WebSocket begins as the ingress expects it."""
    [ingress] = built.of("Ingress")
    [rule] = ingress["spec"]["rules"]
    [prefix] = [
        path["path"]
        for path in rule["http"]["paths"]
        if path["backend"]["service"]["name"] == "fluentpro-realtime"
    ]
    source = (ROOT / "fluentpro" / "web" / "asgi.py").read_text()
    served = re.findall(r"""path\(["'](\w[^"']*)["']""", source)
    assert served
    assert all(f"/{path}".startswith(prefix) for path in served)


# ---- The pages


def test_the_settings_can_be_brought_alone(built: Manifests) -> None:
    key, value = re.findall(
        r"--selector (\S+)=(\S+)", (ROOT / "docs" / "development" / "kubernetes.md").read_text()
    )[-1]
    [found] = [item for item in built.objects if item["metadata"]["labels"].get(key) == value]
    assert (found["kind"], found["metadata"]["name"]) == ("ConfigMap", "fluentpro-settings")


def test_the_page_binds_the_accounts_that_are_there() -> None:
    text = (ROOT / "docs" / "development" / "kubernetes.md").read_text()
    accounts = {item["metadata"]["name"] for item in manifests("production").of("ServiceAccount")} - {
        DEPLOYER
    }
    [bound] = re.findall(r"bound_service_account_names=(\S+)", text)
    assert set(bound.split(",")) == accounts
    assert "bound_service_account_namespaces=fluentpro-production" in text
    assert re.findall(r"audience=(\S+)", text) == ["vault"]
    role = manifests("production").variables()["FLUENTPRO_VAULT__ROLE"]
    assert f"auth/kubernetes/role/{role}" in text
