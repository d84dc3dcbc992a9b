// The storefront: an order for each outcome, an order of one's own, and what became of them.
import { html, useEffect, useState, useJson, useStream, useAct, act, number, clock, shortId, Pill, Lacks, Done, Head } from "../lib.js";

const KEPT = "floor-placed";
const MOST_KEPT = 20;

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}

const money = (minor, currency) => new Intl.NumberFormat("en", { style: "currency", currency }).format(minor / 100);

function Cart({ products, busy, place }) {
  const [wanted, setWanted] = useState({});
  const [slow, setSlow] = useState(true);
  const lines = Object.entries(wanted).filter(([, quantity]) => quantity > 0).map(([sku, quantity]) => ({ sku, quantity }));
  const currencies = new Set(lines.map((line) => products.find((one) => one.sku === line.sku)?.currency));
  return html`<section class="card" aria-labelledby="own">
    <header><h2 id="own">An order of your own</h2></header>
    <table><thead><tr><th>Product</th><th class="right">Price</th><th class="right">In stock</th><th class="right">Quantity</th></tr></thead>
      <tbody>${products.map((one) => html`<tr key=${one.sku}>
        <td>${one.name}</td><td class="right">${money(one.minor, one.currency)}</td><td class="right">${number(one.available)}</td>
        <td class="right"><input type="number" min="0" max="10000" aria-label=${`Quantity of ${one.name}`} value=${wanted[one.sku] ?? 0}
          style=${{ width: "76px" }} onInput=${(e) => setWanted({ ...wanted, [one.sku]: Number(e.target.value) || 0 })} /></td></tr>`)}
      </tbody></table>
    <div class="row" style=${{ marginTop: "14px", justifyContent: "space-between" }}>
      <label class="small"><input type="checkbox" checked=${slow} onChange=${(e) => setSlow(e.target.checked)} /> with a slow card, so that you can cancel it</label>
      <button class="primary" disabled=${!!busy || !lines.length} onClick=${() => place({ lines, slow }, "your own")}>Place the order</button>
    </div>
    ${currencies.size > 1 && html`<p class="small muted">An order has one currency: the service will refuse this one.</p>`}
  </section>`;
}

function Placed({ orders, seen, run, busy }) {
  const cancel = (id) => run(id, async () => { await act(`/api/orders/${id}/cancel`); return "The cancellation was accepted."; });
  return html`<section class="card" aria-labelledby="placed">
    <header><h2 id="placed">Placed here</h2></header>
    ${!orders.length && html`<p class="empty">Nothing yet. Place an order, and follow it here.</p>`}
    <ul class="orders">${orders.map((one) => {
      const state = seen.get(one.id)?.state ?? "PENDING";
      return html`<li key=${one.id}><a href=${`/order/${one.id}`}>
        <span class="mono">${shortId(one.id)}</span><${Pill} state=${state} />
        <span class="what">${clock(one.at)} · ${one.what} · ${seen.get(one.id)?.last ?? "no event yet"}</span></a>
        ${state === "PENDING" && html`<button class="quiet danger" disabled=${!!busy} onClick=${() => cancel(one.id)}>Cancel this order</button>`}
      </li>`;
    })}</ul>
  </section>`;
}

export function Storefront() {
  const [shop, error] = useJson("/api/storefront");
  const [orders, setOrders] = useState(kept);
  const [seen, setSeen] = useState(new Map());
  const [busy, run, told, fault] = useAct();
  const take = (frame) => setSeen((before) => {
    const own = new Set(orders.map((one) => one.id));
    const news = frame.orders.filter((one) => own.has(one.id));
    if (!news.length) return before;
    return new Map([...before, ...news.map((one) => [one.id, one])]);
  });
  const open = useStream("/api/stream", { whole: take, frame: take });
  useEffect(() => {
    try { sessionStorage.setItem(KEPT, JSON.stringify(orders)); } catch { /* the list lasts as long as this page */ }
  }, [orders]);
  const place = (cart, what) => run(what, async () => {
    const { order_id: id } = await act("/api/orders", cart);
    setOrders((all) => [{ id, what, at: Date.now() }, ...all].slice(0, MOST_KEPT));
    return `Order ${shortId(id)} is placed.`;
  });
  return html`
    <${Head} title="Storefront" sub="Place an order as a customer does, and watch what the services make of it." />
    <${Lacks} of=${[error, !open && "The floor does not answer: the states below are not the newest."]} />
    <${Done} told=${told} error=${fault} />
    <div class="wide-two">
      <div style=${{ display: "grid", gap: "20px", minWidth: 0 }}>
        <section aria-labelledby="outcomes"><h2 id="outcomes" style=${{ marginBottom: "12px" }}>An order for each outcome</h2>
          <div class="grid">${(shop?.outcomes ?? []).map((one) => html`<article class="card outcome" key=${one.name}>
            <h3>${one.title}</h3><p>${one.what}</p>
            <button disabled=${!!busy} onClick=${() => place({ outcome: one.name }, one.title.toLowerCase())}
              aria-label=${`Place an order: ${one.title}`}>${busy === one.title.toLowerCase() ? "Placing…" : "Place"}</button>
          </article>`)}</div>
        </section>
        ${shop && html`<${Cart} products=${shop.products} busy=${busy} place=${place} />`}
        ${!shop && !error && html`<p class="empty">Asking for the products…</p>`}
      </div>
      <${Placed} orders=${orders} seen=${seen} run=${run} busy=${busy} />
    </div>`;
}
