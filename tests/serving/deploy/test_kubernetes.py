"""Tests of the manifests: by Kubernetes' schemas, by kustomize and kube-score, for consistency."""

import os
import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.go_programs import KUSTOMIZE

REPOSITORY = Path(__file__).parents[3]
VERSIONS = ["1.31", "1.37"]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifests(manifests, version):
    found = [*manifests.pop("Service"), *manifests.values()]
    assert {manifest["kind"] for manifest in found} >= {"Deployment", "Service"}
    for manifest in found:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{manifest['kind']}: {error.message}")


@pytest.fixture
def rendered(deploy, variant, go_program, tmp_path):
    """The file with all objects, as `kubectl apply --namespace` gets them."""
    folder = tmp_path / "rendered"
    folder.mkdir()
    base = os.path.relpath((deploy / variant).resolve(), folder.resolve())
    kustomization = {"namespace": "blue-marble", "resources": [base]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    with (folder / "objects.yaml").open("w") as file:
        subprocess.run([go_program(KUSTOMIZE), "build", folder], stdout=file, check=True)
    return folder / "objects.yaml"


def test_kube_score_does_not_object(rendered, objections):
    assert objections(rendered) == []


def test_kustomize_renders_what_the_files_say(deploy, variant, rendered):
    kinds = {}
    for found in yaml.safe_load_all(rendered.read_text()):
        kubernetes_validate.validate(found, VERSIONS[0], strict=True)
        assert found["metadata"]["namespace"] == "blue-marble"
        kinds.setdefault(found["kind"], {})[found["metadata"]["name"]] = found
    texts = {
        key: text for found in kinds["ConfigMap"].values() for key, text in found["data"].items()
    }
    assert texts == {
        "models.config": (deploy / "config/models.config").read_text(),
        "monitoring.config": (deploy / "config/monitoring.config").read_text(),
        "batching.config": (deploy / variant / "batching.config").read_text(),
    }
    [deployment] = kinds["Deployment"].values()
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    named = {found["configMap"]["name"] for found in volumes if "configMap" in found}
    assert named == set(kinds["ConfigMap"])
    # A change in a file that the server reads again must not restart pods; any other must.
    assert "unetfx-serving-config" in named
    assert "unetfx-serving-batching" not in named


def test_the_kustomization_leaves_nothing_out(deploy, variant, pod, serving, flags):
    generated, listed, folders = {}, set(), [deploy / variant]
    while folders:
        folder = folders.pop()
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        for generator in kustomization.get("configMapGenerator", []):
            generated[generator["name"]] = [folder / file for file in generator["files"]]
        for resource in kustomization.get("resources", []):
            path = (folder / resource).resolve(strict=True)
            if path.is_dir():
                folders.append(path)
            else:
                listed.add(path)

    files = {*deploy.glob(f"{variant}/*.yaml"), *deploy.glob("kubernetes/*.yaml")}
    assert listed == {file for file in files if file.name != "kustomization.yaml"}
    paths = {mount["name"]: mount["mountPath"] for mount in serving["volumeMounts"]}
    mounted = [
        (file, f"{paths[volume['name']]}/{file.name}")
        for volume in pod["spec"]["volumes"]
        if "configMap" in volume
        for file in generated.pop(volume["configMap"]["name"])
    ]
    assert generated == {}
    assert all(file.is_file() for file, _ in mounted)
    named = {value for key, value in flags.items() if key.endswith("_file")}
    assert named == {path for _, path in mounted}


def test_the_claim_is_the_workspace(name, manifests, pod, serving):
    claim = manifests["PersistentVolumeClaim"]["metadata"]["name"]

    sources = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert sources["models"]["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}
    [mount] = [mount for mount in serving["volumeMounts"] if mount["name"] == "models"]
    assert mount == {
        "name": "models",
        "mountPath": "/models",
        "subPath": f"{name}/serving",
        "readOnly": True,
    }


def test_a_pod_can_do_no_more_than_it_must(manifests, pod, serving):
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"]
    assert security["runAsUser"] > 0
    assert security["runAsGroup"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    assert serving["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    written = [mount for mount in serving["volumeMounts"] if not mount.get("readOnly")]
    assert [mount["mountPath"] for mount in written] == ["/tmp"]


def test_a_pod_has_bounds(variant, serving, flags):
    bounds = serving["resources"]
    assert set(bounds["requests"]) == {"cpu", "memory", "ephemeral-storage"}
    gpu = {"nvidia.com/gpu"} if variant == "gpu" else set()
    assert set(bounds["limits"]) == {"cpu", "memory", "ephemeral-storage"} | gpu
    # TensorFlow's default is a thread for each core of the node.
    assert flags["tensorflow_intra_op_parallelism"] == bounds["limits"]["cpu"]
    assert flags["tensorflow_inter_op_parallelism"] == bounds["limits"]["cpu"]


def test_the_probes_ask_for_the_models_status_and_the_metrics(name, pod, serving):
    paths = {
        "startupProbe": f"/v1/models/{name}",
        "readinessProbe": f"/v1/models/{name}",
        "livenessProbe": pod["metadata"]["annotations"]["prometheus.io/path"],
    }
    patience = {}
    for probe, path in paths.items():
        assert serving[probe]["httpGet"] == {"path": path, "port": "http"}
        patience[probe] = serving[probe]["periodSeconds"] * serving[probe]["failureThreshold"]

    # A busy pod gets no new requests for a while, but is not killed.
    assert patience["livenessProbe"] >= 5 * patience["readinessProbe"]


def test_only_the_ports_of_the_server_are_open(manifests, pod, serving):
    policy = manifests["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"] == pod["metadata"]["labels"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    [ingress] = policy["ingress"]
    assert {port["port"] for port in ingress["ports"]} == {
        port["name"] for port in serving["ports"]
    }
    assert ingress["from"]  # an empty list would mean any address
    assert policy["egress"] == []  # the node mounts the claim with the models


def test_kubernetes_accepts_the_rules_for_buckets_in_the_documentation(manifests):
    documentation = (REPOSITORY / "docs/deployment.md").read_text()
    [rules] = re.findall(r"```yaml\n(  egress:\n.*?)```", documentation, re.DOTALL)
    policy = manifests["NetworkPolicy"]
    policy["spec"] |= yaml.safe_load(rules)
    ports = [port for rule in policy["spec"]["egress"] for port in rule.get("ports", [])]
    assert 443 in [port["port"] for port in ports]
    kubernetes_validate.validate(policy, VERSIONS[0], strict=True)


def test_pods_prefer_nodes_and_zones_without_another_one(pod):
    [spread] = pod["spec"]["topologySpreadConstraints"]
    [preference] = pod["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    term = preference["podAffinityTerm"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert term["topologyKey"] == "kubernetes.io/hostname"
    for rule in (spread, term):
        assert rule["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]


def test_the_objects_find_each_other(manifests, pod, serving, flags):
    deployment, labels = manifests["Deployment"], pod["metadata"]["labels"]
    budget = manifests["PodDisruptionBudget"]["spec"]
    autoscaler = manifests["HorizontalPodAutoscaler"]["spec"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert budget["selector"]["matchLabels"] == labels
    assert autoscaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    assert autoscaler["minReplicas"] > budget["maxUnavailable"]
    ports = {port["name"]: port["containerPort"] for port in serving["ports"]}
    assert ports == {"grpc": int(flags["port"]), "http": int(flags["rest_api_port"])}
    for service in manifests["Service"]:
        assert service["spec"]["selector"] == labels
        for port in service["spec"]["ports"]:
            assert port["targetPort"] == port["name"]
            assert port["port"] == ports[port["name"]]


def test_a_pod_that_ends_finishes_its_requests(pod, serving, flags):
    [_, seconds] = serving["lifecycle"]["preStop"]["exec"]["command"]
    slowest = int(flags["rest_api_timeout_in_ms"]) / 1000
    assert slowest < int(seconds) < pod["spec"]["terminationGracePeriodSeconds"]


def test_cpu_and_gpu_differ_only_where_they_must(manifests_of):
    cpu, gpu = (leaves(manifests_of(variant)["Deployment"]) for variant in ("cpu", "gpu"))

    template, serving = "spec.template.spec", "spec.template.spec.containers.0"
    assert {path for path in cpu | gpu if cpu.get(path) != gpu.get(path)} == {
        "spec.strategy.rollingUpdate.maxSurge",
        "spec.strategy.rollingUpdate.maxUnavailable",
        f"{template}.tolerations.0.key",
        f"{template}.tolerations.0.operator",
        f"{template}.tolerations.0.effect",
        f"{serving}.image",
        f"{serving}.env.0.name",
        f"{serving}.env.0.value",
        f"{serving}.resources.requests.memory",
        f"{serving}.resources.limits.memory",
        f"{serving}.resources.limits.nvidia.com/gpu",
    }


def leaves(tree, path=""):
    if not isinstance(tree, dict | list):
        return {path: tree}
    found = {}
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        found |= leaves(value, f"{path}.{key}".lstrip("."))
    return found
