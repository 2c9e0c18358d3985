// Numbers, moments and names as people read them.

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** Three significant digits, with a prefix for what is large: 0.0421, 4.2k, 18.3 GB. */
export function formatValue(value: number | null | undefined, name = ""): string {
  if (value === null || value === undefined) {
    return "–";
  }
  const bytes = isBytes(name);
  const size = Math.abs(value);
  if (size < (bytes ? 1000 : 10000)) {
    const text = minus(Number.isInteger(value) ? String(value) : size >= 100 ? value.toFixed(0) : trim(value.toPrecision(3)));
    return bytes ? `${text} B` : text;
  }
  const step = Math.min(Math.floor(Math.log10(size) / 3 + 1e-9), PREFIXES.length - 1);
  const scaled = value / 1000 ** step;
  const text = minus(trim(Math.abs(scaled) >= 100 ? scaled.toFixed(0) : scaled.toPrecision(3)));
  return bytes ? `${text} ${PREFIXES[step]}B` : `${text}${PREFIXES[step]}`;
}

/** A tick of an axis: with as many digits as tell it from the next one, `step` away. */
export function formatTick(value: number, step: number, name: string): string {
  if (value === 0) {
    return "0";
  }
  const size = Math.abs(value);
  const bytes = isBytes(name);
  const level = size < (bytes ? 1000 : 10000) ? 0 : Math.min(Math.floor(Math.log10(size) / 3 + 1e-9), PREFIXES.length - 1);
  const scale = 1000 ** level;
  let digits = 0;
  for (let shown = step / scale; digits < 6 && Math.abs(shown - Math.round(shown)) > 1e-6 * shown; shown *= 10) {
    digits++;
  }
  const text = minus((value / scale).toFixed(digits));
  return bytes ? `${text} ${PREFIXES[level]}B` : `${text}${PREFIXES[level]}`;
}

/** A real minus sign, and none before nothing. */
const minus = (text: string) => (/^-[0.]+$/.test(text) ? text.slice(1) : text.replace("-", "−"));

const isBytes = (name: string) => /_bytes(_|$|\{)/.test(name);

function trim(text: string): string {
  if (text.includes("e")) {
    return String(Number(text));
  }
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const two = (n: number) => String(n).padStart(2, "0");

/** 14:32, or 14:32:05 with seconds; local time. */
export function formatClock(seconds: number, withSeconds: boolean): string {
  const at = new Date(seconds * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ""}`;
}

/** The clock, with the date before it when it is not today. */
export function formatMoment(seconds: number): string {
  const at = new Date(seconds * 1000);
  const clock = formatClock(seconds, true);
  if (at.toDateString() === new Date().toDateString()) {
    return clock;
  }
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
}

/** The two largest units: 42 s, 3 min 10 s, 2 h 5 min, 3 d 4 h. */
export function formatDuration(seconds: number): string {
  const units: [number, string][] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const [length, unit] of units) {
    const n = Math.floor(rest / length);
    if (n > 0 && parts.length < 2) {
      parts.push(`${n} ${unit}`);
    }
    rest -= n * length;
  }
  return parts.join(" ") || `${trim(seconds.toPrecision(2))} s`;
}

export interface Name {
  metric: string;
  labels: string[];
}

/** Splits `metric{a="b",c="d"}` into the metric and its labels as a=b. */
export function splitName(name: string): Name {
  const brace = name.indexOf("{");
  if (brace < 0 || !name.endsWith("}")) {
    return { metric: name, labels: [] };
  }
  const labels = [...name.slice(brace + 1, -1).matchAll(/([^=,]+)="((?:[^"\\]|\\.)*)"/g)].map((m) => `${m[1]}=${m[2]}`);
  return { metric: name.slice(0, brace), labels };
}

/** "0.3 to 0.54", or one of them where both read the same. */
export function formatBand(lower: number, upper: number, name: string): string {
  const [low, high] = [formatValue(lower, name), formatValue(upper, name)];
  return low === high ? low : `${low} to ${high}`;
}

export const plural = (n: number, one: string, many: string) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
