// What the page knows: signals that the views read, kept current by one stream of events.
import { batch, computed, signal } from "@preact/signals";
import { type Anomaly, type Change, type Entity, type Series, type Status, type Steps } from "./api";
import { getAnomalies, getEntities, getSeries, getStatus, getSteps } from "./api";

/** Steps kept of a series in the page. */
const STEPS_MAX = 8000;
const ANOMALIES_MAX = 500;

export type Link = "connecting" | "live" | "lost";

export const link = signal<Link>("connecting");
export const version = signal("");
export const status = signal<Status | null>(null);
export const rate = signal<number | null>(null);
export const entities = signal<ReadonlyMap<number, Entity>>(new Map());
export const anomalies = signal<ReadonlyMap<string, Anomaly>>(new Map());
export const selected = signal<number | null>(null);
export const metrics = signal<Metric[]>([]);
/** The series that a link asked to be shown: scrolled to and marked. */
export const target = signal<{ series: number; at: number } | null>(null);
/** Seconds that the charts show; null: all that is kept. */
export const span = signal<number | null>(900);

/** The first moment of the selected entity that any chart has steps of. */
const earliest = signal(Infinity);

export const selectedEntity = computed(() => (selected.value === null ? undefined : entities.value.get(selected.value)));
export const newestAnomalies = computed(() => [...anomalies.value.values()].sort((a, b) => b.start - a.start || b.change - a.change));

/** First and last moment that the charts show: the newest `span`, or what is kept while that is less. */
export const shown = computed<[number, number] | null>(() => {
  const last = metrics.value.reduce((latest, metric) => Math.max(latest, metric.info.value.last ?? 0), 0);
  if (last === 0) {
    return null;
  }
  const first = Math.min(earliest.value, last - 60);
  return [span.value === null ? first : Math.max(first, last - span.value), last];
});

/** One series of the selected entity: what the list says of it, and its steps once a chart asked for them. */
export class Metric {
  readonly info;
  /** While a chart shows it; its steps are let go when none does, so that many series cost little. */
  inView = false;
  /** Grows when `steps` changed, which is changed in place. */
  readonly version = signal(0);
  steps: Steps | null = null;
  /** Time of the newest step that was anomalous. */
  lastAlarm = -Infinity;
  private loading = false;

  constructor(
    readonly entity: number,
    info: Series,
  ) {
    this.info = signal(info);
    this.lastAlarm = info.alarm ? (info.last ?? 0) : -Infinity;
  }

  show(inView: boolean): void {
    this.inView = inView;
    if (inView) {
      void this.load();
    } else {
      this.steps = null;
    }
  }

  /** Fetches what is not here yet; the stream's steps may come before, between and after. */
  async load(): Promise<void> {
    if (this.loading) {
      return;
    }
    this.loading = true;
    try {
      const since = this.steps === null ? null : (this.steps.time.at(-1) ?? null);
      const fetched = await getSteps(this.entity, this.info.value.series, since);
      if (!this.inView) {
        return;
      }
      if (this.steps === null || since === null) {
        this.steps = fetched;
      } else {
        append(this.steps, fetched);
      }
      this.version.value++;
      earliest.value = Math.min(earliest.value, this.steps.time[0] ?? Infinity);
    } catch {
      /* The next change or a scroll asks again. */
    } finally {
      this.loading = false;
    }
  }

  take(steps: Steps, confidence: Series["confidence"]): void {
    const at = steps.time.length - 1;
    if (at < 0) {
      return;
    }
    if (this.steps !== null) {
      append(this.steps, steps);
      this.version.value++;
    }
    const newest = steps.alarm.lastIndexOf(true);
    this.lastAlarm = newest < 0 ? this.lastAlarm : steps.time[newest]!;
    this.info.value = {
      ...this.info.value,
      confidence,
      last: steps.time[at]!,
      alarm: steps.alarm[at]!,
      value: steps.value[at]!,
      expected: steps.expected[at]!,
      lower: steps.lower[at]!,
      upper: steps.upper[at]!,
      score: steps.score[at]!,
    };
  }
}

/** Adds those of `more` that come after the last of `steps`. */
function append(steps: Steps, more: Steps): void {
  const last = steps.time.at(-1) ?? -Infinity;
  for (let i = 0; i < more.time.length; i++) {
    if (more.time[i]! > last) {
      steps.time.push(more.time[i]!);
      steps.value.push(more.value[i]!);
      steps.expected.push(more.expected[i]!);
      steps.lower.push(more.lower[i]!);
      steps.upper.push(more.upper[i]!);
      steps.score.push(more.score[i]!);
      steps.alarm.push(more.alarm[i]!);
    }
  }
  const excess = steps.time.length - STEPS_MAX;
  if (excess > STEPS_MAX / 8) {
    for (const column of Object.values(steps)) {
      if (Array.isArray(column)) {
        column.splice(0, excess);
      }
    }
  }
}

let source: EventSource | null = null;
let change = 0;
let loaded = false;
let started: number | null = null;
let counted: { samples: number; at: number }[] = [];

/** Which entity to show when none was asked for: the one in most trouble. */
function worst(): number | null {
  let best: Entity | null = null;
  for (const entity of entities.value.values()) {
    if (best === null || rank(entity) > rank(best)) {
      best = entity;
    }
  }
  return best?.entity ?? null;
}

export function rank(entity: Entity): number {
  return (entity.alarm ? 10 : 0) + (entity.open_anomaly !== null ? 5 : 0);
}

