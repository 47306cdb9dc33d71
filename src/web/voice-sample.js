// A voice to hear before it is chosen.

import { request } from "./api.js";
import { el, icon } from "./dom.js";
import { say } from "./i18n.js";
import { askForKey } from "./key-dialog.js";
import { key } from "./session.js";

export class VoiceSample {
  #running = null;
  #audio = null;

  /** @param voice gives the voice that is chosen; `failed(error)` is told of a failure. */
  constructor(voice, failed) {
    this.voice = voice;
    this.failed = failed;
    this.button = el("button", { type: "button", class: "button is-sign", on: { click: () => this.#pressed() } });
    this.#show("play");
  }

  #pressed() {
    const voice = this.voice();
    if (!key() || !voice) return askForKey();
    const plays = this.#running !== null;
    this.#stop();
    return plays ? undefined : this.#play(voice);
  }

  async #play(voice) {
    const controller = (this.#running = new AbortController());
    this.#show("stop");
    try {
      const answer = await request(voice.sample, { signal: controller.signal });
      const audio = new Audio(URL.createObjectURL(await answer.blob()));
      if (controller.signal.aborted) return;
      this.#audio = audio;
      audio.onended = () => this.#audio === audio && this.#stop();
      await audio.play();
    } catch (error) {
      if (this.#running !== controller) return;
      this.#stop();
      this.failed(error);
    }
  }

  #stop() {
    this.#running?.abort();
    if (this.#audio) {
      this.#audio.pause();
      URL.revokeObjectURL(this.#audio.src);
    }
    this.#running = this.#audio = null;
    this.#show("play");
  }

  #show(sign) {
    this.button.replaceChildren(icon(sign));
    this.button.classList.toggle("is-on", sign === "stop");
    const text = sign === "stop" ? "action.stop" : "speak.sample";
    say(this.button, text, {}, "aria-label");
    say(this.button, text, {}, "title");
  }
}
