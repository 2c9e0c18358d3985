import { render } from "preact";
import "./theme.css";
import "./views.css";
import { Anomalies } from "./anomalies";
import { Entities } from "./entities";
import { Header } from "./header";
import { Metrics } from "./metrics";
import { entities, start } from "./store";

function Page() {
  return (
    <>
      <a class="skip" href="#metrics">
        Skip to the metrics
      </a>
      <Header />
      <div class={entities.value.size > 1 ? "columns" : "columns single"}>
        {entities.value.size > 1 && <Entities />}
        <Metrics />
        <Anomalies />
      </div>
    </>
  );
}

/* "/" goes to the first search from wherever the focus is, but from a field. */
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    document.querySelector<HTMLInputElement>('input[type="search"]')?.focus();
  }
});

render(<Page />, document.getElementById("page")!);
void start();
