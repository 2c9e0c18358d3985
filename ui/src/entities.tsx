// The list at the left, when there is more than one entity: searched, sorted and paged by the server.
import { useEffect, useRef } from "preact/hooks";
import type { Entity, Sort } from "./api";
import { plural } from "./format";
import { entities, holding, inAlarm, list, listed, matches, more, onlyAlarm, rows, searchEntities, select, selected } from "./store";
import { sort, sought, status } from "./store";

const SORTS: [Sort, string][] = [
  ["score", "Most unusual first"],
  ["name", "By name"],
  ["last", "Newest step first"],
  ["anomalies", "Most anomalies first"],
];

export function entityState(entity: Entity): { kind: string; text: string } {
  if (entity.alarm || entity.open_anomaly !== null) {
    return { kind: "alarm", text: "Unusual now" };
  }
  if (entity.confidence === "cannot_tell") {
    return { kind: "learning", text: "Learning, cannot tell yet" };
  }
  if (entity.confidence === "low") {
    return { kind: "low", text: "Nothing unusual, as far as it can tell so far" };
  }
  return { kind: "calm", text: "Nothing unusual" };
}

function Row({ entity }: { entity: Entity }) {
  const state = entityState(entity);
  return (
    <li>
      <button
        class="entity"
        aria-current={entity.entity === selected.value ? "true" : undefined}
        onClick={() => select(entity.entity)}
        title={`${entity.name}: ${state.text}`}
      >
        <i class={`dot ${state.kind}`} aria-hidden="true" />
        <span class="name">{entity.name || entity.detector}</span>
        <span class="hidden">{state.text},</span>
        <span class="count" title={plural(entity.n_series, "series", "series")}>{entity.n_series}</span>
      </button>
    </li>
  );
}

/** Arrows go up and down the list from wherever the focus is in it; Enter in the search takes the first. */
function onKey(event: KeyboardEvent): void {
  const place = event.currentTarget as HTMLElement;
  const buttons = [...place.querySelectorAll<HTMLElement>("button.entity")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  if (event.key === "Enter" && at < 0 && event.target instanceof HTMLInputElement && event.target.type === "search") {
    buttons[0]?.click();
  } else if (event.key === "ArrowDown" && !(event.target instanceof HTMLSelectElement)) {
    event.preventDefault();
    buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
  } else if (event.key === "ArrowUp" && !(event.target instanceof HTMLSelectElement)) {
    event.preventDefault();
    if (at > 0) {
      buttons[at - 1]!.focus();
    } else {
      place.querySelector<HTMLElement>('input[type="search"]')?.focus();
    }
  }
}

/** The rows, of which those on the screen are told to the stream; at their end the next page is fetched. */
function Rows() {
  const place = useRef<HTMLUListElement>(null);
  const end = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const box = place.current!.closest("nav")!;
    const look = () => {
      const first = place.current?.firstElementChild?.getBoundingClientRect();
      const height = first?.height || 32;
      const above = Math.max(0, Math.floor((box.getBoundingClientRect().top - (first?.top ?? 0)) / height));
      const next: [number, number] = [above, above + Math.ceil(box.clientHeight / height) + 1];
      if (next[0] !== rows.peek()[0] || next[1] !== rows.peek()[1]) {
        rows.value = next;
      }
    };
    const watch = new IntersectionObserver(([entry]) => entry!.isIntersecting && void list(true).catch(() => undefined), { root: box });
    watch.observe(end.current!);
    box.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      box.removeEventListener("scroll", look);
      watch.disconnect();
    };
  }, []);
  const shown = listed.value.map((number) => entities.value.get(number)).filter((entity) => entity !== undefined);
  return (
    <>
      <ul ref={place}>
        {shown.map((entity) => (
          <Row key={entity.entity} entity={entity} />
        ))}
      </ul>
      <button class="more" ref={end} hidden={more.value === null} onClick={() => void list(true).catch(() => undefined)}>
        Show more
      </button>
    </>
  );
}

function Counts() {
  const all = status.value?.n_entities ?? 0;
  const found = matches.value;
  return (
    <p class="counts" role="status">
      <button
        class={inAlarm.value ? "alarms some" : "alarms"}
        aria-pressed={onlyAlarm.value}
        title={onlyAlarm.value ? "Show all entities" : "Show only entities in alarm"}
        onClick={() => {
          onlyAlarm.value = !onlyAlarm.value;
          searchEntities();
        }}
      >
        {(inAlarm.value ?? 0).toLocaleString("en")} in alarm
      </button>
      <span>
        of {all.toLocaleString("en")}
        {sought.value.trim() !== "" && found !== null && `, ${found.toLocaleString("en")} found`}
      </span>
    </p>
  );
}

export function Entities() {
  return (
    <nav
      class="entities"
      aria-label="Entities"
      onKeyDown={onKey}
      onPointerEnter={(event) => (holding.value = event.pointerType === "mouse")}
      onPointerLeave={() => (holding.value = false)}
    >
      <div class="sticky">
        <h2>Entities</h2>
        <input
          type="search"
          placeholder="Find an entity   /"
          aria-label="Find an entity"
          value={sought.value}
          onInput={(event) => {
            sought.value = event.currentTarget.value;
            searchEntities();
          }}
        />
        <select
          aria-label="Order of the entities"
          value={sort.value}
          onChange={(event) => {
            sort.value = event.currentTarget.value as Sort;
            searchEntities();
          }}
        >
          {SORTS.map(([key, text]) => (
            <option key={key} value={key}>
              {text}
            </option>
          ))}
        </select>
        <Counts />
      </div>
      <Rows />
      {matches.value === 0 && <p class="hint">{onlyAlarm.value ? "None is in alarm." : "No entity of that name."}</p>}
    </nav>
  );
}
