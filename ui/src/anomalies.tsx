// The list at the right: what was unusual, newest first, and which metrics had to do with it.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Anomaly, Contribution } from "./api";
import { formatDuration, formatMoment, formatValue, splitName } from "./format";
import { newestAnomalies, select, status } from "./store";

const PAGE = 30;
const shown = signal(PAGE);

function Share({ anomaly, contribution }: { anomaly: Anomaly; contribution: Contribution }) {
  const { metric, labels } = splitName(contribution.name);
  const whole = contribution.series === null;
  return (
    <li>
      <button
        class="share"
        disabled={whole || anomaly.entity === null}
        onClick={() => select(anomaly.entity, contribution.series)}
        title={whole ? "How the metrics play together" : `Show ${contribution.name}`}
      >
        <span class="what">
          {whole ? "all metrics together" : metric}
          {labels.map((label) => (
            <code key={label}>{label}</code>
          ))}
        </span>
        <span class="percent">{Math.round(contribution.share * 100)} %</span>
        <span class="bar" aria-hidden="true">
          <i style={{ width: `${Math.max(1, contribution.share * 100)}%` }} />
        </span>
        {contribution.value !== null && contribution.expected !== null && (
          <span class="values">
            {formatValue(contribution.value, contribution.name)}, expected {formatValue(contribution.expected, contribution.name)}
          </span>
        )}
      </button>
    </li>
  );
}

function Named({ name }: { name: string }) {
  const { metric, labels } = splitName(name);
  return (
    <>
      <b>{metric}</b>
      {labels.map((label) => (
        <code key={label}>{label}</code>
      ))}
    </>
  );
}

/** The sentence with the names of metrics set apart. */
function Sentence({ anomaly }: { anomaly: Anomaly }) {
  const parts: ComponentChildren[] = [];
  const names = anomaly.contributions.map((c) => c.name).filter(Boolean);
  let rest = anomaly.sentence || `${anomaly.entity_name} is unusual.`;
  while (rest !== "") {
    const hits = names.map((name) => ({ name, at: rest.indexOf(name) })).filter((hit) => hit.at >= 0);
    hits.sort((a, b) => a.at - b.at || b.name.length - a.name.length);
    const hit = hits[0];
    if (hit === undefined) {
      parts.push(rest);
      break;
    }
    parts.push(rest.slice(0, hit.at), <Named name={hit.name} />);
    rest = rest.slice(hit.at + hit.name.length);
  }
  return <span class="sentence">{parts}</span>;
}

function Item({ anomaly }: { anomaly: Anomaly }) {
  const lasted = anomaly.last - anomaly.start;
  const leading = anomaly.contributions.find((c) => c.series !== null)?.series ?? null;
  return (
    <li class={`anomaly${anomaly.open ? " open" : ""}`}>
      <button class="told" disabled={anomaly.entity === null} onClick={() => select(anomaly.entity, leading)}>
        <span class="when">
          <span class="chip type">{anomaly.type || "unusual"}</span>
          <time dateTime={new Date(anomaly.start * 1000).toISOString()}>{formatMoment(anomaly.start)}</time>
          <span class="aside">{anomaly.open ? "still going on" : lasted > 0 ? `for ${formatDuration(lasted)}` : "one step"}</span>
        </span>
        <Sentence anomaly={anomaly} />
      </button>
      <dl>
        {((status.value?.n_entities ?? 0) > 1 || anomaly.entity === null) && (
          <div>
            <dt>On</dt>
            <dd>
              {anomaly.entity_name}
              {anomaly.entity === null && " (gone)"}
            </dd>
          </div>
        )}
        <div>
          <dt>Peak</dt>
          <dd>
            {formatMoment(anomaly.peak)}
            {anomaly.peak_score !== null && `, score ${anomaly.peak_score.toFixed(2)}`}
          </dd>
        </div>
        {anomaly.return_rows !== null && anomaly.return_rows > 0 && (
          <div>
            <dt>Rarity</dt>
            <dd>once in {formatValue(anomaly.return_rows)} steps</dd>
          </div>
        )}
      </dl>
      <ul class="shares" aria-label="Metrics that had to do with it">
        {anomaly.contributions.slice(0, 4).map((contribution, i) => (
          <Share key={i} anomaly={anomaly} contribution={contribution} />
        ))}
      </ul>
    </li>
  );
}

export function Anomalies() {
  const all = newestAnomalies.value;
  const open = all.filter((anomaly) => anomaly.open).length;
  return (
    <aside class="anomalies" aria-label="Anomalies">
      <h2>
        Anomalies <small>{open > 0 ? `${open} open` : ""}</small>
      </h2>
      <p class="hidden" role="status">
        {open > 0 ? `${open} anomalies are open` : ""}
      </p>
      {all.length === 0 && status.value !== null && (
        <p class="hint">Nothing unusual was seen so far. Metrics marked “Learning” are not judged yet.</p>
      )}
      <ol>
        {all.slice(0, shown.value).map((anomaly) => (
          <Item key={anomaly.id} anomaly={anomaly} />
        ))}
      </ol>
      {all.length > shown.value && (
        <button class="more" onClick={() => (shown.value += PAGE)}>
          Show older ones
        </button>
      )}
    </aside>
  );
}
