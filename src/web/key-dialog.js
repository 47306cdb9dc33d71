// Asks for the API key, and checks it before it is kept.

import { getJson } from "./api.js";
import { el, icon } from "./dom.js";
import { say } from "./i18n.js";
import { Failure, sentence } from "./problems.js";
import { key, onKey, takeKey } from "./session.js";

let dialog = null;

/** Open the dialog. `why` is the key of a text, for those who had a key and must enter another. */
export function askForKey(why = null) {
  dialog ??= new KeyDialog();
  dialog.open(why);
}

class KeyDialog {
  constructor() {
    this.input = el("input", {
      type: "password",
      id: "key-input",
      autocomplete: "off",
      spellcheck: false,
      required: true,
      "aria-describedby": "key-help key-problem",
    });
    this.problem = el("p", { class: "problem-sentence", id: "key-problem", role: "alert" });
    this.submit = el("button", { type: "submit", class: "button is-primary", text: "key.use" });
    const form = el(
      "form",
      { on: { submit: (event) => this.check(event) } },
      el("div", { class: "dialog-sign" }, icon("voice")),
      el("h2", { text: "key.title", id: "key-title" }),
      el("p", { text: "key.help", id: "key-help", class: "quiet" }),
      el("label", { text: "key.label", htmlFor: "key-input" }),
      this.input,
      this.problem,
      el("div", { class: "actions" }, this.submit, el("a", { href: "docs", text: "key.docs", class: "link" })),
    );
    this.element = el("dialog", { class: "dialog", "aria-labelledby": "key-title" }, form);
    document.body.append(this.element);
    onKey(() => key() && this.element.close());
  }

  open(why) {
    say(this.problem, why);
    if (!this.element.open) this.element.showModal();
  }

  async check(event) {
    event.preventDefault();
    const typed = this.input.value.trim();
    if (!typed) return;
    this.submit.disabled = true;
    say(this.problem, null);
    try {
      await getJson("models", { withKey: typed });
      this.input.value = "";
      takeKey(typed);
    } catch (error) {
      const failure = Failure.from(error);
      const [text, values] = failure.status === 401 ? ["key.wrong", {}] : sentence(failure);
      say(this.problem, text, values);
      this.input.select();
    }
    this.submit.disabled = false;
  }
}
