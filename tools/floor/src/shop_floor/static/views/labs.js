// Labs: their goals, and whether they are done.
import { html, useState, useJson, useAct, act, Lacks, Head } from "../lib.js";

function Lab({ one, load }) {
  const [checked, setChecked] = useState(null);
  const [busy, run, , error] = useAct();
  const check = () => run("check", async () => { setChecked(await act(`/api/labs/${one.name}/check`)); await load(); });
  const state = one.passed ? "passed" : one.started ? "started" : "";
  return html`<article class="card outcome">
    <div class="row" style=${{ justifyContent: "space-between" }}><h2>${one.title}</h2>
      ${state && html`<span class=${`pill ${state === "passed" ? "good" : "calm"}`}>${state}</span>`}</div>
    <div><p>${one.goal[0].toUpperCase() + one.goal.slice(1)}.</p>
      <p class="small" style=${{ marginTop: "8px" }}>${one.minutes} minutes · needs ${one.needs.join(", ")}</p>
      <p class="small mono" style=${{ marginTop: "8px", overflowWrap: "anywhere" }}>${one.page}</p></div>
    <div>
      ${one.started
        ? html`<button onClick=${check} disabled=${!!busy} aria-label=${`Check ${one.title}`}>${busy ? "Checking…" : "Check"}</button>`
        : html`<code>shop lab start ${one.name}</code>`}
      <div aria-live="polite">${error && html`<div class="notice bad" style=${{ marginTop: "10px" }}>${error}</div>`}
        ${checked && html`<div class=${`notice ${checked.done ? "good" : ""}`} style=${{ marginTop: "10px" }}>${checked.told}</div>`}</div>
    </div>
  </article>`;
}

export function Labs() {
  const [labs, error, load] = useJson("/api/labs");
  return html`
    <${Head} title="Labs" sub="Each lab has a goal, steps on a page of docs/labs, and a check that looks at the shop. Start one in a terminal, do its steps, and ask the check here." />
    <${Lacks} of=${[error]} />
    ${!labs && !error && html`<p class="empty">Reading the labs…</p>`}
    <div class="grid" style=${{ gridTemplateColumns: "repeat(auto-fill, minmax(310px, 1fr))" }}>
      ${(labs ?? []).map((one) => html`<${Lab} key=${one.name} one=${one} load=${load} />`)}</div>`;
}
