// The middle: the selected entity, its metrics as small charts: first the unusual ones, last those that are not judged.
import { computed, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Series } from "./api";
import { Chart } from "./chart";
import { entityState } from "./entities";
import { formatBand, formatClock, formatValue, plural, splitName } from "./format";
import { Timeline } from "./timeline";
import { anomalies, link, type Metric, metrics, searchSeries, select, selectedEntity, SERIES_MAX, shown, span, status, target } from "./store";
import { seriesSought as sought } from "./store";

const SPANS: [string, number | null][] = [
  ["5 min", 300],
  ["15 min", 900],
  ["1 h", 3600],
  ["All", null],
];

/** Grows when the system's light or dark changed: charts take their colours anew. */
const theme = signal(0);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme.value++);

/** How long a series stays in front after it was unusual, so that the order does not tremble. */
const LINGER_S = 60;

/** Series that are or just were unusual, or that an open anomaly names: a text, so that it changes only when they do. */
const standingOut = computed(() => {
  const recent = metrics.value.filter((m) => (m.info.value.last ?? 0) - m.lastAlarm < LINGER_S);
  const numbers = new Set(recent.map((m) => m.info.peek().series));
  const entity = selectedEntity.value?.entity;
  for (const anomaly of anomalies.value.values()) {
    if (anomaly.open && anomaly.entity === entity) {
      anomaly.contributions.forEach((c) => c.series !== null && c.share >= 0.1 && numbers.add(c.series));
    }
  }
  return [...numbers].sort((a, b) => a - b).join(" ");
});

const ordered = computed(() => {
  const first = new Set(standingOut.value.split(" ").filter(Boolean).map(Number));
  const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = metrics.value.filter((m) => {
    const name = m.info.peek().name.toLowerCase();
    return words.every((word) => name.includes(word));
  });
  const number = (m: Metric) => m.info.peek().series;
  const place = (m: Metric) => (first.has(number(m)) ? 0 : m.info.peek().watched ? 1 : 2);
  return shown.sort((a, b) => place(a) - place(b) || number(a) - number(b));
});

/** How many values each label of a metric has: one tells no series from another, the most tells most. */
const labelValues = computed(() => {
  const seen = new Map<string, Map<string, Set<string>>>();
  for (const m of metrics.value) {
    const { metric, labels } = splitName(m.info.peek().name);
    const values = seen.get(metric) ?? new Map<string, Set<string>>();
    seen.set(metric, values);
    for (const label of labels) {
      const [key = "", value = ""] = label.split(/=(.*)/s);
      values.set(key, (values.get(key) ?? new Set()).add(value));
    }
  }
  return (metric: string, label: string) => seen.get(metric)?.get(label.split("=")[0]!)?.size ?? 0;
});

