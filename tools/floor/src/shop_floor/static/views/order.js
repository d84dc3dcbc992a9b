// One order: its events in lanes, what is still to come, and the way back through time.
import { html, useEffect, useRef, useState, useStream, useAct, act, span, Pill, Service, Lacks, Done, Head, Scroll } from "../lib.js";
import { Lanes, placed } from "./order-lanes.js";
import { savePng } from "./png.js";
import { Waterfall } from "./waterfall.js";

const WORDS = { owed: "owed now", possible: "possible", then: "may follow" };
const TONE = { owed: "calm", possible: "warn", then: "" };
const STEP_MS = 700;

function Coming({ steps, ended }) {
  return html`<section class="card" aria-labelledby="coming">
    <header><h2 id="coming">Still to come</h2></header>
    ${!steps.length && html`<p class="muted">${ended ? "Nothing. Every step has happened." : "Nothing is known."}</p>`}
    <ul class="coming">${steps.map((step) => html`<li key=${step.service + step.event}>
      <span class="row"><${Service} name=${step.service} /><span class=${`pill ${TONE[step.certainty]}`}>${WORDS[step.certainty]}</span></span>
      <strong>${step.event}</strong>
      <span class="small muted">${step.why}${step.until && ` (${new Date(step.until).toLocaleTimeString("en-GB")})`}</span>
    </li>`)}</ul>
  </section>`;
}

function Scrub({ story, shown, setShown }) {
  const [playing, setPlaying] = useState(false);
  const count = story.events.length;
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setInterval(() => setShown((now) => Math.min(count, now + 1)), STEP_MS);
    return () => clearInterval(timer);
  }, [playing, count]);
  useEffect(() => { if (shown >= count) setPlaying(false); }, [shown, count]);
  const event = story.events[shown - 1];
  const play = () => { if (shown >= count) setShown(1); setPlaying(!playing); };
  return html`<div class="row" style=${{ flexWrap: "nowrap", gap: "16px", marginTop: "14px" }}>
    <button onClick=${play} style=${{ minWidth: "78px", justifyContent: "center" }}>${playing ? "Pause" : "Replay"}</button>
    <label style=${{ flex: 1 }}><span class="hidden">Events shown</span>
      <input type="range" min="1" max=${count} value=${shown} onInput=${(e) => { setPlaying(false); setShown(Number(e.target.value)); }}
        aria-valuetext=${event ? `${shown} of ${count}: ${event.event}` : ""} /></label>
    <span class="num muted small" style=${{ minWidth: "150px", textAlign: "right" }}>${shown} of ${count}${event && ` · +${span(event.after_ms)}`}</span>
  </div>`;
}

function Events({ story, shown }) {
  const names = Object.fromEntries(story.events.map((one) => [one.id, one.event]));
  return html`<section class="card" aria-labelledby="events">
    <header><h2 id="events">Events</h2><span class="small muted">from the Kafka log alone</span></header>
    <${Scroll} label="Table of events"><table>
      <thead><tr><th class="right">After</th><th>Service</th><th>Event</th><th>Because of</th><th>With</th><th class="right">Partition, offset</th></tr></thead>
      <tbody>${story.events.slice(0, shown).map((one) => html`<tr key=${one.places[0]}>
        <td class="right">+${span(one.after_ms)}</td><td><${Service} name=${one.service} /></td>
        <td><strong>${one.event}</strong> ${version(one.type)} ${one.kind === "foreign" && html`<span class="pill bad">foreign</span>`}
          ${one.again > 0 && html`<span class="pill warn" title="Readers drop the copies.">sent ${one.again + 1} times</span>`}</td>
        <td class="muted one">${names[one.cause_id] ?? one.cause}</td><td>${one.detail}</td>
        <td class="right muted small" title=${one.places.join(", ")}>${place(one.places[0])}</td></tr>`)}
      </tbody></table><//>
  </section>`;
}

/** `orders.order.v1[3]@121` as partition and offset: the topic follows from the service. */
const place = (whole) => whole.replace(/^.*\[(\d+)\]@/, "$1, ");
const version = (type) => {
  const found = type.match(/\.v(\d+)$/)?.[1];
  return found && found !== "1" ? html`<span class="muted">v${found}</span>` : null;
};