/** Over the last ten seconds: steps close in bursts, and a shorter look would tremble. */
function countRate(now: Status): void {
  const at = performance.now() / 1000;
  counted.push({ samples: now.samples, at });
  while (counted.length > 2 && at - counted[1]!.at >= 10) {
    counted.shift();
  }
  const first = counted[0]!;
  if (now.samples < first.samples) {
    counted = [];
  } else if (at - first.at > 1.5) {
    rate.value = (now.samples - first.samples) / (at - first.at);
  }
}

function takeEntities(changed: Entity[], removed: number[]): void {
  if (changed.length === 0 && removed.length === 0) {
    return;
  }
  const map = new Map(entities.value);
  for (const entity of changed) {
    const before = map.get(entity.entity);
    map.set(entity.entity, entity);
    if (entity.entity === selected.value && before?.n_series !== entity.n_series) {
      void loadSeries();
    }
  }
  removed.forEach((number) => map.delete(number));
  entities.value = map;
  if (selected.value === null || !map.has(selected.value)) {
    select(worst());
  }
}

function takeAnomalies(changed: Anomaly[]): void {
  if (changed.length === 0) {
    return;
  }
  const map = new Map(anomalies.value);
  for (const anomaly of changed) {
    map.set(anomaly.id, anomaly);
    change = Math.max(change, anomaly.change);
  }
  if (map.size > ANOMALIES_MAX) {
    const oldest = [...map.values()].sort((a, b) => a.start - b.start).slice(0, map.size - ANOMALIES_MAX);
    oldest.forEach((anomaly) => map.delete(anomaly.id));
  }
  anomalies.value = map;
}

function takeSteps(series: Change["series"]): void {
  const known = new Map(metrics.value.map((metric) => [metric.info.value.series, metric]));
  for (const steps of series) {
    known.get(steps.series)?.take(steps, steps.confidence);
  }
}

function onChange(event: MessageEvent<string>): void {
  const told = JSON.parse(event.data) as Change;
  batch(() => {
    status.value = told.status;
    countRate(told.status);
    takeEntities(told.entities, told.removed);
    takeAnomalies(told.anomalies);
    takeSteps(told.series);
  });
}

/** (Re)opens the stream for the selected entity; what was missed meanwhile is fetched by the charts in view. */
function listen(): void {
  source?.close();
  const entity = selected.value === null ? "" : `entity=${selected.value}&`;
  source = new EventSource(`/v1/events?${entity}after=${change}`);
  source.addEventListener("change", onChange as EventListener);
  source.onopen = () => {
    void resume();
  };
  source.onerror = () => {
    link.value = "lost";
    if (source?.readyState === EventSource.CLOSED) {
      setTimeout(listen, 3000);
    }
  };
}

/** After a break: a server that was started anew knows entities by other numbers, so the page starts anew too. */
async function resume(): Promise<void> {
  if (link.value === "lost" && (await getStatus()).started !== started) {
    location.reload();
    return;
  }
  link.value = "live";
  metrics.value.filter((metric) => metric.inView).forEach((metric) => void metric.load());
}

async function loadSeries(): Promise<void> {
  const entity = selected.value;
  if (entity === null) {
    metrics.value = [];
    return;
  }
  try {
    const list = await getSeries(entity);
    if (selected.value === entity) {
      const known = new Map(metrics.value.filter((m) => m.entity === entity).map((m) => [m.info.value.series, m]));
      metrics.value = list.map((info) => known.get(info.series) ?? new Metric(entity, info));
    }
  } catch {
    /* The entity is gone, or the server is: the stream tells which. */
  }
}

/** Shows an entity, and of it a series; an entity that is gone cannot be shown. */
export function select(entity: number | null, series: number | null = null): void {
  if (entity !== null && !entities.value.has(entity)) {
    return;
  }
  if (entity !== selected.peek()) {
    batch(() => {
      selected.value = entity;
      metrics.value = [];
      earliest.value = Infinity;
    });
    void loadSeries();
    if (loaded) {
      listen();
    }
  }
  target.value = series === null ? null : { series, at: Date.now() };
  const hash = entity === null ? "" : `#${entity}${series === null ? "" : `/${series}`}`;
  if (location.hash !== hash) {
    history.replaceState(null, "", hash || location.pathname);
  }
}

function selectFromAddress(): void {
  const asked = /^#(\d+)(?:\/(\d+))?$/.exec(location.hash);
  const entity = asked === null ? null : Number(asked[1]);
  if (entity !== null && entities.value.has(entity)) {
    select(entity, asked![2] === undefined ? null : Number(asked![2]));
  } else if (selected.value === null || !entities.value.has(selected.value)) {
    select(worst());
  }
}

/** Fetches all there is and opens the stream; tries again until the server is there. */
export async function start(): Promise<void> {
  try {
    const [totals, list, told] = await Promise.all([getStatus(), getEntities(), getAnomalies()]);
    batch(() => {
      version.value = totals.version;
      started = totals.started;
      status.value = totals;
      countRate(totals);
      entities.value = new Map(list.map((entity) => [entity.entity, entity]));
      anomalies.value = new Map(told.anomalies.map((anomaly) => [anomaly.id, anomaly]));
    });
    change = told.change;
    selectFromAddress();
    loaded = true;
    listen();
    window.addEventListener("hashchange", selectFromAddress);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        source?.close();
      } else {
        listen();
      }
    });
  } catch {
    link.value = "lost";
    setTimeout(() => void start(), 3000);
  }
}
