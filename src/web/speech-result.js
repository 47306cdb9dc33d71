// What was spoken: the player, the words, the file, the link, the request as a line for the shell.

import { request } from "./api.js";
import { curlForSpeech } from "./curl.js";
import { button, copyText, el, saveAs } from "./dom.js";
import { factList, seconds, speedFacts } from "./facts.js";
import { say } from "./i18n.js";
import { Player, clock } from "./player.js";
import { showFailure } from "./problems.js";

const EXTENSIONS = { opus: "ogg" };

export class SpeechResult {
  constructor(words) {
    this.words = words;
    this.place = el("div", {}, el("p", { class: "waiting", text: "speak.waiting" }));
    this.rest = el("div", { class: "stack" });
    this.element = el("div", { class: "card stack" }, this.place, words.element, this.rest);
  }

  /** The first sound is there. */
  show(media) {
    const player = new Player(media);
    player.onTime((time) => this.words.show(time));
    this.place.replaceChildren(player.element);
    return player;
  }

  failed(error, retry) {
    if (error.name === "AbortError") {
      if (this.place.querySelector(".waiting")) this.element.remove();
      return;
    }
    this.place.querySelector(".waiting")?.remove();
    showFailure(this.rest, error, retry);
  }

  finish(body, spoken, voice) {
    const name = `voz-${body.voice}.${EXTENSIONS[body.format] ?? body.format}`;
    const download = button("download", "speak.download", () => this.download(body, spoken, name), "is-small");
    say(download.querySelector("span"), "speak.download", { format: body.format.toUpperCase() });
    const link = button("link", "speak.link", () => this.link(body, link), "is-small");
    const curl = curlForSpeech(body);
    const copy = button("copy", "speak.curl", () => copyText(curl, copy, "speak.curl"), "is-small");
    this.linkPlace = el("div", { class: "link-place" });
    this.problems = el("div", {});
    this.rest.replaceChildren(
      el("div", { class: "actions" }, download, link, copy),
      this.linkPlace,
      this.problems,
      el("details", { class: "curl" }, el("summary", { text: "speak.curl.show" }), el("pre", { tabIndex: 0, label: "speak.curl.show" }, el("code", {}, curl))),
      factList([
        ["fact.engine", voice.engine ?? null],
        ["fact.model", voice.model ?? null],
        ["fact.voice", body.voice],
        ["fact.first", seconds(spoken.first)],
        ...speedFacts(spoken.seconds, spoken.took),
      ]),
    );
  }

  async download(body, spoken, name) {
    if (body.format === "wav") return saveAs(spoken.file, name);
    // the stream that was played is WAV: the other formats are made when somebody wants one
    try {
      const answer = await request("tts/stream", { method: "POST", json: body });
      saveAs(await answer.blob(), name);
    } catch (error) {
      showFailure(this.problems, error);
    }
  }

  /** A link that works without a key until it expires: for that, the server stores the audio. */
  async link(body, pressed) {
    pressed.classList.add("is-busy");
    try {
      const answer = await request("tts", { method: "POST", json: body });
      const speech = await answer.json();
      const ends = Date.now() + speech.expires_in * 1000;
      const left = el("span", { class: "quiet expires" });
      const copy = button("copy", "action.copy", () => copyText(speech.url, copy), "is-small");
      this.linkPlace.replaceChildren(
        el("a", { href: speech.url, target: "_blank", rel: "noopener noreferrer", class: "link url" }, speech.url),
        el("div", { class: "actions" }, copy, left),
      );
      const tick = () => {
        const rest = (ends - Date.now()) / 1000;
        say(left, rest > 0 ? "speak.expires" : "speak.expired", { left: clock(rest) });
        if (rest <= 0 || !left.isConnected) clearInterval(timer);
      };
      const timer = setInterval(tick, 1000);
      tick();
    } catch (error) {
      showFailure(this.problems, error);
    }
    pressed.classList.remove("is-busy");
  }
}
