// The trace of one order: its spans from the top down, each with a bar at its time.
import { html, useJson, span as words, Service, Scroll } from "../lib.js";

const SIGNS = { producer: ["▲", "sent"], consumer: ["▼", "handled"], server: ["●", "served"], client: ["○", "asked"] };
const INDENT = 14;
const MOST_INDENT = 10;

function Bar({ one, whole }) {
  const left = (100 * one.start_ms) / whole;
  const width = Math.min(100 - left, (100 * one.ms) / whole);
  return html`<span class=${`time of-${one.service}`}><span class=${one.failed ? "bad" : ""} style=${{ left: `${left}%`, width: `${width}%` }}></span></span>`;
}

function Row({ one, whole }) {
  const [sign, meaning] = SIGNS[one.kind] ?? ["·", "inside"];
  return html`<tr>
    <td><${Service} name=${one.service} /></td>
    <td class="one" style=${{ paddingLeft: `${INDENT * Math.min(MOST_INDENT, one.depth)}px` }}><span aria-hidden="true" class="muted">${sign} </span><span class="hidden">${meaning}: </span>${one.name}
      ${one.failed && html` <span class="pill bad">failed</span>`}</td>
    <td class="right">+${words(one.start_ms)}</td><td class="right">${one.ms < 10 ? `${one.ms.toFixed(1)} ms` : words(one.ms)}</td>
    <td class="bars"><${Bar} one=${one} whole=${whole} /></td></tr>`;
}

export function Waterfall({ id, link }) {
  const [trace, error, load] = useJson(`/api/orders/${encodeURIComponent(id)}/trace`);
  const count = trace?.count ?? 0;
  return html`<section class="card" aria-labelledby="trace">
    <header><h2 id="trace">Trace</h2>
      <span class="row small muted">${trace && `${count} spans of ${trace.services} services${trace.traces > 1 ? ` in ${trace.traces} linked traces` : ""}, ${words(trace.ms)}`}
        ${(trace?.link || link) && html`<a href=${trace?.link || link} target="_blank" rel="noopener noreferrer">Open in the store of traces</a>`}
        <button onClick=${load}>Read the trace again</button></span></header>
    <div aria-live="polite">${error && html`<p class="muted">${error}</p>`}
      ${!trace && !error && html`<p class="muted">Reading the spans…</p>`}</div>
    ${count > 0 && html`<div class="tall"><${Scroll} label="Table of spans"><table class="waterfall">
      <thead><tr><th>Service</th><th>Span</th><th class="right">Begins</th><th class="right">Takes</th><th>Time</th></tr></thead>
      <tbody>${trace.spans.map((one, i) => html`<${Row} key=${i} one=${one} whole=${trace.ms || 1} />`)}</tbody></table><//></div>
    <p class="legend">${Object.values(SIGNS).map(([sign, meaning]) => html`<span key=${sign}>${sign} ${meaning}</span>`)}
      ${count > trace.spans.length && html`<span>The first ${trace.spans.length} spans are shown.</span>`}</p>`}
  </section>`;
}
