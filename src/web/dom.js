// Builds elements. Texts are keys of the tables in locale/; nothing is ever parsed as HTML.

import { say } from "./i18n.js";

const SAID = { text: "text", label: "aria-label", hint: "title", placeholder: "placeholder" };

/**
 * An element.
 *
 * `text`, `label`, `hint` and `placeholder` are keys of texts, with `values` for their blanks; `on` has
 * listeners by event; `class` is the class; all else are properties, or attributes where there is no such
 * property. Children are nodes or literal strings; null is left out.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  const { values, on = {}, class: className, ...rest } = properties;
  if (className) node.className = className;
  for (const [name, value] of Object.entries(rest)) {
    if (name in SAID) say(node, value, values, SAID[name]);
    else if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children.filter((child) => child != null));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  play: "M8 5.5v13l11-6.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  stop: "M7 7h10v10H7z",
  download: "M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 19.5h14",
  copy: "M9 9h10v10H9zM15 9V5H5v10h4",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1.2 1.2M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1.2-1.2",
  mic: "M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4zM6.5 11.5a5.5 5.5 0 0 0 11 0M12 17v3",
  upload: "M12 19V8m0 0L7.5 12.5M12 8l4.5 4.5M5 4.5h14",
  edit: "M4.5 19.5l1-4L16 5l3 3L8.5 18.5zM14 7l3 3",
  retry: "M5 12a7 7 0 1 1 2.1 5M5 18v-4h4",
  key: "M15 4.5a4.5 4.5 0 1 1-3.6 7.2L5 18v2h3v-2h2v-2h2v-2.2M16 8h.01",
  theme: "M12 4v16a8 8 0 0 0 0-16zM12 4a8 8 0 0 0 0 16",
  voice: "M5 10v4M8.5 7v10M12 4.5v15M15.5 8v8M19 10.5v3",
};
const FILLED = new Set(["play", "pause", "stop"]);

/** A drawn sign beside a text; a screen reader passes it over. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", FILLED.has(name) ? "icon is-filled" : "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button with a sign and a text. */
export function button(sign, text, click, className = "") {
  return el(
    "button",
    { type: "button", class: `button ${className}`, on: { click } },
    sign ? icon(sign) : null,
    el("span", { text }),
  );
}

/** A labelled control. */
export function field(text, control, ...beside) {
  control.id ||= `field-${++fields}`;
  return el(
    "div",
    { class: "field" },
    el("label", { text, htmlFor: control.id }),
    beside.length ? el("div", { class: "field-row" }, control, ...beside) : control,
  );
}

let fields = 0;

/** Keep a file that the page has made. */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = el("a", { href: url, download: name, hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Copy a text, and say so for a moment on the button whose text is `key`. */
export async function copyText(text, pressed, key = "action.copy") {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // without https the clipboard is closed; this old way is open
    const area = el("textarea", { value: text, class: "offscreen", "aria-hidden": "true" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  const label = pressed.querySelector("span") ?? pressed;
  say(label, "action.copied");
  clearTimeout(pressed.timer);
  pressed.timer = setTimeout(() => say(label, key), 1500);
}
