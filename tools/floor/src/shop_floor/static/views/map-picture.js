// The drawing of the map. Every place is computed here, so that a new service or topic gets one.
import { html, number } from "../lib.js";

const LEFT = 176;
const CARD = { width: 136, height: 88, top: 58 };
const GAP = 12;
const RAIL_TOP = 200;
const RAIL_STEP = 56;
const TRUNK = 18;

/** Where everything is: cards in a row, topics as rails below them, trays of dead letters at the bottom. */
export function layoutOf(map) {
  const column = CARD.width + GAP;
  const x = Object.fromEntries(map.services.map((name, i) => [name, LEFT + i * column + CARD.width / 2]));
  const rails = map.topics.map((topic, i) => {
    const writes = x[topic.owner] - TRUNK;
    const reads = topic.readers.map((name) => [name, x[name] + TRUNK]);
    const ends = [writes, ...reads.map(([, at]) => at)];
    return { ...topic, y: RAIL_TOP + i * RAIL_STEP, writes, reads, from: Math.min(...ends), to: Math.max(...ends) };
  });
  const bottom = RAIL_TOP + map.topics.length * RAIL_STEP;
  return {
    services: map.services, x, rails, tray: bottom + 6, width: LEFT + map.services.length * column, height: bottom + 56,
    cardBottom: CARD.top + CARD.height,
  };
}

const OUTSIDE = { orders: "customers", payments: "card processor", notifications: "customers’ inbox" };

function Card({ name, x, one, members, behind }) {
  const left = x - CARD.width / 2;
  const tone = { ready: "good", degraded: "warn", silent: "bad", "not ready": "bad" }[one?.status] ?? "none";
  return html`<g class=${`of-${name}`}>
    ${OUTSIDE[name] && html`<g>
      <text class="t-muted" x=${x} y="16" text-anchor="middle">${OUTSIDE[name]}</text>
      <path class="trunk" d=${`M${x} 26V${CARD.top - 3}`} />
    </g>`}
    <rect class="box" x=${left} y=${CARD.top} width=${CARD.width} height=${CARD.height} rx="12" />
    <rect class="bar" x=${left + 14} y=${CARD.top + 16} width="4" height="15" rx="2" />
    <text class="t-name" x=${left + 26} y=${CARD.top + 29}>${name}</text>
    <circle class=${`dot-${tone}`} cx=${left + 18} cy=${CARD.top + 50} r="4" />
    <text class="t-muted" x=${left + 30} y=${CARD.top + 54}>${one?.status ?? "asking…"}${members > 1 ? ` · ${members} members` : ""}</text>
    <text class="t-mono" x=${left + 14} y=${CARD.top + 75}>${one?.version || "–"}</text>
    ${behind > 0 && html`<text class="t-strong t-warn" x=${left + CARD.width - 14} y=${CARD.top + 75} text-anchor="end">${number(behind)} unread</text>`}
  </g>`;
}

function Trunks({ layout }) {
  return layout.services.map((name) => {
    const written = layout.rails.filter((rail) => rail.owner === name).map((rail) => rail.y);
    const read = layout.rails.filter((rail) => rail.readers.includes(name)).map((rail) => rail.y);
    const x = layout.x[name];
    return html`<g class=${`of-${name}`} key=${name}>
      ${written.length > 0 && html`<path class="trunk" d=${`M${x - TRUNK} ${layout.cardBottom}V${Math.max(...written)}`} />`}
      ${read.length > 0 && html`<path class="trunk reads" d=${`M${x + TRUNK} ${layout.cardBottom}V${Math.max(...read)}`} />`}
    </g>`;
  });
}

function Rail({ rail, records, rates, lags }) {
  const [name, version] = [rail.name.replace(/\.v\d+$/, ""), rail.name.match(/\.v\d+$/)?.[0] ?? ""];
  const rate = rates.get(`${rail.owner}>${rail.name}`);
  return html`<g>
    <text x="0" y=${rail.y - 2} class="t-strong">${name}<tspan class="t-muted">${version}</tspan></text>
    <text x="0" y=${rail.y + 15} class="t-muted">${number(records)} records</text>
    <line class="rail" x1=${rail.from} x2=${rail.to} y1=${rail.y} y2=${rail.y} />
    <g class=${`of-${rail.owner}`}><circle class="join" cx=${rail.writes} cy=${rail.y} r="7" />
      ${rate && html`<${Badge} x=${rail.writes} y=${rail.y + 20} text=${`${number(rate)}/s`} />`}</g>
    ${rail.reads.map(([service, x]) => {
      const readRate = rates.get(`${rail.name}>${service}`);
      const lag = lags.get(`${service}>${rail.name}`) ?? 0;
      const text = [readRate && `${number(readRate)}/s`, lag > 0 && `${number(lag)} unread`].filter(Boolean).join(" · ");
      return html`<g key=${service} class=${`of-${service}`}>
        <circle class="tap" cx=${x} cy=${rail.y} r="6" />
        ${text && html`<${Badge} x=${x} y=${rail.y + 20} text=${text} />`}
      </g>`;
    })}
  </g>`;
}

function Badge({ x, y, text }) {
  const width = text.length * 6.6 + 16;
  return html`<g><rect class="badge" x=${x - width / 2} y=${y - 10} width=${width} height="20" rx="10" />
    <text class="t-strong" x=${x} y=${y + 4} text-anchor="middle">${text}</text></g>`;
}

function Tray({ x, y, letters }) {
  const text = letters === null || letters === undefined ? "unknown" : number(letters);
  return html`<g><rect class=${letters > 0 ? "badge-warn" : "lane"} x=${x - 62} y=${y} width="124" height="30" rx="8" />
    <text class=${letters > 0 ? "t-strong t-warn" : "t-muted"} x=${x} y=${y + 20} text-anchor="middle">${text} ${letters === 1 ? "dead letter" : "dead letters"}</text></g>`;
}

/** The whole picture. Its contents stand in tables below it, for readers who do not see it. */
export function Picture({ layout, state }) {
  const rates = new Map(state.moves.filter((one) => !one.kinds).map((one) => [`${one.from}>${one.to}`, one.rate]));
  const lags = new Map(state.looks.lag.map((one) => [`${one.service}>${one.topic}`, one.lag]));
  const behind = (name) => state.looks.lag.filter((one) => one.service === name).reduce((sum, one) => sum + one.lag, 0);
  const { services, members } = state.looks;
  return html`<svg viewBox=${`0 0 ${layout.width} ${layout.height}`} role="img" aria-label="Services, topics and the records between them. The tables below have the same facts.">
    <${Trunks} layout=${layout} />
    ${layout.rails.map((rail) => html`<${Rail} key=${rail.name} rail=${rail} records=${state.totals.records[rail.name]} rates=${rates} lags=${lags} />`)}
    ${layout.services.map((name) => html`<g key=${name}>
      <${Card} name=${name} x=${layout.x[name]} one=${services[name]} members=${members[name] ?? 0} behind=${behind(name)} />
      <${Tray} x=${layout.x[name]} y=${layout.tray} letters=${services[name]?.letters} />
    </g>`)}
  </svg>`;
}
