// The bar at the top: whether the page is live, how much is watched, and how often it cries wolf.
import { effect } from "@preact/signals";
import { formatDuration, formatValue, plural } from "./format";
import { link, rate, sinks, status, version } from "./store";

effect(() => {
  const open = status.value?.anomalies_open ?? 0;
  document.title = open > 0 ? `(${open}) Lapwing` : "Lapwing";
});

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M3.500 5.200C9 8.900 12.600 8.300 15.600 8.700c4.600.500 7.500 3.400 8 6.900l5.600 2.400-6 1.200c-1.100 4.700-4.900 7.600-9.900 7.600-3.200 0-5.800-.800-8-2.500 3.800-.400 6.300-2.500 6.600-5.900.300-3.100-.800-5.300-2.700-7.100C7.300 9.500 5.400 7.600 3.500 5.200z" />
      <circle cx="18.400" cy="13.800" r="1.600" />
    </svg>
  );
}

const LINKS = {
  connecting: "Connecting",
  live: "Live",
  lost: "No connection, trying again",
};

function Figure(props: { value: string; label: string; title?: string; kind?: string }) {
  return (
    <div class={`figure ${props.kind ?? ""}`} title={props.title}>
      <dd>{props.value}</dd>
      <dt>{props.label}</dt>
    </div>
  );
}

/** Alarms a week as they came, beside what the budget promises at most. */
function Budget() {
  const { alarms_per_week: achieved, alarms_promised_per_week: promised } = status.value!;
  if (promised === null || promised <= 0) {
    return null;
  }
  const over = achieved !== null && achieved > promised;
  const title =
    achieved === null
      ? "The rate is known after an hour of data."
      : `${formatValue(achieved)} alarms a week so far. The budget promises at most ${formatValue(promised)} false ones.`;
  return (
    <div class="figure budget" title={title}>
      <dd>
        <span class={over ? "over" : ""}>{achieved === null ? "–" : formatValue(achieved)}</span>
        <small> of at most {formatValue(promised)}</small>
      </dd>
      <dt>alarms a week</dt>
    </div>
  );
}

const DROPPED: Record<string, string> = {
  late: "too late",
  duplicates: "came twice",
  not_finite: "no number",
  overflow: "more than a step keeps",
  unmatched: "no detector takes them",
  series_refused: "series refused",
};

/** What does not go as it should, worst first, each with what is known of it. */
function troubles(): { text: string; title: string; grave: boolean }[] {
  const now = status.value;
  if (now === null) {
    return [];
  }
  const found: { text: string; title: string; grave: boolean }[] = [];
  const reason = now.state?.reason ?? "The log says why.";
  if (now.state?.read_only) {
    found.push({ text: "Read-only: samples are refused", title: `The journal cannot be written. ${reason}`, grave: true });
  } else if (now.state?.checkpoint_failed) {
    found.push({ text: "Snapshots fail", title: `The one before and the journal are good. ${reason}`, grave: true });
  } else if (now.state_degraded) {
    found.push({ text: "State is not being saved", title: reason, grave: true });
  }
  if (now.sinks_failing > 0) {
    const names = sinks.value.filter((sink) => !sink.gone && (!sink.up || sink.dead_letters > 0));
    const title = names.map((sink) => `${sink.sink}: ${sink.last_error ?? `${sink.dead_letters} dead letters`}`).join("; ");
    found.push({ text: `${plural(now.sinks_failing, "sink fails", "sinks fail")}`, title: title || "See /v1/sinks.", grave: true });
  }
  const dropped = Object.entries(now.dropped).filter(([, n]) => n > 0);
  if (dropped.length > 0) {
    const all = dropped.reduce((sum, [, n]) => sum + n, 0);
    const title = dropped.map(([why, n]) => `${n.toLocaleString("en")} ${DROPPED[why] ?? why}`).join(", ");
    found.push({ text: `${formatValue(all)} not scored`, title: `Since the state began: ${title}.`, grave: false });
  }
  return found;
}

function Troubles() {
  return (
    <>
      {troubles().map(({ text, title, grave }) => (
        <span key={text} class={grave ? "chip alarm" : "chip learning"} role={grave ? "alert" : undefined} title={title} tabIndex={0}>
          {text}
        </span>
      ))}
    </>
  );
}

/** How old the snapshot is, where the state is kept. */
function Saved() {
  const at = status.value?.state?.checkpoint;
  if (at === undefined) {
    return null;
  }
  const pending = status.value!.state!.journal_pending_bytes;
  return (
    <Figure
      value={at === null || at === 0 ? "–" : `${formatDuration(Math.max(1, Math.round(status.value!.counted - at)))} ago`}
      label="last snapshot"
      kind="saved"
      title={`${formatValue(pending, "_bytes")} of the journal are not on the disk yet.`}
    />
  );
}

export function Header() {
  const now = status.value;
  return (
    <header>
      <a class="brand" href="/" aria-label="Lapwing">
        <Mark />
        <span>Lapwing</span>
      </a>
      <span class={`link ${link.value}`} role="status" title={version.value && `Version ${version.value}`}>
        <i aria-hidden="true" />
        {LINKS[link.value]}
      </span>
      <Troubles />
      {now !== null && (
        <dl class="figures">
          <Figure value={rate.value === null ? "–" : formatValue(Math.round(rate.value))} label="samples a second" />
          <Figure value={now.n_series.toLocaleString("en")} label="series" />
          <Figure value={now.n_entities.toLocaleString("en")} label={now.n_entities === 1 ? "entity" : "entities"} />
          <Saved />
          <Budget />
        </dl>
      )}
    </header>
  );
}
