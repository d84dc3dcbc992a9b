// Dead letters: look at them, redrive them in the order of their key, or discard them.
import { html, useState, useJson, useAct, act, get, clock, shortId, Pill, Service, Lacks, Done, Head, Scroll } from "../lib.js";
import { OracleLight } from "./oracle.js";

const EVERY_SECONDS = 3;

function Row({ one, busy, end, look }) {
  const [sure, setSure] = useState(false);
  return html`<tr>
    <td><${Service} name=${one.service} /></td><td class="num">${one.id}</td><td><${Pill} state=${one.state} /></td>
    <td><strong>${one.type || "no event"}</strong><div class="small muted">${one.reason}${one.error && `: ${one.error}`}</div></td>
    <td class="mono">${one.key ? shortId(one.key) : "–"}</td><td class="muted num">${clock(one.since)}</td>
    <td><div class="row" style=${{ gap: "6px", flexWrap: "nowrap" }}>
      <button onClick=${() => look(one)} aria-label=${`Look at ${one.service} ${one.id}`}>Look</button>
      <button disabled=${!!busy} onClick=${() => end("redrive", one)} aria-label=${`Redrive key of ${one.service} ${one.id}`}>Redrive key</button>
      ${sure
        ? html`<button class="danger" disabled=${!!busy} onClick=${() => { setSure(false); end("discard", one); }}>Yes, discard</button>`
        : html`<button class="quiet danger" onClick=${() => setSure(true)} aria-label=${`Discard ${one.service} ${one.id}`}>Discard</button>`}
    </div></td></tr>`;
}

export function DeadLetters() {
  const [found, error, load] = useJson("/api/dead-letters", EVERY_SECONDS);
  const [shown, setShown] = useState(null);
  const [busy, run, told, fault] = useAct();
  const end = (verb, one) => run(verb, async () => {
    const outcome = await act(`/api/dead-letters/${verb}`, { service: one.service, id: one.id, whole_key: verb === "redrive" });
    await load();
    if (outcome.error) throw new Error(`${outcome.ended} ended, ${outcome.still_open} still open. ${outcome.error}`);
    return `${outcome.ended} ended, ${outcome.still_open} still open.`;
  });
  const look = (one) => run("look", async () => setShown({ one, whole: await get(`/api/dead-letters/${one.service}/${one.id}`) }));
  return html`
    <${Head} title="Dead letters" sub="Events that a service could not handle. A redrive handles all of a key again in their order, so a later event cannot overtake an earlier one. An event that was handled has no second effect." />
    <${Lacks} of=${[error, ...(found?.lacks ?? [])]} /><${Done} told=${told} error=${fault} />
    <div class="two stack">
      <section class="card" aria-label="Open dead letters">
        ${found && !found.letters.length && html`<p class="empty">No open dead letter${found.lacks.length ? " of the services that answer" : ""}.</p>`}
        ${found?.letters.length > 0 && html`<${Scroll} label="Table of dead letters"><table>
          <thead><tr><th>Service</th><th>Id</th><th>State</th><th>Event and reason</th><th>Key</th><th>Since</th><th>Decide</th></tr></thead>
          <tbody>${found.letters.map((one) => html`<${Row} key=${one.service + one.id} one=${one} busy=${busy} end=${end} look=${look} />`)}</tbody>
        </table><//>
        <p class="small muted" style=${{ marginTop: "12px" }}>Held: it failed, and later events of its key wait for it. Waiting: it waits for a held one. Parked: it is no event that the service reads, and nothing waits for it.</p>`}
        ${!found && !error && html`<p class="empty">Asking the services…</p>`}
      </section>
      <${OracleLight} />
    </div>
    ${shown && html`<section class="card" aria-labelledby="shown">
      <header><h2 id="shown">${shown.one.service}, dead letter ${shown.one.id}</h2><button onClick=${() => setShown(null)}>Close</button></header>
      <p class="small muted" style=${{ marginBottom: "10px" }}>Its data may be confidential.</p>
      <pre tabindex="0" aria-label="The dead letter as JSON">${JSON.stringify(shown.whole, null, 2)}</pre>
    </section>`}`;
}
