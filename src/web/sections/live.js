// Live: words appear while they are spoken.

import { button, copyText, el, field } from "../dom.js";
import { factList, seconds } from "../facts.js";
import { number, say } from "../i18n.js";
import { askForKey } from "../key-dialog.js";
import { LiveSession } from "../live-session.js";
import { showFailure } from "../problems.js";
import { canRecord } from "../recorder.js";
import { registerSection } from "../sections.js";
import { server } from "../server.js";
import { key } from "../session.js";
import { spokenLanguage } from "../spoken-language.js";

registerSection({
  id: "live",
  title: "live.title",
  needs: (config) => config?.features.includes("live") ?? false,
  build: () => new Live().element,
});

class Live {
  constructor() {
    this.language = spokenLanguage();
    this.start = button("mic", "live.start", () => this.begin(), "is-primary");
    this.stop = button("stop", "live.stop", () => this.session?.stop(), "is-primary");
    this.stop.hidden = true;
    this.start.disabled = !canRecord();
    this.level = el("div", { class: "level-bar" });
    this.state = el("p", { class: "quiet", role: "status" });
    this.problems = el("div", {});
    this.items = new Map();
    this.text = el("div", { class: "live-text", role: "log", label: "live.text", tabIndex: 0 });
    this.copy = button("copy", "action.copy", () => copyText(this.written(), this.copy), "is-small");
    this.copy.hidden = true;
    this.facts = el("div", {});
    this.result = el("div", { class: "card stack", hidden: true }, this.text, el("div", { class: "actions" }, this.copy), this.facts);
    this.element = el(
      "div",
      { class: "stack" },
      el(
        "div",
        { class: "card stack" },
        el("p", { class: "lead", text: "live.lead" }),
        el("div", { class: "controls" }, field("listen.language", this.language)),
        el("div", { class: "actions" }, this.start, this.stop),
        canRecord() ? null : el("p", { class: "quiet", text: "listen.no-recording" }),
        el("div", { class: "level", "aria-hidden": "true" }, this.level),
        this.state,
        this.problems,
      ),
      this.result,
    );
    say(this.state, "live.idle");
  }

  async begin() {
    if (!key()) return askForKey();
    this.problems.replaceChildren();
    this.text.replaceChildren();
    this.facts.replaceChildren();
    this.items.clear();
    this.start.disabled = true;
    say(this.state, "live.opening");
    try {
      this.session = await LiveSession.start(key(), { language: this.language.value }, {
        message: (message) => this.take(message),
        level: (level) => (this.level.style.transform = `scaleX(${level})`),
        waiting: (is) => say(this.state, is ? "live.reconnecting" : "live.listening"),
        end: (failure) => this.end(failure),
      });
    } catch (error) {
      this.end(error);
      return;
    }
    this.start.hidden = true;
    this.result.hidden = false;
    this.stop.hidden = false;
    this.language.disabled = true;
    this.stop.focus();
  }

  end(failure) {
    this.session = null;
    this.level.style.transform = "scaleX(0)";
    this.start.hidden = false;
    this.start.disabled = !canRecord();
    this.stop.hidden = true;
    this.language.disabled = false;
    say(this.state, "live.idle");
    if (failure) showFailure(this.problems, failure, () => this.begin());
  }

  take(message) {
    switch (message.type) {
      case "ready":
        return say(this.state, "live.listening");
      case "partial": {
        const item = this.item(message.item_id);
        item.stable.textContent = message.text;
        item.tentative.textContent = message.tentative;
        return say(this.state, "live.behind", { seconds: () => number(message.lag, 1) });
      }
      case "final": {
        const item = this.item(message.item_id);
        item.line.classList.add("is-final");
        item.stable.textContent = message.text;
        item.line.lang = message.language;
        item.tentative.textContent = "";
        if (!message.text) item.line.remove();
        this.copy.hidden = !this.written();
        return;
      }
      case "usage": {
        const { engine, model } = server.models.stt;
        const facts = [["fact.engine", engine], ["fact.model", model], ["fact.length", seconds(message.seconds)]];
        return this.facts.replaceChildren(factList(facts));
      }
      case "error":
        if (message.item_id) this.item(message.item_id).line.remove();
    }
  }

  /** The line of an utterance, made when its first words come. */
  item(id) {
    let found = this.items.get(id);
    if (!found) {
      const stable = el("span", {});
      const tentative = el("span", { class: "is-tentative" });
      found = { line: el("p", {}, stable, tentative), stable, tentative };
      this.items.set(id, found);
      this.text.append(found.line);
      found.line.scrollIntoView({ block: "nearest" });
    }
    return found;
  }

  written() {
    return [...this.text.children].map((line) => line.textContent.trim()).filter(Boolean).join("\n");
  }
}
