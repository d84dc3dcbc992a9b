// The lanes of one order: a box for each event, an arrow from its cause, and dashed boxes for what is still to come.
import { html, span } from "../lib.js";

const LABEL = 122;
const LANE = 78;
const TOP = 8;
const BOX = { width: 142, height: 50 };
const STEP = 52;
const SPACE = 16;
const MOST_LETTERS = 20;
const WIDTH = 920;

/** The left side of each event's box. Boxes of one lane do not touch; those of other lanes may lie above each other. */
export function placed(story) {
  const ends = {};
  let last = LABEL - STEP + 14;
  return story.events.map((event) => {
    const x = Math.max(last + STEP, (ends[event.service] ?? 0) + SPACE);
    ends[event.service] = x + BOX.width;
    last = x;
    return x;
  });
}

const cut = (text) => (text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS - 1)}…` : text);
const laneOf = (lanes, service) => Math.max(0, lanes.indexOf(service));
const middle = (lanes, service) => TOP + laneOf(lanes, service) * LANE + LANE / 2;

function Arrow({ story, at, index }) {
  const event = story.events[index];
  const cause = story.events.findIndex((one) => one.id === event.cause_id);
  if (cause < 0 || cause === index) return null;
  const [y0, y1] = [middle(story.lanes, story.events[cause].service), middle(story.lanes, event.service)];
  const [from, to] = [at[cause], at[index]];
  const side = y1 > y0 ? 1 : -1;
  const between = story.events.some((one, k) => k > cause && k < index && one.service === event.service && at[k] + BOX.width > from);
  return html`<path class="arrow" marker-end="url(#tip)" d=${between ? around(from, to, y0, y1) : direct(from, to, y0, y1, side)} />`;
}

/** Out of the box of the cause, and into the left side of the other one. */
function direct(from, to, y0, y1, side) {
  if (y0 === y1) return `M${from + BOX.width} ${y0}H${to - 3}`;
  const x = Math.min(from + BOX.width - 14, Math.max(from + 18, to - 22));
  const bend = Math.min(to - 3, x + 14);
  return `M${x} ${y0 + (side * BOX.height) / 2}V${y1 - 14 * side}Q${x} ${y1} ${bend} ${y1}H${to - 3}`;
}

/** Past boxes that stand in the way: between the lanes, and into the upper or lower side. */
function around(from, to, y0, y1) {
  const below = y1 < y0 ? -1 : 1;
  const gap = y1 - below * (BOX.height / 2 + 12);
  const x = from + BOX.width - 28;
  const out = y0 + ((y0 === y1 ? -1 : below) * BOX.height) / 2;
  return `M${x} ${out}V${gap}H${to + 18}V${y1 - below * (BOX.height / 2 + 3)}`;
}

function Box({ event, x, y, later }) {
  const number = event.type.match(/\.v(\d+)$/)?.[1];
  const name = event.event + (number && number !== "1" ? ` v${number}` : "");
  const text = event.kind === "ending" ? "node-text-ending" : "";
  return html`<g class=${`of-${event.service} ${later ? "later" : ""}`}>
    <title>${`${name} of ${event.service}, +${span(event.after_ms)}: ${event.detail}`}</title>
    <rect class=${`node ${event.kind}`} x=${x} y=${y - BOX.height / 2} width=${BOX.width} height=${BOX.height} rx="9" />
    <text class=${`t-strong ${text}`} x=${x + 11} y=${y - 4}>${cut(name)}</text>
    <text class=${`t-muted ${text}`} x=${x + 11} y=${y + 14}>${cut(`+${span(event.after_ms)}${event.detail && event.kind !== "step" ? ` · ${event.detail}` : ""}`)}</text>
    ${event.again > 0 && html`<text class="t-strong t-warn" x=${x + BOX.width - 8} y=${y - 30} text-anchor="end">×${event.again + 1}</text>`}
  </g>`;
}

function ghostsOf(coming, lanes, begin) {
  const ends = {};
  let x = begin;
  return coming.map((step) => {
    const left = Math.max(x, (ends[step.service] ?? 0) + SPACE);
    ends[step.service] = left + BOX.width;
    x = left + (step.certainty === "then" ? 34 : 0);
    return { ...step, x: left, y: middle(lanes, step.service) };
  });
}

function Ghost({ step }) {
  return html`<g><title>${`${step.event} of ${step.service}: ${step.why}`}</title>
    <rect class=${`ghost ${step.certainty}`} x=${step.x} y=${step.y - BOX.height / 2} width=${BOX.width} height=${BOX.height} rx="9" />
    <text class="t-muted" x=${step.x + 11} y=${step.y - 4}>${cut(step.event)}</text>
    <text class="t-muted" x=${step.x + 11} y=${step.y + 14}>${{ owed: "owed now", possible: "possible", then: "may follow" }[step.certainty]}</text></g>`;
}

export function Lanes({ story, shown, coming, at }) {
  const last = at[shown - 1] ?? LABEL;
  const done = shown === story.events.length;
  const ghosts = done ? ghostsOf(coming, story.lanes, last + BOX.width + 34) : [];
  const width = Math.max(WIDTH, Math.max(...at, LABEL) + BOX.width + 16, ...ghosts.map((one) => one.x + BOX.width + 16));
  const height = TOP * 2 + story.lanes.length * LANE;
  return html`<svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img"
      aria-label=${`${shown} of ${story.events.length} events in lanes of their services`} style=${{ maxWidth: "none", display: "block" }}>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrowhead" d="M0 0L8 4L0 8z" /></marker></defs>
    ${story.lanes.map((lane, i) => html`<g key=${lane} class=${`of-${lane}`}>
      <rect class=${`lane ${i % 2 ? "odd" : ""}`} x="0" y=${TOP + i * LANE} width=${width} height=${LANE} rx="8" />
      <rect class="bar" x="12" y=${TOP + i * LANE + LANE / 2 - 7} width="4" height="14" rx="2" />
      <text class="t-strong" x="23" y=${TOP + i * LANE + LANE / 2 + 4}>${lane.slice(0, 14)}</text></g>`)}
    ${ghosts.length > 0 && html`<line class="now" x1=${last + BOX.width + 17} x2=${last + BOX.width + 17} y1=${TOP} y2=${height - TOP} />`}
    ${story.events.map((event, i) => i < shown && html`<${Arrow} key=${`a${event.places[0]}`} story=${story} at=${at} index=${i} />`)}
    ${story.events.map((event, i) => html`<${Box} key=${event.places[0]} event=${event} x=${at[i]} y=${middle(story.lanes, event.service)} later=${i >= shown} />`)}
    ${ghosts.map((step) => html`<${Ghost} key=${step.service + step.event} step=${step} />`)}
  </svg>`;
}
