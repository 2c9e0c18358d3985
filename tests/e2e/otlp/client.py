"""Sends counters, gauges and a histogram by the OpenTelemetry SDK of Python: client.py URL NAME ROUNDS. Prints what it sent, as JSON."""
import json
import sys
import time

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

url, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
temperature = [20.0]
exporter = OTLPMetricExporter(endpoint=url, compression=Compression.Gzip, timeout=10)
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3600 * 1000)
provider = MeterProvider([reader], Resource({"service.name": "cart", "service.namespace": "shop", "service.instance.id": name,
                                             "host.name": "h1", "process.pid": 7}))
meter = provider.get_meter("test")
orders = meter.create_counter("orders", unit="{order}")
queue = meter.create_up_down_counter("queue.length")
duration = meter.create_histogram("http.server.request.duration", unit="s")
meter.create_observable_gauge("room.temperature", callbacks=[lambda _: [Observation(temperature[0], {"floor": 2})]], unit="Cel")
sent = {"orders": [], "queue": [], "temperature": [], "count": [], "sum": []}
for index in range(rounds):
    orders.add(3, {"customer.region": "eu"})
    queue.add(-1 if index % 2 else 2)
    duration.record(0.25, {"http.response.status_code": 200})
    temperature[0] = 20 + index / 2
    assert provider.force_flush(10000)
    sent["orders"].append(3 * (index + 1))
    sent["queue"].append(index // 2 + (1 if index % 2 else 2))
    sent["temperature"].append(temperature[0])
    sent["count"].append(index + 1)
    sent["sum"].append(0.25 * (index + 1))
    time.sleep(0.02)
provider.shutdown()
for values in sent.values():
    values.append(values[-1])  # The SDK sends once more as it ends.
print(json.dumps(sent))
