// The oracle's light: its verdict, when a person asks for it.
import { html, useState, useAct, act, clock } from "../lib.js";

const WORDS = { holds: "holds", violated: "violated", unknown: "not judged" };

/** `verdict.invariants` are as `shop check --json` prints them. */
export function OracleLight() {
  const [verdict, setVerdict] = useState(null);
  const [busy, run, , error] = useAct();
  const ask = () => run("ask", async () => setVerdict({ ...(await act("/api/oracle")), at: Date.now() }));
  return html`<section class="card light" aria-labelledby="oracle">
    <header style=${{ margin: 0 }}><h2 id="oracle">The oracle</h2>${verdict && html`<span class="small muted">asked at ${clock(verdict.at)}</span>`}</header>
    <p class="small muted">It compares the answers that customers got with the databases, the log and the card processor. It waits until the shop is at rest, at most 30 s.</p>
    <button onClick=${ask} disabled=${!!busy}>${busy ? "Asking…" : "Ask the oracle"}</button>
    <div aria-live="polite">
      ${error && html`<div class="notice bad">${error}</div>`}
      ${verdict && html`<p><span class=${`pill ${verdict.holds ? "good" : "bad"}`}>${verdict.holds ? "every invariant holds" : "an invariant is violated, or the shop did not come to rest"}</span></p>
        <ul class="coming small">${(verdict.invariants ?? []).map((one) => html`<li key=${one.number ?? one.name}>
          <span>${one.number}. ${one.name.replaceAll("_", " ")}: ${outcome(one)}</span></li>`)}</ul>`}
    </div>
  </section>`;
}

const outcome = (one) => (one.unjudged ? WORDS.unknown : one.holds ? WORDS.holds : WORDS.violated);
