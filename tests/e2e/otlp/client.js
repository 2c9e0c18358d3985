// Sends a counter, as deltas, and a histogram in JSON by the OpenTelemetry SDK of JavaScript: client.js MODULES URL ROUNDS.
"use strict";
const { createRequire } = require("node:module");
const [modules, url, rounds] = process.argv.slice(2);
const load = createRequire(modules + "/");
const { OTLPMetricExporter, AggregationTemporalityPreference } = load("@opentelemetry/exporter-metrics-otlp-http");
const { MeterProvider, PeriodicExportingMetricReader } = load("@opentelemetry/sdk-metrics");
const { Resource } = load("@opentelemetry/resources");

async function main() {
  const exporter = new OTLPMetricExporter({ url, temporalityPreference: AggregationTemporalityPreference.DELTA });
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600 * 1000 });
  const provider = new MeterProvider({ readers: [reader], resource: new Resource({ "service.name": "web", "host.name": "js" }) });
  const meter = provider.getMeter("test");
  const visits = meter.createCounter("visits");
  const size = meter.createHistogram("body.size", { unit: "By" });
  for (let index = 1; index <= Number(rounds); index++) {
    visits.add(index, { "page path": "/grün", beta: true });
    size.record(100 * index);
    await provider.forceFlush();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await provider.shutdown();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
