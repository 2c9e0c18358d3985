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
export const getEntities = () => getAll<Entity>("/v1/entities", "entities", 10000);
export const getSeries = (entity: number) => getAll<Series>(`/v1/entities/${entity}/series`, "series", 4096);
export const getAnomalies = () => get<{ anomalies: Anomaly[]; change: number }>("/v1/anomalies?limit=200");
export const getSteps = (entity: number, series: number, since: number | null) =>
  get<Steps>(`/v1/series/${entity}/${series}${since === null ? "" : `?since=${since}`}`);
