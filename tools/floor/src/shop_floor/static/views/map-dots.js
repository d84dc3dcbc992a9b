// The dots that move on the map: one for each record, on a canvas above the picture. Nothing is drawn while none moves.

const MOST_DOTS = 900;
const MOST_OF_A_MOVE = 25;
const SPREAD_MS = 260;
const PIXELS_A_MS = 0.55;
const SHORTEST_MS = 420;

export class Dots {
  constructor(canvas, layout) {
    this.canvas = canvas;
    this.layout = layout;
    this.dots = [];
    this.frame = 0;
    this.colours = {};
    this.recolour = () => { this.colours = {}; };
    addEventListener("floor-theme", this.recolour);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.recolour);
    this.ways = new Map();
    for (const rail of layout.rails) {
      this.ways.set(`${rail.owner}>${rail.name}`, way([[rail.writes, layout.cardBottom], [rail.writes, rail.y]], rail.owner));
      for (const [service, x] of rail.reads) {
        const points = [[rail.writes, rail.y], [x, rail.y], [x, layout.cardBottom]];
        this.ways.set(`${rail.name}>${service}`, way(points, rail.owner));
      }
    }
  }

  /** Let the records of one frame move. An edge with many records has a count instead. */
  add(moves) {
    if (document.hidden) return;
    const now = performance.now();
    for (const move of moves) {
      const along = this.ways.get(`${move.from}>${move.to}`);
      if (!along || !move.kinds || !move.n) continue;
      const count = Math.min(move.n, MOST_OF_A_MOVE, MOST_DOTS - this.dots.length);
      for (let i = 0; i < count; i += 1) this.dots.push({ along, begin: now + (i / count) * SPREAD_MS });
    }
    if (this.dots.length && !this.frame) this.frame = requestAnimationFrame((at) => this.draw(at));
  }

  clear() {
    this.dots = [];
  }

  stop() {
    cancelAnimationFrame(this.frame);
    removeEventListener("floor-theme", this.recolour);
    this.dark.removeEventListener("change", this.recolour);
    this.dots = [];
  }

  colour(service) {
    const style = getComputedStyle(this.canvas);
    this.colours[service] ??= style.getPropertyValue(`--${service}`).trim() || style.color;
    return this.colours[service];
  }

  draw(now) {
    const { canvas, layout } = this;
    const scale = canvas.clientWidth / layout.width;
    const sharp = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * sharp), Math.round(canvas.clientHeight * sharp)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(scale * sharp, 0, 0, scale * sharp, 0, 0);
    this.dots = this.dots.filter((dot) => now < dot.begin + dot.along.ms);
    for (const dot of this.dots) {
      if (now < dot.begin) continue;
      const part = (now - dot.begin) / dot.along.ms;
      const [x, y] = at(dot.along, ease(part));
      pen.globalAlpha = Math.min(1, 6 * part, 6 * (1 - part));
      pen.fillStyle = this.colour(dot.along.service);
      pen.beginPath();
      pen.arc(x, y, 4.2, 0, 7);
      pen.fill();
    }
    this.frame = this.dots.length ? requestAnimationFrame((next) => this.draw(next)) : 0;
  }
}

const ease = (part) => (part < 0.5 ? 2 * part * part : 1 - 2 * (1 - part) * (1 - part));

function way(points, service) {
  const lengths = points.slice(1).map(([x, y], i) => Math.abs(x - points[i][0]) + Math.abs(y - points[i][1]));
  const length = lengths.reduce((sum, one) => sum + one, 0);
  return { points, lengths, length, service, ms: Math.max(SHORTEST_MS, length / PIXELS_A_MS) };
}

/** The point of a way at a part of its length. */
function at({ points, lengths, length }, part) {
  let rest = part * length;
  for (let i = 0; i < lengths.length; i += 1) {
    if (rest <= lengths[i] || i === lengths.length - 1) {
      const share = lengths[i] ? Math.min(1, rest / lengths[i]) : 1;
      const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
      return [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
    }
    rest -= lengths[i];
  }
  return points.at(-1);
}
