// One small chart: the value as a line over the band it was expected in, anomalous spans shaded.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Steps } from "./api";
import { formatClock, formatTick } from "./format";

const HEIGHT = 132;
/** Seconds between two ticks of the time axis. */
const TIME_STEPS = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800, 2592000];
/** All charts share the moment under the pointer. */
const together = uPlot.sync("time");

interface Colours {
  line: string;
  band: string;
  expected: string;
  alarm: string;
  shade: string;
  grid: string;
  text: string;
}

function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    line: get("chart-line"),
    band: get("chart-band"),
    expected: get("chart-expected"),
    alarm: get("alarm"),
    shade: get("alarm-shade"),
    grid: get("line"),
    text: get("faint"),
  };
}

/** First and last index of each run of anomalous steps. */
function runs(alarm: boolean[]): [number, number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < alarm.length; i++) {
    if (alarm[i]) {
      const from = i;
      while (i + 1 < alarm.length && alarm[i + 1]) {
        i++;
      }
      found.push([from, i]);
    }
  }
  return found;
}

/** The values of anomalous steps, and one step before and after so that the line joins. */
function anomalous(steps: Steps, spans: [number, number][]): (number | null)[] {
  const values: (number | null)[] = new Array(steps.time.length).fill(null);
  for (const [from, to] of spans) {
    for (let i = Math.max(0, from - 1); i <= Math.min(steps.time.length - 1, to + 1); i++) {
      values[i] = steps.value[i]!;
    }
  }
  return values;
}

/** What the y axis shows: all values, and of the band no more than keeps the values readable. */
function valueRange(steps: Steps, from: number, to: number): [number, number] {
  let [low, high, bandLow, bandHigh] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = from; i <= to; i++) {
    const value = steps.value[i] ?? null;
    const lower = steps.lower[i] ?? null;
    const upper = steps.upper[i] ?? null;
    if (value !== null) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    bandLow = lower === null ? bandLow : Math.min(bandLow, lower);
    bandHigh = upper === null ? bandHigh : Math.max(bandHigh, upper);
  }
  if (low > high || (low === 0 && high === 0)) {
    return [0, 1];
  }
  const spread = high - low;
  const room = spread > 0 ? 1.2 * spread : Infinity;
  /* A constant gets an axis that says so, rather than one that magnifies nothing. */
  const least = spread > 0 ? 0 : Math.abs(high) * 0.1;
  let bottom = Math.min(low, Math.max(bandLow, low - room));
  let top = Math.max(high, Math.min(bandHigh, high + room));
  if (top - bottom <= least) {
    bottom -= least;
    top += least;
  }
  const padding = 0.08 * (top - bottom);
  bottom -= padding;
  return [low >= 0 && bottom < 0 ? 0 : bottom, top + padding];
}

export class Chart {
  private plot: uPlot;
  private spans: [number, number][] = [];
  private colours = colours();

  constructor(
    private readonly place: HTMLElement,
    private readonly name: string,
    private steps: Steps,
    private range: [number, number],
    private readonly onHover: (index: number | null) => void,
  ) {
    this.plot = new uPlot(this.options(), this.data(), place);
    together.sub(this.plot);
  }

  update(steps: Steps, range: [number, number]): void {
    this.steps = steps;
    this.range = range;
    this.plot.setData(this.data());
  }

  resize(): void {
    const width = this.place.clientWidth;
    if (width > 0 && width !== this.plot.width) {
      this.plot.setSize({ width, height: HEIGHT });
    }
  }

  destroy(): void {
    together.unsub(this.plot);
    this.plot.destroy();
  }

  private data(): uPlot.AlignedData {
    this.spans = runs(this.steps.alarm);
    const { time, value, expected, lower, upper } = this.steps;
    return [time, upper, lower, expected, value, anomalous(this.steps, this.spans)] as uPlot.AlignedData;
  }

  private options(): uPlot.Options {
    const c = this.colours;
    const hidden = { stroke: "transparent", width: 0, points: { show: false } };
    const font = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    const ratio = devicePixelRatio;
    return {
      width: this.place.clientWidth || 300,
      height: HEIGHT,
      padding: [6, 16, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: together.key, setSeries: false },
        drag: { x: false, y: false },
        points: { show: false },
        y: false,
      },
      scales: {
        x: { time: true, range: () => this.range },
        y: {
          range: (u) => {
            const [from, to] = u.series[0]!.idxs ?? [0, this.steps.time.length - 1];
            return valueRange(this.steps, from, to);
          },
        },
      },
      axes: [
        {
          stroke: c.text,
          font,
          size: 22,
          gap: 4,
          space: 72,
          incrs: TIME_STEPS,
          grid: { show: false },
          ticks: { show: false },
          values: (_, splits, __, ___, step) => splits.map((at) => formatClock(at, step < 60)),
        },
        {
          stroke: c.text,
          font,
          size: 54,
          gap: 6,
          space: 34,
          grid: { stroke: c.grid, width: 1 },
          ticks: { show: false },
          values: (_, splits, __, ___, step) => splits.map((at) => formatTick(at, step, this.name)),
        },
      ],
      series: [
        {},
        hidden,
        hidden,
        { stroke: c.expected, width: 1, dash: [3, 3], points: { show: false } },
        { stroke: c.line, width: 1.25, points: { show: false } },
        { stroke: c.alarm, width: 2, points: { show: false } },
      ],
      bands: [{ series: [1, 2], fill: c.band }],
      hooks: {
        drawClear: [
          (u) => {
            const { ctx, bbox } = u;
            ctx.save();
            ctx.fillStyle = c.shade;
            const half = this.stepSeconds() / 2;
            for (const [from, to] of this.spans) {
              const left = u.valToPos(this.steps.time[from]! - half, "x", true);
              const right = u.valToPos(this.steps.time[to]! + half, "x", true);
              const start = Math.max(left, bbox.left);
              const width = Math.min(Math.max(right, left + 2 * ratio), bbox.left + bbox.width) - start;
              if (width > 0) {
                ctx.fillRect(start, bbox.top, width, bbox.height);
              }
            }
            ctx.restore();
          },
        ],
        setCursor: [(u) => this.onHover(u.cursor.idx ?? null)],
      },
    };
  }

  private stepSeconds(): number {
    const { time } = this.steps;
    const n = time.length;
    return n < 2 ? 1 : (time[n - 1]! - time[Math.max(0, n - 20)]!) / Math.min(n - 1, 19);
  }
}
