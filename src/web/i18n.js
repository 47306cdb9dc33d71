// The page's words. Every text on the page is set through `say`, so that the language can change at any time.

import { en } from "./locale/en.js";
import { es } from "./locale/es.js";

const TABLES = { en, es };
const MARK = "data-said";

/** What was said on each node: attribute (or "text") -> [key, values]. */
const said = new WeakMap();
const listeners = new Set();

export function language() {
  return document.documentElement.lang;
}

/** The text of a key. A value may be a function of the language; numbers are written as the language does. */
export function t(key, values = {}) {
  const entry = TABLES[language()][key];
  if (entry === undefined) throw new Error(`no text for ${key}`);
  const written = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, write(value)]));
  if (typeof entry === "function") return entry(written, values);
  return entry.replace(/\{(\w+)\}/g, (_, name) => written[name] ?? "");
}

function write(value) {
  if (typeof value === "function") return value(language());
  return typeof value === "number" ? number(value) : String(value);
}

export function number(value, digits = 2) {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
}

export function percent(share) {
  return new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/** The name of a language, in the page's language: "es" -> "Spanish". */
export function languageName(code) {
  const name = new Intl.DisplayNames([language()], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(language()) + name.slice(1);
}

/** The name of the region of a BCP 47 tag, in the page's language: "en-GB" -> "United Kingdom"; "": it has none. */
export function regionName(tag) {
  const { region } = new Intl.Locale(tag);
  return region ? new Intl.DisplayNames([language()], { type: "region" }).of(region) : "";
}

/** Set a node's text (or one of its attributes), now and whenever the language changes. */
export function say(node, key, values, attribute = "text") {
  const known = said.get(node) ?? new Map();
  said.set(node, known);
  if (key) {
    known.set(attribute, [key, values]);
    node.setAttribute(MARK, "");
    put(node, attribute, t(key, values));
  } else {
    known.delete(attribute);
    put(node, attribute, "");
  }
  return node;
}

function put(node, attribute, text) {
  if (attribute !== "text") node.setAttribute(attribute, text);
  // a screen reader says again what is written again
  else if (node.textContent !== text) node.textContent = text;
}

/** Translate what stands in the HTML itself: `data-i18n="key"`, `data-i18n-aria-label="key"`. */
export function sayWhatStands(root = document) {
  for (const node of root.querySelectorAll("[data-i18n]")) say(node, node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-aria-label]")) {
    say(node, node.dataset.i18nAriaLabel, {}, "aria-label");
  }
}

export function setLanguage(code) {
  document.documentElement.lang = code;
  try {
    localStorage.setItem("voz.language", code);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  for (const node of document.querySelectorAll(`[${MARK}]`)) {
    for (const [attribute, [key, values]] of said.get(node) ?? []) put(node, attribute, t(key, values));
  }
  for (const listener of listeners) listener(code);
}

export function onLanguage(listener) {
  listeners.add(listener);
}