/** Asks the metric for its steps while the chart is in view, and draws them. */
function Plot({ metric, onHover }: { metric: Metric; onHover: (index: number | null) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const visible = useRef(signal(false));
  const drawn = visible.current.value;
  const version = metric.version.value;
  const range = shown.value;
  const colours = theme.value;

  useEffect(() => {
    const watch = new IntersectionObserver(
      ([entry]) => {
        visible.current.value = entry!.isIntersecting;
      },
      { rootMargin: "300px" },
    );
    const size = new ResizeObserver(() => chart.current?.resize());
    watch.observe(place.current!);
    size.observe(place.current!);
    return () => {
      watch.disconnect();
      size.disconnect();
    };
  }, []);
  useEffect(() => {
    metric.show(drawn);
    return () => metric.show(false);
  }, [drawn, metric]);
  useEffect(() => {
    return () => {
      chart.current?.destroy();
      chart.current = null;
    };
  }, [drawn, metric, colours]);
  useEffect(() => {
    if (!drawn || range === null || metric.steps === null || metric.steps.time.length === 0) {
      return;
    }
    if (chart.current === null) {
      chart.current = new Chart(place.current!, metric.info.peek().name, metric.steps, range, onHover);
    } else {
      chart.current.update(metric.steps, range);
    }
  }, [drawn, metric, version, range, colours]);
  return (
    <div class="plot" ref={place}>
      {metric.steps !== null && metric.steps.time.length === 0 && <p class="hint">No steps are kept of this series.</p>}
    </div>
  );
}

/** What to think of a series besides its numbers; nothing when all is well. */
function State({ info }: { info: Series }) {
  if (!info.watched) {
    return (
      <span class="chip unwatched" title="Shown beside the others and not judged: its option “watch” is off.">
        Not judged
      </span>
    );
  }
  if (info.alarm) {
    return <span class="chip alarm">Unusual</span>;
  }
  if (info.confidence === "cannot_tell") {
    return (
      <span class="chip learning" title="Too little was seen to say what is normal here; nothing is judged yet.">
        Learning
      </span>
    );
  }
  if (info.confidence === "low") {
    const text = "Early days: enough was seen to judge, not enough to raise an alarm.";
    return <i class="dot low" role="img" aria-label={text} title={text} />;
  }
  return null;
}

/** The newest step in words, or the one under the pointer. */
function Reading({ metric, index }: { metric: Metric; index: number | null }) {
  const info = metric.info.value;
  const steps = metric.steps;
  const old = index !== null && steps !== null && index < steps.time.length;
  const value = old ? steps.value[index]! : info.value;
  const lower = old ? steps.lower[index]! : info.lower;
  const upper = old ? steps.upper[index]! : info.upper;
  const alarm = old ? steps.alarm[index]! : info.alarm;
  return (
    <div class={alarm ? "reading alarm" : "reading"}>
      <strong>{formatValue(value, info.name)}</strong>
      <span class="band">
        {old && <time>{formatClock(steps.time[index]!, true)}</time>}
        {lower !== null && upper !== null
          ? `expected ${formatBand(lower, upper, info.name)}`
          : info.watched && "no expectation yet"}
      </span>
      <State info={info} />
    </div>
  );
}

function Card({ metric }: { metric: Metric }) {
  const hovered = useRef(signal<number | null>(null));
  const place = useRef<HTMLElement>(null);
  const info = metric.info.value;
  const { metric: name, labels } = splitName(info.name);
  const values = (label: string) => labelValues.value(name, label);
  /* Of labels that tell alike the last one comes first: a mountpoint says more than its device. */
  const telling = labels.filter((label) => values(label) > 1).reverse().sort((a, b) => values(b) - values(a));
  const sentTo = target.value?.series === info.series ? target.value.at : null;
  useEffect(() => {
    if (sentTo !== null) {
      place.current?.scrollIntoView({ block: "center", behavior: "smooth" });
    }
  }, [sentTo]);
  return (
    <article
      ref={place}
      class={`card${info.alarm ? " alarm" : ""}${sentTo !== null ? " target" : ""}`}
      aria-label={`${info.name}: ${formatValue(info.value, info.name)}${info.alarm ? ", unusual" : ""}`}
    >
      <h3 title={info.name}>
        <span>{name}</span>
        {telling.length > 0 && (
          <span class="labels">
            {telling.map((label) => (
              <code key={label}>{label}</code>
            ))}
          </span>
        )}
      </h3>
      <Reading metric={metric} index={hovered.current.value} />
      <Plot metric={metric} onHover={(index) => (hovered.current.value = index)} />
    </article>
  );
}

function summary(): string {
  const judged = metrics.value.map((m) => m.info.value).filter((info) => info.watched);
  const n = judged.length;
  const unusual = judged.filter((info) => info.alarm).length;
  const learning = judged.filter((info) => info.confidence === "cannot_tell").length;
  if (n === 0) {
    return "";
  }
  if (learning === n) {
    return `Learning what is normal here. ${plural(n, "metric is", "metrics are")} shown as they come, and none can be judged yet.`;
  }
  if (unusual === 0 && selectedEntity.value?.open_anomaly != null) {
    return "No metric is unusual at this moment; the anomaly stays open until it has been quiet for a while.";
  }
  const state = unusual > 0 ? `${unusual} of ${plural(n, "metric", "metrics")} unusual now` : `Nothing unusual in ${plural(n, "metric", "metrics")}`;
  return learning > 0 ? `${state}; cannot tell yet for ${learning}, still learning.` : `${state}.`;
}

function Spans() {
  return (
    <div class="spans" role="group" aria-label="Time shown">
      {SPANS.map(([label, seconds]) => (
        <button key={label} aria-pressed={span.value === seconds} onClick={() => (span.value = seconds)}>
          {label}
        </button>
      ))}
    </div>
  );
}

export function Metrics() {
  const entity = selectedEntity.value;
  if (entity === undefined) {
    return (
      <main id="metrics" class="metrics empty">
        <p>{link.value === "lost" ? "No connection to Lapwing." : status.value === null ? "Loading." : "Waiting for the first samples."}</p>
      </main>
    );
  }
  const state = entityState(entity);
  return (
    <main id="metrics" class="metrics" tabIndex={-1}>
      <div class="title">
        <h1>
          <i class={`dot ${state.kind}`} aria-hidden="true" />
          {entity.name || entity.detector}
        </h1>
        <Spans />
        <input
          type="search"
          placeholder="Filter metrics"
          aria-label="Filter metrics"
          value={sought.value}
          onInput={(event) => searchSeries(event.currentTarget.value)}
        />
        <p>
          {summary()} <span class="aside">{entity.has_model ? "A trained model also watches how the metrics play together." : ""}</span>
        </p>
        <Timeline />
      </div>
      <div class="cards" onPointerDown={() => target.value !== null && select(entity.entity)}>
        {ordered.value.map((metric) => (
          <Card key={`${entity.entity}/${metric.info.peek().series}`} metric={metric} />
        ))}
      </div>
      {entity.n_series > SERIES_MAX && (
        <p class="hint">
          Shown are {ordered.value.length.toLocaleString("en")} of {entity.n_series.toLocaleString("en")} metrics, those in alarm among them: the
          filter finds the others.
        </p>
      )}
      {ordered.value.length === 0 && sought.value !== "" && <p class="hint">No metric of that name.</p>}
    </main>
  );
}
