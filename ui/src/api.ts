// The server's JSON, as docs/api.md describes it, and the calls that fetch it.

export type Confidence = "cannot_tell" | "low" | "full";

export interface Status {
  n_detectors: number;
  n_entities: number;
  n_series: number;
  n_models: number;
  samples: number;
  anomalies_open: number;
  anomalies_opened: number;
  alarms_promised_per_week: number | null;
  alarms_per_week: number | null;
  state_degraded: boolean;
  /** When this was counted: at 100,000 entities that is a second or two ago. */
  counted: number;
  dropped: Record<string, number>;
  state: StateOnDisk | null;
  sinks_failing: number;
}

export interface StateOnDisk {
  read_only: boolean;
  checkpoint_failed: boolean;
  reason: string | null;
  checkpoint: number | null;
  journal_pending_bytes: number;
}

export interface Sink {
  sink: string;
  gone: boolean;
  up: boolean;
  dead_letters: number;
  last_error: string | null;
}

export type Sort = "score" | "name" | "last" | "anomalies";

/** A page of entities, as searched and sorted by the server. */
export interface EntityPage {
  entities: Entity[];
  n_matches: number;
  next: string | number | null;
}

export interface Entity {
  entity: number;
  detector: string;
  name: string;
  n_series: number;
  last: number | null;
  confidence: Confidence;
  alarm: boolean;
  score: number | null;
  has_model: boolean;
  open_anomaly: string | null;
}

export interface Series {
  series: number;
  name: string;
  watched: boolean;
  confidence: Confidence;
  alarm: boolean;
  last: number | null;
  value: number | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  score: number | null;
}

type Column = (number | null)[];

/** Steps of one series as columns of equal length. */
export interface Steps {
  time: number[];
  value: Column;
  expected: Column;
  lower: Column;
  upper: Column;
  score: Column;
  alarm: boolean[];
}

export interface Contribution {
  series: number | null;
  name: string;
  share: number;
  value: number | null;
  expected: number | null;
}

export interface Anomaly {
  id: string;
  change: number;
  detector: string;
  entity: number | null;
  entity_name: string;
  open: boolean;
  type: string;
  start: number;
  last: number;
  peak: number;
  peak_score: number | null;
  return_rows: number | null;
  n_steps: number;
  sentence: string;
  contributions: Contribution[];
}

/** One event of /v1/events. */
export interface Change {
  status: Status;
  entities: Entity[];
  removed: number[];
  anomalies: Anomaly[];
  series: (Steps & { series: number; confidence: Confidence })[];
}

async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return (await answer.json()) as T;
}

/** All pages of a list, up to `most` items. */
async function getAll<T>(path: string, member: string, most: number): Promise<T[]> {
  const items: T[] = [];
  for (let from: number | null = 0; from !== null && items.length < most; ) {
    const page: Record<string, unknown> = await get(`${path}?limit=1000&from=${from}`);
    items.push(...(page[member] as T[]));
    from = page["next"] as number | null;
  }
  return items;
}

export const getStatus = () => get<Status & { version: string; started: number }>("/v1/status");
export const getSinks = () => get<{ sinks: Sink[] }>("/v1/sinks");

export function getEntities(wanted: { search: string; sort: Sort; alarm: boolean; limit: number; from: string | null }) {
  const query = new URLSearchParams({ sort: wanted.sort, limit: String(wanted.limit) });
  if (wanted.search.trim() !== "") {
    query.set("search", wanted.search.trim());
  }
  if (wanted.alarm) {
    query.set("alarm", "yes");
  }
  if (wanted.from !== null) {
    query.set("from", wanted.from);
  }
  return get<EntityPage>(`/v1/entities?${query}`);
}

export async function getEntity(number: number): Promise<Entity | null> {
  const { entities } = await get<EntityPage>(`/v1/entities?from=${number}&limit=1`);
  return entities[0]?.entity === number ? entities[0] : null;
}

export async function getEntityByName(detector: string, name: string): Promise<Entity | null> {
  const { entities } = await get<EntityPage>(`/v1/entities?${new URLSearchParams({ detector, name })}`);
  return entities[0] ?? null;
}

/** All series of an entity, or of very many those in alarm and the first ones that hold the search. */
export async function getSeries(entity: Entity, search: string, most: number): Promise<Series[]> {
  const path = `/v1/entities/${entity.entity}/series`;
  if (entity.n_series <= most) {
    return getAll<Series>(path, "series", most);
  }
  const sought = search.trim() === "" ? "" : `&${new URLSearchParams({ search: search.trim() })}`;
  const [unusual, first] = await Promise.all([
    get<{ series: Series[] }>(`${path}?limit=50&alarm=yes${sought}`),
    get<{ series: Series[] }>(`${path}?limit=${most}${sought}`),
  ]);
  const seen = new Set(first.series.map((series) => series.series));
  return [...first.series, ...unusual.series.filter((series) => !seen.has(series.series))];
}
export const getAnomalies = () => get<{ anomalies: Anomaly[]; change: number }>("/v1/anomalies?limit=200");
export const getSteps = (entity: number, series: number, since: number | null) =>
  get<Steps>(`/v1/series/${entity}/${series}${since === null ? "" : `?since=${since}`}`);
