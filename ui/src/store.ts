// What the page knows: signals that the views read, kept current by one stream of events.
import { batch, computed, effect, signal } from "@preact/signals";
import { type Anomaly, type Change, type Entity, type Series, type Sink, type Sort, type Status, type Steps } from "./api";
import { getAnomalies, getEntities, getEntity, getEntityByName, getSeries, getSinks, getStatus, getSteps } from "./api";

/** Steps kept of a series in the page. */
const STEPS_MAX = 8000;
const ANOMALIES_MAX = 500;
/** Entities of a page of the list; the server searches and sorts, so that 100,000 are no more to the page than 50. */
const PAGE = 50;
/** Series of one entity in the page; of more the search finds the others. */
export const SERIES_MAX = 200;
/** Rows of the list and series that the stream tells of, at most. */
const WATCHED_MAX = 60;
/** How often the list is sorted anew while nobody points at it. */
const REFRESH_MS = 5000;

export type Link = "connecting" | "live" | "lost";

export const link = signal<Link>("connecting");
export const version = signal("");
export const status = signal<Status | null>(null);
export const rate = signal<number | null>(null);
/** Those that are listed, and the one shown: not all there are. */
export const entities = signal<ReadonlyMap<number, Entity>>(new Map());
export const sinks = signal<Sink[]>([]);

/** The list at the left: what is asked of the server, and what it gave. */
export const sought = signal("");
export const sort = signal<Sort>("score");
export const onlyAlarm = signal(false);
export const listed = signal<number[]>([]);
export const matches = signal<number | null>(null);
export const inAlarm = signal<number | null>(null);
export const more = signal<string | null>(null);
/** Rows of the list on the screen, first and behind the last. */
export const rows = signal<[number, number]>([0, 40]);
/** While somebody points at the list or is in it, it keeps its order. */
export const holding = signal(false);
export const seriesSought = signal("");
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
    watch();
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

let asking = 0;

/** Asks for the list anew: as many as are shown, or the next page behind them. */
export async function list(next = false): Promise<void> {
  if (next && more.peek() === null) {
    return;
  }
  const turn = ++asking;
  const limit = next ? PAGE : Math.min(500, Math.max(PAGE, Math.ceil(listed.peek().length / PAGE) * PAGE));
  const wanted = { search: sought.peek(), sort: sort.peek(), alarm: onlyAlarm.peek(), limit, from: next ? more.peek() : null };
  const [page, alarms] = await Promise.all([
    getEntities(wanted),
    getEntities({ search: "", sort: "score", alarm: true, limit: 1, from: null }),
  ]);
  if (turn !== asking) {
    return;
  }
  batch(() => {
    const kept = next ? listed.value : [];
    const known = new Set(kept);
    const shown = selected.value === null ? undefined : entities.value.get(selected.value);
    const map = new Map(next ? entities.value : []);
    page.entities.forEach((entity) => map.set(entity.entity, entity));
    if (shown !== undefined && !map.has(shown.entity)) {
      map.set(shown.entity, shown);
    }
    entities.value = map;
    listed.value = [...kept, ...page.entities.map((entity) => entity.entity).filter((number) => !known.has(number))];
    matches.value = page.n_matches;
    inAlarm.value = alarms.n_matches;
    more.value = page.next === null ? null : String(page.next);
  });
  if (selected.peek() === null && page.entities.length > 0) {
    select(page.entities[0]!.entity);
  }
  watch();
}

let watching: ReturnType<typeof setTimeout> | undefined;

/** What the page looks at may have changed: a moment later the stream is told, if it has. */
function watch(): void {
  clearTimeout(watching);
  watching = setTimeout(() => {
    if (loaded && !document.hidden && address() !== listening) {
      listen();
    }
  }, 300);
}

