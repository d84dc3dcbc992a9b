// Whether the newest release of each service can be deployed beside everything that runs.
import { html, useEffect, useState, useJson, useAct, act, Service, Lacks, Done, Scroll } from "../lib.js";

const POLL_SECONDS = 1;
const TONE = { yes: "good", no: "bad", pending: "warn" };
const STORED = "stored";
const TITLES = { [STORED]: "stored data" };

const Cell = ({ cell }) => (cell
  ? html`<span class=${`pill ${TONE[cell.verdict] ?? ""}`}>${cell.verdict}</span> <span class="small muted">${cell.rows}</span>`
  : html`<span class="muted" title="They share nothing.">–</span>`);

function Rows({ one }) {
  const red = one.rows.filter((row) => row.verdict !== "yes");
  return html`<details><summary class="small"><${Service} name=${one.service} /> ${one.sentence}</summary>
    ${red.map((row, i) => html`<div class="notice bad" key=${i} style=${{ marginTop: "8px" }}>${row.reason} Way out: ${row.way_out}.</div>`)}
    ${one.notes.map((note) => html`<p class="small muted" key=${note} style=${{ marginTop: "8px" }}>${note}</p>`)}
    <${Scroll} label=${`Rows of ${one.service}`}><table>
      <thead><tr><th>Counterpart</th><th>Way</th><th>Subject</th><th>Version</th><th>Verdict</th><th>Since</th></tr></thead>
      <tbody>${one.rows.map((row, i) => html`<tr key=${i}><td class="one">${row.counterpart}</td><td class="one muted">${row.direction}</td>
        <td class="mono">${row.subject}</td><td>${row.version}</td>
        <td><span class=${`pill ${TONE[row.verdict] ?? ""}`}>${row.verdict}</span> ${row.field && html`<code>${row.field}</code>`}</td><td class="one muted">${row.since}</td></tr>`)}
      </tbody></table><//>
    ${one.more > 0 && html`<p class="small muted">${one.more} more rows: <code>shop can-i-deploy ${one.service} ${one.version}</code></p>`}
  </details>`;
}

function Table({ found }) {
  const columns = [...found.services, STORED];
  return html`<${Scroll} label="Matrix of releases"><table>
    <thead><tr><th>Newest release of</th>${columns.map((name) => html`<th key=${name}>${TITLES[name] ?? name}</th>`)}<th>Deploy it?</th></tr></thead>
    <tbody>${found.answers.map((one) => html`<tr key=${one.service}>
      <th scope="row"><${Service} name=${one.service} /> <span class="mono muted">${one.version}</span></th>
      ${columns.map((name) => html`<td class="one" key=${name}>${name === one.service ? html`<span class="hidden">itself</span>` : html`<${Cell} cell=${one.cells[name]} />`}</td>`)}
      <td><span class=${`pill ${one.deployable ? "good" : "bad"}`}>${one.deployable ? "yes" : "no"}</span></td></tr>`)}</tbody></table><//>`;
}

export function Matrix() {
  const [pause, setPause] = useState(0);
  const [job, error, load] = useJson("/api/deployable", pause);
  const [busy, run, told, fault] = useAct();
  useEffect(() => setPause(job?.running ? POLL_SECONDS : 0), [job]);
  const compare = () => run("compare", async () => { await act("/api/deployable"); await load(); });
  const found = job?.result;
  return html`<section class="card" aria-labelledby="matrix">
    <header><h2 id="matrix">Can it be deployed?</h2>
      <button onClick=${compare} disabled=${!!busy || !!job?.running}>${job?.running ? "Comparing…" : found ? "Compare again" : "Compare the newest releases"}</button></header>
    <p class="small muted">The newest release of each service is compared with everything that runs, and with stored messages and tables, as <code>shop can-i-deploy</code> does. A column is what it meets. A pair that was never verified takes minutes.</p>
    <div aria-live="polite">${job?.running && html`<p class="notice" role="status">${job.step} ${job.seconds} s so far.</p>`}</div>
    <${Done} told=${told} error=${fault || error || job?.error} />
    ${found && html`<${Lacks} of=${found.lacks} bad />
      ${found.answers.length > 0 && html`<${Table} found=${found} />
      <div class="answers">${found.answers.map((one) => html`<${Rows} key=${one.service} one=${one} />`)}</div>`}`}
  </section>`;
}
