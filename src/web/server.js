// What the server is, can and does: asked for once there is a key, then now and again while somebody looks.

import { getJson } from "./api.js";
import { el } from "./dom.js";
import { number, onLanguage, say } from "./i18n.js";
import { key, onKey } from "./session.js";

const EVERY_MS = 15_000;
/** The server gives a place free just after its answer. */
const AFTER_ANSWER_MS = 400;

/** What the page knows of the server; null until there is a key. */
export const server = { config: null, models: null, voices: null };

const listeners = new Set();

/** Call `listener(server)` when the server is known, and whenever its state has changed. */
export function onServer(listener) {
  listeners.add(listener);
  if (server.models) listener(server);
}

/** Ask for all of it. */
export async function meetServer() {
  if (!key()) return;
  let found;
  try {
    found = await Promise.all(["web/config", "models", "voices"].map((path) => getJson(path)));
  } catch {
    return tell(key() ? "away" : "no-key");
  }
  [server.config, server.models, server.voices] = found;
  tell("ready");
}

/** Ask how busy it is. */
export async function lookAgain() {
  if (!server.models) return meetServer();
  if (!key()) return tell("no-key");
  try {
    server.models = await getJson("models");
  } catch (error) {
    if (error.status !== 429) return tell("away");
  }
  tell("ready");
}

/** An answer has come: what it took is free again. */
export function lookAfterAnswer() {
  setTimeout(lookAgain, AFTER_ANSWER_MS);
}

function tell(state) {
  const pill = document.getElementById("state");
  pill.dataset.state = state;
  const { stt, tts } = server.models ?? {};
  const busy = stt ? stt.requests + tts.requests : 0;
  say(pill.querySelector("span"), state === "ready" && busy ? "server.busy" : `server.${state}`, { n: busy });
  if (!server.models) return;
  drawPanel();
  listeners.forEach((listener) => listener(server));
}

function drawPanel() {
  const { stt, tts, instructions, notices } = server.models;
  const panel = document.getElementById("server-panel");
  panel.replaceChildren(
    engineCard("server.stt", stt),
    engineCard("server.tts", tts),
    el(
      "div",
      { class: "server-notes" },
      el("p", { class: "quiet", text: "server.instructions", values: { instructions } }),
      ...notices.map((notice) => el("p", { class: "notice", lang: "en" }, notice)),
    ),
  );
  document.getElementById("server").hidden = false;
}

function engineCard(title, engine) {
  const row = (name, ...value) => [el("dt", { text: name }), el("dd", {}, ...value)];
  const meter = el("meter", {
    min: 0,
    max: engine.max_requests,
    value: engine.requests,
    label: "server.queue",
  });
  const queue = `${number(engine.requests)} / ${number(engine.max_requests)}`;
  return el(
    "div",
    { class: "server-card" },
    el("h3", { text: title }),
    el(
      "dl",
      {},
      ...row("fact.engine", engine.engine),
      ...row("fact.model", engine.model),
      ...row("fact.device", `${engine.device} · ${engine.compute_type}`),
      ...row("server.queue", meter, el("span", { class: "meter-text" }, queue)),
    ),
  );
}

onKey(() => (key() ? meetServer() : tell("no-key")));
onLanguage(() => server.models && drawPanel());

/** Look at the server's state from now on, while the page is in front. */
export function watchServer() {
  setInterval(() => document.visibilityState === "visible" && lookAgain(), EVERY_MS);
  addEventListener("online", lookAgain);
  addEventListener("offline", () => tell("away"));
}
