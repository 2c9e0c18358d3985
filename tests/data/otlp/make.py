#!/usr/bin/env python3
"""Makes request-N.pb, request-N.json and request-N.expected beside itself: OTLP requests encoded by Python's protobuf library, in
both encodings, and the samples they mean by a second, plain reading of docs/sources/otlp.md. Needs protoc and protobuf 4 or later.

A line of .expected is the series, a tab, the time in nanoseconds, a tab, and the value; in the order of the request.
"""
import base64
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from google.protobuf import json_format

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = tempfile.TemporaryDirectory()
subprocess.run(["protoc", "-I", HERE, "--python_out", FOLDER.name, "metrics.proto"], check=True)
sys.path.insert(0, FOLDER.name)
import metrics_pb2 as otlp  # noqa: E402  # pylint: disable=wrong-import-position,import-error

SECOND = 10**9
BASE = 1_700_000_000 * SECOND
KEPT = ["host.name", "k8s.pod.name", "k8s.cluster.name", "k8s.namespace.name", "k8s.node.name", "k8s.container.name",
        "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.job.name", "k8s.cronjob.name",
        "deployment.environment.name", "deployment.environment"]
UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "MiBy": "mebibytes", "%": "percent", "Cel": "celsius"}


# ---- what is sent ----

def any_value(rng, depth=0):
    kind = rng.randrange(8 if depth < 3 else 4)
    value = otlp.AnyValue()
    if kind == 0:
        value.string_value = rng.choice(["GET", "POST", "", "a\"b\\c\n", "grün", "日本", "x" * 70])
    elif kind == 1:
        value.bool_value = rng.random() < 0.5
    elif kind == 2:
        value.int_value = rng.choice([0, 1, -1, 200, 404, 2**63 - 1, -2**63])
    elif kind == 3:
        value.double_value = rng.choice([0.0, 0.5, -1.25, 1e300, 3.0])
    elif kind == 4:
        value.array_value.SetInParent()
        value.array_value.values.extend(any_value(rng, depth + 1) for _ in range(rng.randrange(3)))
    elif kind == 5:
        value.kvlist_value.SetInParent()
        for name in rng.sample(["b", "a", "ü"], rng.randrange(3)):
            value.kvlist_value.values.add(key=name).value.CopyFrom(any_value(rng, depth + 1))
    elif kind == 6:
        value.bytes_value = bytes(rng.randrange(256) for _ in range(rng.randrange(6)))
    return value


def add_attributes(rng, attributes, names, at_most):
    for name in rng.sample(names, rng.randrange(at_most + 1)):
        attributes.add(key=name).value.CopyFrom(any_value(rng))


def fill_resource(rng, resource):
    for name in rng.sample(["service.name", "service.namespace", "service.instance.id", "telemetry.sdk.name", "process.pid",
                            *KEPT], rng.randrange(9)):
        resource.attributes.add(key=name).value.string_value = rng.choice(["shop", "cart-1", "eu/west", "7f3c"])
    if rng.random() < 0.3:
        resource.attributes.add(key="k8s.node.name").value.int_value = 12


def fill_point(rng, point):
    add_attributes(rng, point.attributes, ["http.method", "http/method", "http.status_code", "3rd", "_x", "host.name", "größe"], 4)
    point.start_time_unix_nano = BASE
    point.time_unix_nano = BASE + rng.randrange(1000) * SECOND + rng.randrange(1000)
    if rng.random() < 0.1:
        point.flags = 1


def fill_metric(rng, metric):
    metric.name = rng.choice(["http.server.request.duration", "process.cpu.time", "queue/size", "9lives", "memory usage_bytes",
                              "requests_total", "x"])
    metric.unit = rng.choice(["", "1", "s", "ms", "By", "{request}", "By/s", "1/s", "MiBy/h", "%", "Cel", "foo.bar"])
    metric.description = "described"
    kind = rng.choice(["gauge", "sum", "histogram", "exponential_histogram", "summary"])
    data = getattr(metric, kind)
    data.SetInParent()
    if kind not in ("gauge", "summary"):
        data.aggregation_temporality = rng.choice([1, 2])
    if kind == "sum":
        data.is_monotonic = rng.random() < 0.5
    for _ in range(rng.randrange(1, 6)):
        point = data.data_points.add()
        fill_point(rng, point)
        if kind in ("gauge", "sum"):
            if rng.random() < 0.5:
                point.as_double = rng.choice([0.0, 0.1, -5.5, 1e-300, float("nan")])
            else:
                point.as_int = rng.choice([0, 7, -3, 2**53 + 1])
            if rng.random() < 0.2:
                point.exemplars.add(as_double=4.5, time_unix_nano=BASE, trace_id=bytes(16))
            continue
        point.count = rng.randrange(1000)
        if kind == "summary" or rng.random() < 0.7:
            point.sum = rng.choice([0.0, rng.random() * 100])
        if kind == "summary":
            for quantile in (0.5, 0.99, 1.0):
                point.quantile_values.add(quantile=quantile, value=rng.random())
        elif kind == "histogram":
            point.bucket_counts.extend([1, 2, 3])
            point.explicit_bounds.extend([0.5, 1.0])
            point.min = 0.1
        else:
            point.scale = 3
            point.positive.offset = -2
            point.positive.bucket_counts.extend([1, 300, 2])
    return metric


