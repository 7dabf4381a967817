"""Checks of rendered manifests that a schema cannot make, and an InferenceService as the Deployment that KServe makes of it.

python deploy/manifests.py RENDERED.yaml PLAIN.yaml
PLAIN.yaml has only kinds of Kubernetes itself. Exit status 1 where something is wrong.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
CUSTOM = {"ServiceMonitor", "ScaledObject"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
THREADS = ("GRADWIRE_THREADS", "OMP_NUM_THREADS")
UNITS = {"Gi": 1 << 30, "Mi": 1 << 20}


def as_deployment(service: Manifest) -> Manifest:
    """What KServe makes of an InferenceService in the mode RawDeployment: its own labels go to the pods."""
    predictor = dict(service["spec"]["predictor"])
    replicas = predictor.pop("minReplicas")
    for field in ("maxReplicas", "scaleMetric", "scaleTarget"):
        predictor.pop(field)
    template = {"metadata": {"labels": service["metadata"]["labels"]}, "spec": predictor}
    spec = {"replicas": replicas, "selector": {"matchLabels": service["metadata"]["labels"]}, "template": template}
    metadata = {"name": service["metadata"]["name"], "namespace": service["metadata"]["namespace"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def nbytes(quantity: str) -> int:
    """4Gi -> 4294967296."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def wrong_pod(pod: Manifest, settings: dict[str, str]) -> Iterator[str]:
    """What is wrong with the pods of a workload, given the settings of its ConfigMap."""
    container = pod["containers"][0]
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    longest_s = float(settings["GRADWIRE_DRAIN_S"]) + int(settings["GRADWIRE_TIMEOUT_MS"]) / 1000
    if pod["terminationGracePeriodSeconds"] <= longest_s:
        yield f"terminationGracePeriodSeconds is not more than drain and longest request, {longest_s:g}"
    if int(settings["GRADWIRE_MEMORY_BYTES"]) > nbytes(limits["memory"]) // 2:
        yield "GRADWIRE_MEMORY_BYTES is more than half of the memory of the limit"
    if requests["cpu"] != limits["cpu"] or not str(requests["cpu"]).isdigit():
        yield "the cpu requested is not the limit, or not whole"
    for name in THREADS:
        from_cpu = [
            each
            for each in container["env"]
            if each["name"] == name and each["valueFrom"]["resourceFieldRef"]["resource"] == "requests.cpu"
        ]
        if not from_cpu:
            yield f"{name} is not the cpu requested"
    yield from (f"no {probe}" for probe in PROBES if probe not in container)


def not_restricted(pod: Manifest) -> Iterator[str]:
    """What the Pod Security Standard `restricted` would refuse, and a root file system that can be written."""
    outer = pod["securityContext"]
    if outer.get("seccompProfile") != {"type": "RuntimeDefault"} or outer.get("runAsNonRoot") is not True:
        yield "seccompProfile or runAsNonRoot"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield key
    for volume in pod.get("volumes", []):
        if not {"emptyDir", "secret", "configMap", "projected"} & set(volume):
            yield f"volume {volume['name']}"
    for container in pod["containers"]:
        inner = container["securityContext"]
        if inner.get("allowPrivilegeEscalation") is not False or inner.get("privileged") or inner["capabilities"] != {"drop": ["ALL"]}:
            yield f"{container['name']}: privileges or capabilities"
        if inner.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']}: readOnlyRootFilesystem"


def main(rendered: Path, plain: Path) -> int:
    """Check and write."""
    found = [each for each in yaml.safe_load_all(rendered.read_text()) if each and each["kind"] not in CUSTOM]
    found = [as_deployment(each) if each["kind"] == "InferenceService" else each for each in found]
    plain.write_text(yaml.safe_dump_all(found))
    settings = next(each["data"] for each in found if each["kind"] == "ConfigMap")
    (workload,) = [each for each in found if each["kind"] == "Deployment"]
    pod = workload["spec"]["template"]["spec"]
    errors = [*wrong_pod(pod, settings), *(f"not restricted: {each}" for each in not_restricted(pod))]
    for error in errors:
        print(f"ERROR {error}")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
