import { render } from "preact";
import "./theme.css";
import "./views.css";
import { Anomalies } from "./anomalies";
import { Entities } from "./entities";
import { Header } from "./header";
import { Metrics } from "./metrics";
import { start, status } from "./store";

function Page() {
  const many = (status.value?.n_entities ?? 0) > 1;
  return (
    <>
      <a class="skip" href="#metrics">
        Skip to the metrics
      </a>
      <Header />
      <div class={many ? "columns" : "columns single"}>
        {many && <Entities />}
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
