// The list at the left, when there is more than one entity: those in trouble first.
import { computed, signal } from "@preact/signals";
import type { Entity } from "./api";
import { plural } from "./format";
import { entities, rank, select, selected } from "./store";

/** More than anybody reads; the search finds the others. */
const SHOWN_MAX = 200;

/** web-9 before web-10. */
const byName = new Intl.Collator("en", { numeric: true });

const sought = signal("");

const found = computed(() => {
  const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...entities.value.values()].filter((entity) => {
    const name = `${entity.name} ${entity.detector}`.toLowerCase();
    return words.every((word) => name.includes(word));
  });
  return all.sort((a, b) => rank(b) - rank(a) || byName.compare(a.name, b.name));
});

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
        <span class="count">{entity.n_series}</span>
      </button>
    </li>
  );
}

export function Entities() {
  const list = found.value;
  return (
    <nav class="entities" aria-label="Entities">
      <h2>
        Entities <small>{entities.value.size.toLocaleString("en")}</small>
      </h2>
      <input
        type="search"
        placeholder="Find an entity   /"
        aria-label="Find an entity"
        value={sought.value}
        onInput={(event) => (sought.value = event.currentTarget.value)}
      />
      <ul>
        {list.slice(0, SHOWN_MAX).map((entity) => (
          <Row key={entity.entity} entity={entity} />
        ))}
      </ul>
      {list.length > SHOWN_MAX && <p class="hint">{plural(list.length - SHOWN_MAX, "more: search", "more: search")}</p>}
      {list.length === 0 && <p class="hint">No entity of that name.</p>}
    </nav>
  );
}