/** Over the last ten seconds: steps close in bursts, and a shorter look would tremble. */
function countRate(now: Status): void {
  const at = now.counted;
  if (at === counted.at(-1)?.at) {
    return;
  }
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
  listed.value = listed.value.filter((number) => map.has(number));
  if (selected.value !== null && !map.has(selected.value)) {
    select(null);
    refresh();
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

/** What is looked at, as the stream is asked for it. */
function address(): string {
  const [first, last] = rows.peek();
  const watched = new Set(listed.peek().slice(first, Math.min(last, first + WATCHED_MAX)));
  const parts: string[] = [];
  if (selected.peek() !== null) {
    watched.add(selected.peek()!);
    parts.push(`entity=${selected.peek()}`);
    if ((selectedEntity.peek()?.n_series ?? 0) > SERIES_MAX) {
      const inView = metrics.peek().filter((metric) => metric.inView);
      parts.push(`series=${inView.slice(0, WATCHED_MAX).map((metric) => metric.info.peek().series).join(",")}`);
    }
  }
  parts.push(`entities=${[...watched].sort((a, b) => a - b).join(",")}`);
  return parts.join("&");
}

let listening = "";

/** (Re)opens the stream for what is looked at; what was missed meanwhile is fetched by the charts in view. */
function listen(): void {
  source?.close();
  listening = address();
  source = new EventSource(`/v1/events?${listening}&after=${change}`);
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
    const shown = entities.value.get(entity) ?? (await getEntity(entity));
    const list = shown === null ? [] : await getSeries(shown, seriesSought.peek(), SERIES_MAX);
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
    void getEntity(entity).then((found) => {
      if (found !== null) {
        entities.value = new Map(entities.value).set(entity, found);
        select(entity, series);
      }
    });
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

/** `#12/3`: entity 12 and of it series 3. `#/entity?detector=D&entity=NAME`: by name, as links of alerts have it. */
async function selectFromAddress(): Promise<void> {
  const asked = /^#(\d+)(?:\/(\d+))?$/.exec(location.hash);
  const named = /^#\/entity\?(.*)$/.exec(location.hash);
  let found: Entity | null = null;
  if (asked !== null) {
    found = await getEntity(Number(asked[1]));
  } else if (named !== null) {
    const query = new URLSearchParams(named[1]);
    found = await getEntityByName(query.get("detector") ?? "", query.get("entity") ?? "");
  }
  if (found !== null) {
    entities.value = new Map(entities.value).set(found.entity, found);
    select(found.entity, asked?.[2] === undefined ? null : Number(asked[2]));
  }
}

/** What the stream does not tell: the order of the list, and which sink fails. */
function refresh(): void {
  if (document.hidden || link.peek() !== "live") {
    return;
  }
  if (!holding.peek()) {
    list().catch(() => undefined); /* The next turn asks again. */
  }
  if ((status.peek()?.sinks_failing ?? 0) > 0) {
    getSinks().then((told) => (sinks.value = told.sinks), () => undefined);
  }
}

/** Fetches what is looked at and opens the stream; tries again until the server is there. */
export async function start(): Promise<void> {
  try {
    const [totals, told] = await Promise.all([getStatus(), getAnomalies()]);
    batch(() => {
      version.value = totals.version;
      started = totals.started;
      status.value = totals;
      countRate(totals);
      anomalies.value = new Map(told.anomalies.map((anomaly) => [anomaly.id, anomaly]));
    });
    change = told.change;
    if (location.hash !== "") {
      await selectFromAddress();
    }
    await list();
  } catch {
    link.value = "lost";
    setTimeout(() => void start(), 3000);
    return;
  }
  loaded = true;
  listen();
  window.addEventListener("hashchange", () => void selectFromAddress().catch(() => undefined));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
    } else {
      listen();
      refresh();
    }
  });
  setInterval(refresh, REFRESH_MS);
  effect(() => {
    rows.value;
    metrics.value;
    watch();
  });
}

let typing: ReturnType<typeof setTimeout> | undefined;

/** The search, the order or the choice changed: from the first page on. */
export function searchEntities(): void {
  clearTimeout(typing);
  asking++; /* An answer under way is to another question. */
  more.value = null;
  typing = setTimeout(() => {
    listed.value = [];
    list().catch(() => undefined);
  }, 150);
}

/** The same for the series of an entity that has too many for the page. */
export function searchSeries(text: string): void {
  seriesSought.value = text;
  if ((selectedEntity.peek()?.n_series ?? 0) > SERIES_MAX) {
    clearTimeout(typing);
    typing = setTimeout(() => void loadSeries(), 150);
  }
}
