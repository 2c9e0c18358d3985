// A lane over the time that the charts show: when the selected entity was unusual.
import { computed } from "@preact/signals";
import type { Anomaly } from "./api";
import { formatClock, formatDuration, formatMoment } from "./format";
import { metrics, newestAnomalies, select, selectedEntity, span } from "./store";

/** First and last moment shown: of the charts' span, or of all that the first loaded series keeps. */
const shown = computed(() => {
  const last = metrics.value.reduce((latest, m) => Math.max(latest, m.info.value.last ?? 0), 0);
  if (last === 0) {
    return null;
  }
  if (span.value !== null) {
    return { first: last - span.value, last };
  }
  const loaded = metrics.value.find((m) => m.version.value > 0 && m.steps !== null && m.steps.time.length > 0);
  return { first: Math.min(loaded?.steps?.time[0] ?? last, last - 60), last };
});

function Mark({ anomaly, first, last }: { anomaly: Anomaly; first: number; last: number }) {
  const from = Math.max(anomaly.start, first);
  const to = anomaly.open ? last : Math.min(anomaly.last, last);
  const text = `${anomaly.type || "Unusual"} at ${formatMoment(anomaly.start)}, ${formatDuration(Math.max(1, to - anomaly.start))}`;
  return (
    <button
      class={anomaly.open ? "open" : ""}
      style={{
        left: `${(100 * (from - first)) / (last - first)}%`,
        width: `${(100 * (to - from)) / (last - first)}%`,
      }}
      title={text}
      aria-label={text}
      onClick={() => select(anomaly.entity, anomaly.contributions.find((c) => c.series !== null)?.series ?? null)}
    />
  );
}

export function Timeline() {
  const range = shown.value;
  const entity = selectedEntity.value?.entity;
  if (range === null) {
    return null;
  }
  const { first, last } = range;
  const inView = newestAnomalies.value.filter((a) => a.entity === entity && (a.open || a.last >= first) && a.start <= last);
  return (
    <div class="timeline">
      <time>{formatClock(first, false)}</time>
      <div class="lane" role="group" aria-label="Anomalies of this entity in the time shown">
        {inView.map((anomaly) => (
          <Mark key={anomaly.id} anomaly={anomaly} first={first} last={last} />
        ))}
      </div>
      <time>{formatClock(last, true)}</time>
    </div>
  );
}
