// The frame of every page: the list of views, the colours, and the view of the address.
import { render } from "preact";
import { html, useEffect, useState, sessionNow } from "./lib.js";
import { MapView } from "./views/map.js";
import { OrderView } from "./views/order.js";
import { Storefront } from "./views/storefront.js";
import { DeadLetters } from "./views/dead-letters.js";
import { Faults } from "./views/faults.js";
import { Contracts } from "./views/contracts.js";
import { Labs } from "./views/labs.js";

const VIEWS = [
  ["/", "Map", MapView],
  ["/storefront", "Storefront", Storefront],
  ["/dead-letters", "Dead letters", DeadLetters],
  ["/faults", "Faults", Faults],
  ["/contracts", "Contracts", Contracts],
  ["/labs", "Labs", Labs],
];

function viewOf(path) {
  if (path.startsWith("/order/")) {
    const id = decodeURIComponent(path.slice("/order/".length));
    return ["Order", html`<${OrderView} key=${id} id=${id} />`];
  }
  const [, title, View] = VIEWS.find(([address]) => address === path) ?? VIEWS[0];
  return [title, html`<${View} key=${path} />`];
}

function Theme() {
  const [chosen, setChosen] = useState(document.documentElement.dataset.theme ?? "system");
  const choose = (theme) => {
    setChosen(theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("floor-theme", theme);
    } catch {
      // The choice holds until the page is closed.
    }
    dispatchEvent(new Event("floor-theme"));
  };
  return html`<div class="seg" role="group" aria-label="Colours">
    ${["system", "light", "dark"].map(
      (theme) => html`<button key=${theme} aria-pressed=${String(chosen === theme)} onClick=${() => choose(theme)}>
        ${theme[0].toUpperCase() + theme.slice(1)}
      </button>`,
    )}
  </div>`;
}

function App() {
  const [path, setPath] = useState(location.pathname);
  const [target, setTarget] = useState("");
  useEffect(() => {
    sessionNow().then((found) => setTarget(found.target), () => {});
    const moved = () => setPath(location.pathname);
    addEventListener("popstate", moved);
    const clicked = (event) => {
      const link = event.target.closest?.("a[href^='/']");
      const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
      if (!link || !plain || link.hasAttribute("download") || link.target) return;
      event.preventDefault();
      history.pushState(null, "", link.getAttribute("href"));
      moved();
      scrollTo(0, 0);
    };
    document.addEventListener("click", clicked);
    return () => { removeEventListener("popstate", moved); document.removeEventListener("click", clicked); };
  }, []);
  const [title, view] = viewOf(path);
  useEffect(() => { document.title = `${title} · Shopfloor`; }, [title]);
  return html`<div class="frame">
    <a class="skip" href="#main">To the content</a>
    <header class="side">
      <a class="brand" href="/"><img src="/static/icon.svg" alt="" />Shopfloor</a>
      <nav aria-label="Views"><ul class="nav">
        ${VIEWS.map(([address, name]) => html`<li key=${address}>
          <a href=${address} aria-current=${path === address ? "page" : null}>${name}</a>
        </li>`)}
      </ul></nav>
      <div class="foot">
        ${target && html`<span class="small muted">Shop: ${target}</span>`}
        <${Theme} />
      </div>
    </header>
    <main class="main" id="main">${view}</main>
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
