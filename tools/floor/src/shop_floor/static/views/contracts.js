// Contracts: each event, who publishes it, who reads which fields of it, and the releases that run.
import { html, useJson, Service, Lacks, Head } from "../lib.js";
import { Matrix } from "./matrix.js";

function Reader({ one }) {
  const fields = one.fields;
  return html`<details>
    <summary class="row" style=${{ display: "flex" }}><${Service} name=${one.consumer} />
      <span class="mono muted">${one.deployed ?? ""}</span>
      <span class="small muted">${fields ? `${fields.length} ${fields.length === 1 ? "field" : "fields"}` : "not written down"}</span>
      ${one.pending && html`<span class="pill warn">pending</span>`}</summary>
    <div class="fields">${(fields ?? []).map((field) => html`<code key=${field}>${field}</code>`)}
      ${one.fields_if_present.map((field) => html`<code key=${field}>${field} (if present)</code>`)}</div>
  </details>`;
}

function Event({ one }) {
  const [, name, version] = one.event.split(".");
  return html`<article class="card">
    <header style=${{ marginBottom: "6px" }}><h3>${name} <span class="muted">${version}</span></h3>
      <span class="row small"><${Service} name=${one.owner} /></span></header>
    <p class="small muted" style=${{ marginBottom: "12px" }}>${one.description}</p>
    <div style=${{ display: "grid", gap: "8px" }}>
      ${one.readers.length ? one.readers.map((reader) => html`<${Reader} key=${reader.consumer} one=${reader} />`) : html`<span class="small muted">No service reads it.</span>`}
    </div>
  </article>`;
}

export function Contracts() {
  const [found, error] = useJson("/api/contracts");
  const topics = [...new Set((found?.events ?? []).map((one) => one.topic))];
  return html`
    <${Head} title="Contracts" sub="Each event, the service that publishes it, and the fields that each reader has written down. A field that a reader names cannot be taken away.">
      ${Object.entries(found?.deployed ?? {}).map(([service, version]) => html`<span class="pill" key=${service}>${service} ${version}</span>`)}
    <//>
    <${Lacks} of=${[error, ...(found?.lacks ?? []), found && !Object.keys(found.deployed).length && "The releases that run are not known: no service answers."]} />
    ${!found && !error && html`<p class="empty">Reading the contracts…</p>`}
    ${topics.map((topic) => html`<section key=${topic} aria-label=${topic}>
      <h2 class="mono" style=${{ marginBottom: "12px" }}>${topic}</h2>
      <div class="grid" style=${{ gridTemplateColumns: "repeat(auto-fill, minmax(330px, 1fr))", alignItems: "start" }}>
        ${found.events.filter((one) => one.topic === topic).map((one) => html`<${Event} key=${one.event} one=${one} />`)}</div>
    </section>`)}
    <${Matrix} />
    <p class="small muted">In a terminal: <code>shop can-i-deploy SERVICE VERSION</code>, also for an older release.</p>`;
}
