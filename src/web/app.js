// The page: the bar at the top, the sections, the server's state.

import "./sections/speak.js";
import "./sections/listen.js";
import "./sections/live.js";
import "./sections/jobs.js";

import { icon } from "./dom.js";
import { language, onLanguage, say, sayWhatStands, setLanguage, t } from "./i18n.js";
import { askForKey } from "./key-dialog.js";
import { onServer, server, watchServer } from "./server.js";
import { findKey, forgetKey, key, onKey } from "./session.js";
import { showSections } from "./tabs.js";
import { onTheme, switchTheme, theme } from "./theme.js";

const byId = (id) => document.getElementById(id);

function drawBar() {
  document.title = t("page.title");
  const other = language() === "en" ? "es" : "en";
  byId("language").textContent = other.toUpperCase();
  byId("language").lang = other;
  byId("language").setAttribute("aria-label", { en: "English", es: "Español" }[other]);
  say(byId("theme"), theme() === "dark" ? "page.light" : "page.dark", {}, "aria-label");
  say(byId("key").querySelector("span"), key() ? "key.forget" : "key.enter");
}

sayWhatStands();
byId("key").prepend(icon("key"));
byId("theme").append(icon("theme"));
byId("language").addEventListener("click", () => setLanguage(language() === "en" ? "es" : "en"));
byId("theme").addEventListener("click", switchTheme);
byId("key").addEventListener("click", () => {
  if (key()) forgetKey();
  askForKey();
});
onLanguage(drawBar);
onTheme(drawBar);
onKey((why) => {
  drawBar();
  if (!key() && why === "refused") askForKey("key.refused");
});
drawBar();

showSections(null);
onServer(() => showSections(server.config));
watchServer();
if (!(await findKey())) askForKey();
