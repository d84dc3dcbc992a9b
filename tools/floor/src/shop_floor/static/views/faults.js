// Faults by hand: stop, kill, freeze or slow down one part, and undo it.
import { html, useJson, useAct, act, span, number, Pill, Lacks, Done, Head, Scroll } from "../lib.js";
import { OracleLight } from "./oracle.js";
import { Drill } from "./drill.js";

const EVERY_SECONDS = 2;
const NAMES = { start: "Start", stop: "Stop", kill: "Kill", freeze: "Freeze", slow: "Slow down", resume: "Resume" };
const MEANING = {
  Stop: "an orderly shutdown", Kill: "a crash, as kill -9 makes it", Freeze: "the process lives and does not answer",
  "Slow down": "frozen for 0.3 s, again and again", Resume: "neither frozen nor slow",
};

export function Faults() {
  const [parts, error, load] = useJson("/api/parts", EVERY_SECONDS);
  const [busy, run, told, fault] = useAct();
  const doIt = (name, what) => run(`${name} ${what}`, async () => {
    const done = await act(`/api/parts/${name}/${what}`);
    await load();
    return done.told;
  });
  return html`
    <${Head} title="Faults" sub="Break one part by hand while orders arrive. Orders wait for it, and none is lost." />
    <${Lacks} of=${[error]} /><${Done} told=${told} error=${fault} />
    <div class="two">
      <section class="card" aria-label="Parts">
        ${!parts && !error && html`<p class="empty">Looking at the processes…</p>`}
        ${parts && html`<${Scroll} label="Table of parts"><table>
          <thead><tr><th>Part</th><th>State</th><th>Release</th><th class="right">Memory</th><th class="right">Runs for</th><th>Do</th></tr></thead>
          <tbody>${parts.map((one) => html`<tr key=${one.name}>
            <td><strong>${one.name}</strong></td><td><${Pill} state=${one.state} /></td><td class="mono">${one.release || "–"}</td>
            <td class="right">${one.bytes ? `${number(Math.round(one.bytes / 1e6))} MB` : "–"}</td>
            <td class="right">${one.seconds === null ? "–" : span(one.seconds * 1000)}</td>
            <td><div class="row" style=${{ gap: "6px", flexWrap: "nowrap" }}>${one.acts.map((what) => html`<button key=${what}
              class=${["kill", "stop"].includes(what) ? "danger" : ""} disabled=${!!busy} aria-label=${`${NAMES[what]} ${one.name}`}
              onClick=${() => doIt(one.name, what)}>${busy === `${one.name} ${what}` ? "…" : NAMES[what]}</button>`)}</div></td>
          </tr>`)}</tbody></table><//>`}
      </section>
      <div style=${{ display: "grid", gap: "20px" }}>
        <${Drill} />
        <${OracleLight} />
        <section class="card" aria-labelledby="words"><header><h2 id="words">The words</h2></header>
          <dl class="kv small">${Object.entries(MEANING).map(([word, what]) => [html`<dt>${word}</dt>`, html`<dd>${what}</dd>`])}</dl>
        </section>
      </div>
    </div>
    <p class="small muted">More faults: <code>shop chaos list</code>.</p>`;
}
