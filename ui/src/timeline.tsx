// A lane over the time that the charts show: when the selected entity was unusual.
import type { Anomaly } from "./api";
import { formatClock, formatDuration, formatMoment } from "./format";
import { newestAnomalies, select, selectedEntity, shown } from "./store";

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
  const entity = selectedEntity.value?.entity;
  if (shown.value === null) {
    return null;
  }
  const [first, last] = shown.value;
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
