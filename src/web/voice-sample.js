// A voice to hear before it is chosen.

import { button } from "./dom.js";
import { say } from "./i18n.js";
import { askForKey } from "./key-dialog.js";
import { key } from "./session.js";
import { speak } from "./speech.js";

/** What every voice says to show itself, in its language. */
const SAMPLES = {
  en: "Hello, this is my voice. I can read anything you write.",
  es: "Hola, esta es mi voz. Puedo leer todo lo que escribas.",
};

export class VoiceSample {
  #running = null;
  #player = null;

  /** @param voice gives the voice that is chosen; `failed(error)` is told of a failure. */
  constructor(voice, failed) {
    this.voice = voice;
    this.failed = failed;
    this.button = button("play", "speak.sample", () => this.#pressed(), "is-small");
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
    this.#show(true);
    const body = { text: SAMPLES[voice.language] ?? SAMPLES.en, language: voice.language, voice: voice.id };
    const sound = (player) => {
      if (this.#player) return;
      this.#player = player;
      player.addEventListener("ended", () => this.#player === player && this.#stop());
      player.play();
    };
    try {
      await speak(body, { words: () => {}, sound }, controller.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
      if (this.#running === controller) this.#stop();
    }
  }

  #stop() {
    this.#running?.abort();
    this.#player?.close();
    this.#running = this.#player = null;
    this.#show(false);
  }

  #show(plays) {
    say(this.button.querySelector("span"), plays ? "action.stop" : "speak.sample");
    this.button.classList.toggle("is-on", plays);
  }
}
