import { render } from "preact";
import "./app.css";
import { Anomalies } from "./anomalies";
import { Entities } from "./entities";
import { Header } from "./header";
import { Metrics } from "./metrics";
import { start } from "./store";

function Page() {
  return (
    <>
      <a class="skip" href="#metrics">
        Skip to the metrics
      </a>
      <Header />
      <div class="columns">
        <Entities />
        <Metrics />
        <Anomalies />
      </div>
    </>
  );
}

render(<Page />, document.getElementById("page")!);
void start();
