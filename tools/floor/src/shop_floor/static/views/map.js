// The map: services, topics, and the records that move between them.
import { html, useEffect, useRef, useState, useJson, useStream, number, clock, shortId, Pill, Service, Lacks, Head, Scroll } from "../lib.js";
import { layoutOf, Picture } from "./map-picture.js";
import { Dots } from "./map-dots.js";

const HISTORY = 60;
const MOST_ORDERS = 9;
const NOTHING = { at: 0, trouble: "", moves: [], totals: { records: {}, outcomes: {} }, orders: [], looks: { services: {}, lag: [], members: {} } };

/** The newest frame, and what must be remembered from those before it. */
function merged(before, frame) {
  const known = new Map(before.orders.map((one) => [one.id, one]));
  for (const one of frame.orders) known.set(one.id, one);
  const orders = [...known.values()].sort((a, b) => b.at - a.at).slice(0, MOST_ORDERS);
  return { ...frame, orders };
}

function useFloor(onMoves) {
  const [state, setState] = useState(NOTHING);
  const [rates, setRates] = useState([]);
  const second = useRef({ at: 0, count: null });
  const take = (frame, whole) => {
    setState((before) => (whole ? merged(NOTHING, frame) : merged(before, frame)));
    onMoves(frame.moves);
    const count = Object.values(frame.totals.records).reduce((sum, n) => sum + n, 0);
    const past = second.current;
    if (frame.at - past.at < 1000) return;
    // The first count is of the records that were there before the page was.
    if (past.count !== null && count >= past.count) {
      const rate = ((count - past.count) * 1000) / (frame.at - past.at);
      setRates((all) => [...all.slice(1 - HISTORY), past.count === 0 ? 0 : rate]);
    }
    second.current = { at: frame.at, count };
  };
  const open = useStream("/api/stream", { whole: (f) => take(f, true), frame: (f) => take(f, false) });
  return [state, rates, open];
}

function Spark({ values }) {
  const most = Math.max(1, ...values);
  const points = values.map((v, i) => `${((HISTORY - values.length + i) / (HISTORY - 1)) * 100},${24 - (v / most) * 22}`).join(" ");
  return html`<svg viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">
    <polyline class="spark" points=${points} vector-effect="non-scaling-stroke" />
  </svg>`;
}

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

function Facts({ state, rates }) {
  const { outcomes } = state.totals;
  const letters = Object.values(state.looks.services).reduce((sum, one) => sum + (one.letters ?? 0), 0);
  const behind = state.looks.lag.reduce((sum, one) => sum + one.lag, 0);
  return html`<dl class="facts">
    <${Fact} name="Placed">${number(outcomes.PENDING)}<//>
    <${Fact} name="Confirmed">${number(outcomes.CONFIRMED)}<//>
    <${Fact} name="Rejected">${number(outcomes.REJECTED)}<//>
    <${Fact} name="Cancelled">${number(outcomes.CANCELLED)}<//>
    <${Fact} name="Records a second">${number(Math.round(rates.at(-1) ?? 0))}<${Spark} values=${rates} /><//>
    <${Fact} name="Unread records">${number(behind)}<//>
    <${Fact} name="Dead letters">${number(letters)}<//>
  </dl>`;
}

function Orders({ orders, trouble }) {
  return html`<section class="card" aria-labelledby="newest">
    <header><h2 id="newest">Newest orders</h2><a class="small" href="/storefront">Place one</a></header>
    ${!orders.length && html`<p class="empty">${trouble ? "No order can be seen." : "No order yet."}</p>`}
    <ul class="orders">${orders.map((one) => html`<li key=${one.id}>
      <a href=${`/order/${encodeURIComponent(one.id)}`}>
        <span class="mono">${shortId(one.id)}</span><${Pill} state=${one.state} />
        <span class="what">${clock(one.at)} · ${one.detail || one.last}</span>
      </a></li>`)}
    </ul>
  </section>`;
}

function healthText(one) {
  const failed = Object.entries(one.failed ?? {}).map(([check, why]) => `${check}: ${why}`);
  return failed.length ? failed.join(", ") : "every check is ok";
}