function Actions({ id, story, picture }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(`${location.origin}/order/${id}`).then(() => setCopied(true), () => {});
  return html`<button onClick=${copy}>${copied ? "Link copied" : "Copy link"}</button>
    <a class="button" href=${`/api/orders/${id}/export.json`} download>JSON</a>
    <a class="button" href=${`/api/orders/${id}/export.mmd`} download>Mermaid</a>
    <button disabled=${!story?.known} onClick=${() => savePng(picture.current.querySelector("svg"), `order-${id}.png`)}>PNG</button>`;
}

function Letters({ letters }) {
  if (!letters?.length) return null;
  return html`<div class="notice bad" role="status"><ul>${letters.map((one) => html`<li key=${one.service + one.id}>
    ${one.service} keeps a dead letter of this order (${one.state.toLowerCase()}, ${one.reason}): ${one.type || "no event"}. <a href="/dead-letters">Look at it</a>
  </li>`)}</ul></div>`;
}

export function OrderView({ id }) {
  const [story, setStory] = useState(null);
  const [chosen, setChosen] = useState(null); // null: always the newest event
  const [busy, run, told, error] = useAct();
  const picture = useRef(null);
  const open = useStream(`/api/orders/${encodeURIComponent(id)}/stream`, { story: setStory });
  const count = story?.events.length ?? 0;
  const shown = Math.min(count, chosen ?? count);
  const setShown = (next) => setChosen((now) => {
    const value = typeof next === "function" ? next(Math.min(count, now ?? count)) : next;
    return value >= count ? null : value;
  });
  const lacks = [...(story?.lacks ?? [])];
  if (!open) lacks.unshift(story ? "The floor does not answer: what you see is not the newest." : "This order cannot be shown: its id is not a UUID, or the floor does not answer.");
  if (story && !story.known && !story.lacks.length) lacks.push("The log has no record of this order: there is none, or Kafka has deleted its records. `shop order` places one.");
  const coming = story?.coming[shown - 1] ?? [];
  const stateThen = shown < count ? story.events.slice(0, shown).findLast((e) => e.kind === "ending")?.event.slice(6).toUpperCase() ?? "PENDING" : story?.state;
  const cancel = () => run("cancel", async () => { await act(`/api/orders/${id}/cancel`); return "The cancellation was accepted."; });
  return html`
    <${Head} title=${html`Order <span class="mono id">${id.slice(0, 80)}</span>`}
      sub=${story?.known && html`${story.placed_at && `Placed at ${new Date(story.placed_at).toLocaleTimeString("en-GB")}. `}${story.state === "PENDING" && story.deadline_at && `Its deadline is at ${new Date(story.deadline_at).toLocaleTimeString("en-GB")}. `}`}>
      ${story?.known && html`<${Pill} state=${stateThen} />`}
      ${story?.state === "PENDING" && html`<button class="danger" disabled=${!!busy} onClick=${cancel}>Cancel the order</button>`}
      ${story?.known && html`<${Actions} id=${id} story=${story} picture=${picture} />`}
    <//>
    <${Lacks} of=${lacks} /><${Letters} letters=${story?.letters} /><${Done} told=${told} error=${error} />
    ${!story && open && html`<p class="empty">Reading the log…</p>`}
    ${story?.known && html`<section class="card" aria-label="Lanes">
      <div ref=${picture}><${Scroll} label="Lanes that scroll sideways">
        <${Lanes} story=${story} shown=${shown} coming=${coming} at=${placed(story)} /><//></div>
      <${Scrub} story=${story} shown=${shown} setShown=${setShown} />
    </section>
    <div class="two stack">
      <${Events} story=${story} shown=${shown} />
      <${Coming} steps=${coming} ended=${story.state !== "PENDING" && story.state !== "UNKNOWN"} />
    </div>
    <${Waterfall} id=${id} link=${story.trace_link} />
    <p class="small muted">In a terminal: <code>shop watch ${id}</code>, <code>shop trace ${id}</code> for its spans, and <code>shop why ${id}</code> for what holds it up.</p>`}`;
}
