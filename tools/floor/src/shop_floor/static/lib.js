// What all views share: requests, streams, and small parts of pages.
import { h } from "preact";
import { useEffect, useRef, useState, useCallback } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);
export { useEffect, useRef, useState, useCallback };

let session = null;

/** The session of this page: its token for requests that act, and the shop. */
export function sessionNow() {
  session ??= fetch("/api/session").then(answered);
  return session;
}

/** The JSON of an answer, or an Error with the sentence of the server. */
export async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const detail = typeof body.detail === "string" ? body.detail : "The request is not valid.";
  throw new Error(detail || `The floor answers ${response.status}.`);
}

/** GET. A server that is gone is a sentence, too. */
export async function get(path) {
  return fetch(path).catch(gone).then(answered);
}

/** POST with the token that lets a page act. */
export async function act(path, body) {
  const { token } = await sessionNow();
  const headers = { "content-type": "application/json", "x-floor-token": token };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) }).catch(gone).then(answered);
}

function gone() {
  throw new Error("The floor does not answer. Start it again with `shop floor`, and open the link that it prints.");
}

/** Load JSON, again every `seconds` (0: once). Returns [value, error, load again]. */
export function useJson(path, seconds = 0) {
  const [value, setValue] = useState(null);
  const [error, setError] = useState("");
  const load = useCallback(
    () => get(path).then((found) => { setValue(found); setError(""); }, (fault) => setError(fault.message)),
    [path],
  );
  useEffect(() => {
    load();
    if (!seconds) return undefined;
    const timer = setInterval(() => { if (!document.hidden) load(); }, seconds * 1000);
    return () => clearInterval(timer);
  }, [path, seconds]);
  return [value, error, load];
}

/** Follow server-sent events. `handlers`: name of an event → function. Returns whether the stream is open. */
export function useStream(path, handlers) {
  const [open, setOpen] = useState(true);
  const now = useRef(handlers);
  now.current = handlers;
  useEffect(() => {
    const source = new EventSource(path);
    source.onopen = () => setOpen(true);
    source.onerror = () => setOpen(false); // the browser tries again by itself
    for (const name of Object.keys(handlers)) {
      source.addEventListener(name, (event) => now.current[name](JSON.parse(event.data)));
    }
    return () => source.close();
  }, [path]);
  return open;
}

/** Run something that acts: [busy, run, told, error]. */
export function useAct() {
  const [state, setState] = useState({ busy: "", told: "", error: "" });
  const run = async (name, work) => {
    setState({ busy: name, told: "", error: "" });
    try {
      setState({ busy: "", told: (await work()) || "", error: "" });
    } catch (fault) {
      setState({ busy: "", told: "", error: fault.message });
    }
  };
  return [state.busy, run, state.told, state.error];
}

export const number = (value) => (value ?? 0).toLocaleString("en");
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
export const shortId = (id) => (id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id);

/** A time span in words: 840 ms, 12 s, 3 min. */
export function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

export const TONES = {
  CONFIRMED: "good", REJECTED: "bad", CANCELLED: "warn", PENDING: "calm", ready: "good", degraded: "warn",
  "not ready": "bad", silent: "bad", stopped: "bad", frozen: "warn", slow: "warn", HELD: "bad", WAITING: "warn",
};

export const Pill = ({ state }) =>
  html`<span class=${`pill ${TONES[state] ?? ""}`}>${state ? state.toLowerCase() : "seen in part"}</span>`;

export const Service = ({ name }) => html`<span class=${`svc of-${name}`}>${name}</span>`;

/** What the page lacks, or what went wrong. */
export function Lacks({ of, bad }) {
  const said = of.filter(Boolean);
  if (!said.length) return null;
  return html`<div class=${`notice ${bad ? "bad" : ""}`} role="status">
    ${said.length === 1 ? said[0] : html`<ul>${said.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`}
  </div>`;
}

export const Done = ({ told, error }) => html`<div aria-live="polite">
  ${told && html`<div class="notice good">${told}</div>`}${error && html`<div class="notice bad">${error}</div>`}
</div>`;

/** The heading of a view. It gets the focus when the view is opened. */
export function Head({ title, sub, children }) {
  const heading = useRef(null);
  useEffect(() => { heading.current?.focus({ preventScroll: true }); }, []);
  return html`<header class="head">
    <div><h1 tabindex="-1" ref=${heading}>${title}</h1>${sub && html`<p class="sub">${sub}</p>`}</div>
    <div class="row">${children}</div>
  </header>`;
}

/** A table that scrolls sideways where it must, also with the keyboard. */
export const Scroll = ({ label, children }) =>
  html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>${children}</div>`;
