// A blind drill: an unknown fault comes into the shop. A person finds it, cures it, and is judged.
import { html, useEffect, useJson, useState, useAct, act, span, number, Done } from "../lib.js";

const RUNNING_SECONDS = 1;
const ON_SECONDS = 10;
const TONE = { cured: "good", "not cured": "warn", destroyed: "bad", vacuous: "warn" };
const NAMES = { detect: "to detect it", diagnose: "to name it", cure: "to cure it" };
const euros = (cents) => `${(cents / 100).toFixed(2)} EUR`;

function Verdict({ of }) {
  const orders = Object.entries(of.money?.orders ?? {}).map(([state, count]) => `${count} ${state}`).join(", ");
  return html`<div><p><span class=${`pill ${TONE[of.ruling] ?? ""}`}>${of.ruling}</span> ${of.part}, ${of.cause}</p>
    <ul class="coming small">
      ${Object.entries(of.seconds).map(([what, taken]) => html`<li key=${what}>${taken === null ? "Unknown" : span(taken * 1000)} ${NAMES[what] ?? what}</li>`)}
      <li>${of.wrong_answers} wrong answers, ${of.hints} hints</li>
      ${of.money && html`<li>Orders meanwhile: ${orders || "none"}; ${euros(of.money.charged)} charged, ${euros(of.money.refunded)} refunded</li>`}
      ${of.restarted.length > 0 && html`<li>Started again: ${of.restarted.join(", ")}</li>`}
      ${of.reasons.map((reason) => html`<li key=${reason}>${reason}</li>`)}
      ${of.ruling === "not cured" && html`<li>The drill goes on: cure it, then answer again.</li>`}</ul></div>`;
}

function Ended({ job }) {
  if (job.running || !job.result) return null;
  if (job.name === "answer") return html`<${Verdict} of=${job.result} />`;
  if (job.name === "stop") return html`<p class="notice">${job.result.fault ? `The fault was: ${job.result.fault}. It is undone.` : "No fault was injected yet."}</p>`;
  return null;
}

const Choice = ({ label, value, set, options }) => html`<div class="choice"><label for=${`drill-${label}`}>${label}</label>
  <select id=${`drill-${label}`} value=${value} onChange=${(e) => set(e.target.value)}>
    <option value="">choose</option>${options.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></div>`;

function Answer({ drill, run, load, busy }) {
  const [part, setPart] = useState("");
  const [cause, setCause] = useState("");
  const say = () => run("answer", async () => { await act("/api/drill/answer", { part, cause }); await load(); });
  return html`<div class="choices">
    <${Choice} label="Part" value=${part} set=${setPart} options=${drill.parts} />
    <${Choice} label="Cause" value=${cause} set=${setCause} options=${Object.keys(drill.causes)} />
    ${cause && html`<p class="small muted">${cause}: ${drill.causes[cause]}.</p>`}
    <button class="primary" disabled=${busy || !part || !cause} onClick=${say}>Answer</button></div>`;
}

function Begin({ run, load, busy }) {
  const [seed, setSeed] = useState("");
  const begin = () => run("start", async () => {
    await act("/api/drill/start", { seed: seed === "" ? null : Number(seed) });
    await load();
  });
  return html`<div class="choices"><label class="choice"><span>Seed (the same seed gives the same fault)</span>
      <input type="number" min="0" step="1" placeholder="chance" value=${seed} onInput=${(e) => setSeed(e.target.value)} /></label>
    <button class="primary" disabled=${busy} onClick=${begin}>Start a drill</button></div>`;
}

function On({ drill, run, load, busy }) {
  const hint = () => run("hint", async () => { const { told } = await act("/api/drill/hint"); await load(); return told; });
  const giveUp = () => run("stop", async () => { await act("/api/drill/stop"); await load(); });
  return html`<p>Drill ${drill.seed} is on for ${span((drill.seconds ?? 0) * 1000)}: ${number(drill.orders_placed)} orders were placed, ${drill.wrong_answers} answers were wrong, ${drill.hints} hints were given.</p>
    ${drill.customers_came_again && html`<p class="small muted">The customers had to begin again: ${drill.customers_came_again}</p>`}
    <${Answer} drill=${drill} run=${run} load=${load} busy=${busy} />
    <div class="row"><button disabled=${busy} onClick=${hint}>Hint</button><button class="danger" disabled=${busy} onClick=${giveUp}>Give up</button></div>`;
}

export function Drill() {
  const [pause, setPause] = useState(0);
  const [found, error, load] = useJson("/api/drill", pause);
  const [busy, run, told, fault] = useAct();
  const { job, drill } = found ?? {};
  useEffect(() => setPause(job?.running ? RUNNING_SECONDS : drill?.on ? ON_SECONDS : 0), [found]);
  const shared = { drill, run, load, busy: !!busy || !!job?.running };
  return html`<section class="card light" aria-labelledby="drill">
    <header style=${{ margin: 0 }}><h2 id="drill">Blind drill</h2></header>
    ${!drill?.on && html`<p class="small muted">Customers order, and one unknown fault comes into the shop. Find it, cure it by hand, and name it. You are judged by orders and cents.</p>`}
    <div aria-live="polite">${job?.running && html`<p class="notice" role="status">${job.step} ${job.seconds} s so far.</p>`}</div>
    <${Done} told=${told} error=${fault || error || drill?.lacks || (!job?.running && job?.error)} />
    ${job && html`<${Ended} job=${job} />`}
    ${!found && !error && html`<p class="small muted">Looking for a drill…</p>`}
    ${drill && (drill.on ? html`<${On} ...${shared} />` : html`<${Begin} ...${shared} />`)}
  </section>`;
}