function Services({ map, looks }) {
  const rows = map.services.map((name) => [name, looks.services[name] ?? {}]);
  const behind = (name) => looks.lag.filter((one) => one.service === name).reduce((sum, one) => sum + one.lag, 0);
  return html`<section class="card" aria-labelledby="services">
    <header><h2 id="services">Services</h2></header>
    <${Scroll} label="Table of services"><table>
      <thead><tr><th>Service</th><th>Health</th><th>Checks</th><th>Release</th><th class="right">Members</th>
        <th class="right">Unread</th><th class="right">Dead letters</th></tr></thead>
      <tbody>${rows.map(([name, one]) => html`<tr key=${name}>
        <td><${Service} name=${name} /></td><td><${Pill} state=${one.status ?? "silent"} /></td>
        <td class="muted">${one.status ? healthText(one) : "not asked yet"}</td><td class="mono">${one.version || "–"}</td>
        <td class="right">${looks.members[name] ?? "–"}</td><td class="right">${number(behind(name))}</td>
        <td class="right">${one.letters ?? "unknown"}</td></tr>`)}
      </tbody></table><//>
  </section>`;
}

function Topics({ map, state }) {
  const lag = (topic) => state.looks.lag.filter((one) => one.topic === topic);
  return html`<section class="card" aria-labelledby="topics">
    <header><h2 id="topics">Topics</h2><span class="small muted">counted since this page was opened, with the newest ones of before</span></header>
    <${Scroll} label="Table of topics"><table>
      <thead><tr><th>Topic</th><th>Written by</th><th class="right">Records</th><th>Read by</th></tr></thead>
      <tbody>${map.topics.map((topic) => html`<tr key=${topic.name}>
        <td class="mono">${topic.name}</td><td><${Service} name=${topic.owner} /></td>
        <td class="right">${number(state.totals.records[topic.name])}</td>
        <td>${lag(topic.name).map((one) => `${one.service}${one.lag ? ` (${number(one.lag)} unread)` : ""}`).join(", ") || topic.readers.join(", ")}</td>
      </tr>`)}</tbody></table><//>
  </section>`;
}

/** What a screen reader is told: only what a person must know. */
function said(state) {
  const away = Object.entries(state.looks.services).filter(([, one]) => !["ready", "degraded"].includes(one.status));
  const letters = Object.values(state.looks.services).reduce((sum, one) => sum + (one.letters ?? 0), 0);
  if (state.trouble) return state.trouble;
  const health = away.length ? `${away.map(([name]) => name).join(", ")} not ready.` : "Every service is ready.";
  return `${health} ${letters} dead letters.`;
}

export function MapView() {
  const [map, error] = useJson("/api/map");
  const dots = useRef(null);
  const canvas = useRef(null);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const [moving, setMoving] = useState(!still);
  const [state, rates, open] = useFloor((moves) => { if (moving) dots.current?.add(moves); });
  const layout = map && layoutOf(map);
  useEffect(() => {
    if (!layout || !canvas.current) return undefined;
    dots.current = new Dots(canvas.current, layout);
    return () => dots.current.stop();
  }, [map]);
  const lacks = [error, !open && "The floor does not answer. Start it again with `shop floor`.", state.trouble, state.looks.kafka];
  const silent = Object.entries(state.looks.services).filter(([, one]) => one.status === "silent").map(([name]) => name);
  if (silent.length) lacks.push(`No answer of ${silent.join(", ")}: the page lacks health, release and dead letters of it.`);
  return html`
    <${Head} title="The floor" sub="Every event travels from a service down to its topic, and along it up to the services that read it.">
      <button aria-pressed=${String(!moving)} onClick=${() => { setMoving(!moving); dots.current?.clear(); }}>
        ${moving ? "Pause the movement" : "Show the movement"}</button>
    <//>
    <${Lacks} of=${lacks} />
    <div class="hidden" aria-live="polite">${said(state)}</div>
    <${Facts} state=${state} rates=${rates} />
    <div class="two stack">
      <section class="card" aria-label="Map">
        ${layout && html`<div class="chart"><${Picture} layout=${layout} state=${state} /><canvas ref=${canvas} aria-hidden="true" /></div>`}
        <${Legend} foreign=${state.totals.foreign} />
      </section>
      <${Orders} orders=${state.orders} trouble=${state.trouble} />
    </div>
    ${map && html`<${Services} map=${map} looks=${state.looks} /><${Topics} map=${map} state=${state} />`}`;
}

const Legend = ({ foreign }) => html`<p class="legend">
  <span><svg width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="5" class="join of-orders" /></svg>writes</span>
  <span><svg width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="4.5" class="tap of-orders" /></svg>reads</span>
  <span>Without a circle, a line passes a topic. Above 50 records a second, a way has a count.</span>
  ${foreign > 0 && html`<span class="pill bad">${number(foreign)} foreign ${foreign === 1 ? "record" : "records"}</span>`}
</p>`;