def make_request(seed):
    rng = random.Random(seed)
    request = otlp.Request()
    for _ in range(rng.randrange(1, 4)):
        resource = request.resource_metrics.add(schema_url="https://schema")
        if rng.random() < 0.9:
            fill_resource(rng, resource.resource)
        for _ in range(rng.randrange(1, 3)):
            scope = resource.scope_metrics.add()
            scope.scope.name = "library"
            for _ in range(rng.randrange(1, 7)):
                fill_metric(rng, scope.metrics.add())
    return request


# ---- what it means ----

def short(value):
    """Fewest digits that read back, as printf's %g writes them."""
    text = next(text for text in (f"{value:.{digits}g}" for digits in range(1, 18)) if float(text) == value)
    return re.sub(r"e([+-])(\d+)", lambda found: f"e{found[1]}{found[2]}", text)


def plain(value):
    """An AnyValue as what JSON can say."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)


def text(value):
    value = plain(value)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return short(value)
    return dump(value)


def dump(value):
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return short(value)
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return "{" + ",".join(json.dumps(key, ensure_ascii=False) + ":" + dump(item) for key, item in value.items()) + "}"


def label_name(name):
    changed = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if changed[0].isdigit():
        return "key_" + changed
    return "key" + changed if changed[0] == "_" and changed[1:2] != "_" else changed


def metric_name(metric, kind):
    parts = [part for part in re.split(r"[^A-Za-z0-9:]+", metric.name) if part]
    main, _, per = metric.unit.partition("/")
    if main and "{" not in main and main != "1":
        word = UNITS.get(main, main)
        if word not in parts:
            parts += re.split(r"[^A-Za-z0-9:]+", word)
    if per and "{" not in per:
        parts += ["per", {"s": "second", "h": "hour"}[per]]
    last = "total" if kind == "total" else "ratio" if kind == "gauge" and metric.unit == "1" else None
    if last:
        parts = [part for part in parts if part != last] + [last]
    name = "_".join(parts)
    return "_" + name if name[0].isdigit() else name


def labels_of(resource, attributes):
    has = {item.key: text(item.value) for item in resource.attributes}
    job = has.get("service.name", "")
    if job and has.get("service.namespace"):
        job = has["service.namespace"] + "/" + job
    instance = has.get("service.instance.id") or has.get("k8s.pod.name") or has.get("host.name") or ""
    own = {"job": job, "instance": instance, **{label_name(name): has.get(name, "") for name in KEPT}}
    own = {name: value for name, value in own.items() if value}
    said = {}
    for item in attributes:
        name, value = label_name(item.key), text(item.value)
        if value and name not in own:
            said[name] = said[name] + ";" + value if name in said else value
    return {**own, **said}


def samples_of(request):
    for resource in request.resource_metrics:
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            if kind == "sum" and data.is_monotonic and data.aggregation_temporality == 2:
                kind = "total"
            name = metric_name(metric, kind)
            for point in data.data_points:
                labels = labels_of(resource.resource, point.attributes)
                time, missing = point.time_unix_nano, point.flags & 1
                if kind in ("gauge", "sum", "total"):
                    yield name, labels, time, float("nan") if missing else float(getattr(point, point.WhichOneof("value")))
                    continue
                yield name + "_count", labels, time, float("nan") if missing else float(point.count)
                if missing or kind == "summary" or point.HasField("sum"):
                    yield name + "_sum", labels, time, float("nan") if missing else point.sum
                for item in point.quantile_values if kind == "summary" else []:
                    yield name, {**labels, "quantile": short(item.quantile)}, time, float("nan") if missing else item.value


def escape(value):
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def main():
    for seed in range(1, 9):
        request = make_request(seed)
        (HERE / f"request-{seed}.pb").write_bytes(request.SerializeToString(deterministic=True))
        as_json = json_format.MessageToDict(request)
        (HERE / f"request-{seed}.json").write_text(json.dumps(as_json, ensure_ascii=seed % 2 == 0, indent=1 if seed == 3 else None))
        with open(HERE / f"request-{seed}.expected", "w", encoding="utf-8") as out:
            for name, labels, time, value in samples_of(request):
                key = name + ("{" + ",".join(f'{label}="{escape(said)}"' for label, said in labels.items()) + "}" if labels else "")
                out.write(f"{key}\t{time}\t{value:.17g}\n")


if __name__ == "__main__":
    main()
