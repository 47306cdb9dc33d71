// One section at a time, chosen by tabs (the ARIA pattern) and by the address's fragment.

import { el } from "./dom.js";
import { allSections } from "./sections.js";

const list = document.getElementById("tabs");
const main = document.getElementById("sections");
const shown = new Map();
let current = null;

/** Show the tabs of the sections that this server has. Before it is known, of those that every server has. */
export function showSections(config) {
  for (const section of allSections()) {
    const there = section.needs?.(config) ?? true;
    if (there && !shown.has(section.id)) add(section);
  }
  select(current ?? location.hash.slice(1), false);
}

function add(section) {
  const tab = el("button", {
    type: "button",
    id: `tab-${section.id}`,
    class: "tab",
    role: "tab",
    text: section.title,
    "aria-controls": section.id,
    on: { click: () => select(section.id, true) },
  });
  const panel = el("section", {
    id: section.id,
    class: "panel",
    role: "tabpanel",
    "aria-labelledby": tab.id,
    hidden: true,
  });
  shown.set(section.id, { section, tab, panel, built: false });
  // in the order of registration, whenever it was found to be there
  const order = allSections().map(({ id }) => id);
  const after = order.slice(order.indexOf(section.id) + 1).find((id) => shown.has(id));
  list.insertBefore(tab, after ? shown.get(after).tab : null);
  main.insertBefore(panel, after ? shown.get(after).panel : null);
}

function select(id, chosen) {
  const wanted = shown.has(id) ? id : shown.keys().next().value;
  if (chosen) history.replaceState(null, "", `#${wanted}`);
  if (chosen || shown.has(id)) current = wanted;
  for (const [name, entry] of shown) {
    const here = name === wanted;
    entry.tab.setAttribute("aria-selected", String(here));
    entry.tab.tabIndex = here ? 0 : -1;
    entry.panel.hidden = !here;
    if (here && !entry.built) {
      entry.built = true;
      entry.panel.append(entry.section.build());
    }
  }
}

list.addEventListener("keydown", (event) => {
  const tabs = [...list.children];
  const at = tabs.indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = tabs[(to + tabs.length) % tabs.length];
  tab.click();
  tab.focus();
});

addEventListener("hashchange", () => select(location.hash.slice(1), true));
