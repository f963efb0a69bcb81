#!/usr/bin/env python3
"""What an API server makes of TrafficMirrors: which it refuses, and with which words.

    definition.py KUBECONFIG

The definition of deploy/ has to be there. Needs a server of 1.25 or later: before, there were no rules in CEL.
"""

import copy
import json
import subprocess
import sys

GOOD = {
    "apiVersion": "podmirror.io/v1alpha1",
    "kind": "TrafficMirror",
    "metadata": {"name": "table", "namespace": "default"},
    "spec": {"source": {"service": "web-v1"}, "targets": [{"service": "web-v2", "percent": 10}]},
}
LABELS = {"matchLabels": {"app": "web"}}
PATH = "/apis/podmirror.io/v1alpha1/namespaces/default/trafficmirrors"
ONE_OF = "at most one of exact, prefix and regex"

# What is set in GOOD, by path, and what the refusal says; None where it is accepted.
TABLE = [
    ({}, None),
    ({"source": {"selector": LABELS, "ports": [80]}}, None),
    ({"source": {"service": "web-v1", "selector": None}}, None),
    ({"source": {}}, "exactly one of service and selector"),
    ({"source": {"service": "a", "selector": LABELS, "ports": [80]}}, "exactly one of service and selector"),
    ({"source": {"selector": LABELS}}, "with a selector the pods' ports are listed"),
    ({"source": {"selector": LABELS, "ports": []}}, "spec.source.ports"),
    ({"source": {"selector": LABELS, "ports": [0]}}, "spec.source.ports[0]"),
    ({"source": {"selector": LABELS, "ports": [65536]}}, "spec.source.ports[0]"),
    ({"source": {"service": ""}}, "spec.source.service"),
    ({"source": None}, "spec.source"),
    ({"targets": []}, "spec.targets"),
    ({"targets": [{"service": f"v{number}"} for number in range(17)]}, "spec.targets"),
    ({"targets": [{"percent": 10}]}, "exactly one of service and selector"),
    ({"targets": [{"service": "a", "selector": LABELS, "port": 80}]}, "exactly one of service and selector"),
    ({"targets": [{"selector": LABELS}]}, "with a selector the pods' port is needed"),
    ({"targets": [{"selector": LABELS, "port": 80}]}, None),
    ({"targets": [{"service": "a", "percent": 101}]}, "spec.targets[0].percent"),
    ({"targets": [{"service": "a", "percent": -1}]}, "spec.targets[0].percent"),
    ({"targets": [{"service": "a", "percent": "10%"}]}, "spec.targets[0].percent"),
    ({"targets": [{"service": "a", "percent": 0}, {"service": "b", "percent": 0.5}]}, None),
    ({"sampleBy": "client-ip"}, None),
    ({"sampleBy": "header:X-User"}, None),
    ({"sampleBy": "cookie"}, "spec.sampleBy"),
    ({"filters": {"allow": [{}]}}, "spec.filters.allow[0]"),
    ({"filters": {"deny": [{"path": {"prefix": "/admin"}}]}}, None),
    ({"filters": {"deny": [{"path": {"exact": "/a", "prefix": "/a"}}]}}, ONE_OF),
    ({"filters": {"allow": [{"method": {"exact": "GET", "regex": "G.*"}}]}}, ONE_OF),
    ({"filters": {"allow": [{"headers": [{"name": "a", "exact": "b", "regex": "c"}]}]}}, ONE_OF),
    ({"filters": {"allow": [{"queryParams": [{"name": "a", "prefix": "b", "regex": "c"}]}]}}, ONE_OF),
    ({"filters": {"allow": [{"headers": [{"name": ""}]}]}}, "name"),
    ({"rewrites": {"host": "a.example"}}, None),
    ({"rewrites": {"host": "a.example", "hostSuffix": "-shadow"}}, "at most one of host and hostSuffix"),
    ({"rewrites": {"paths": [{"prefix": "no-slash", "replacement": "/"}]}}, "spec.rewrites.paths[0].prefix"),
    ({"rewrites": {"paths": [{"prefix": "/a", "replacement": "/b?c"}]}}, "spec.rewrites.paths[0].replacement"),
    ({"limits": {"maxRequestsPerSecond": 0}}, "spec.limits.maxRequestsPerSecond"),
    ({"redact": {"headers": ["Authorization"]}}, None),
    ({"redact": {"headers": [""]}}, "spec.redact.headers[0]"),
    ({"suspend": "yes"}, "spec.suspend"),
    ({"surprise": 1}, "unknown field"),
]


def main():
    wrong = 0
    for change, expected in TABLE:
        document = copy.deepcopy(GOOD)
        document["spec"].update(change)
        done = subprocess.run(
            # As kubectl sends it, but without a look at what else there is.
            ["kubectl", "--kubeconfig", sys.argv[1], "create", "--raw", f"{PATH}?dryRun=All&fieldValidation=Strict",
             "--filename", "-"],
            input=json.dumps(document), capture_output=True, text=True)
        said = "accepted" if done.returncode == 0 else " ".join(done.stderr.split())
        good = done.returncode == 0 if expected is None else done.returncode != 0 and expected in said
        wrong += not good
        print("ok    " if good else "FAILED", json.dumps(change), "->", said[:300])
    print(f"{len(TABLE) - wrong} passed, {wrong} failed")
    sys.exit(wrong > 0)


main()
