// A file that is being transcribed: its sound, the words as they come, and what can be done with them.

import { button, copyText, el, saveAs } from "./dom.js";
import { factList, speedFacts } from "./facts.js";
import { languageName, percent, say } from "./i18n.js";
import { peaksOf } from "./peaks.js";
import { Player } from "./player.js";
import { Failure, showFailure } from "./problems.js";
import { server } from "./server.js";
import { toJson, toSrt, toText, toVtt } from "./subtitles.js";
import { Transcript } from "./transcript.js";

const FILES = {
  txt: [(segments) => toText(segments), "text/plain"],
  srt: [(segments) => toSrt(segments), "application/x-subrip"],
  vtt: [(segments) => toVtt(segments), "text/vtt"],
  json: [(segments, answer) => toJson(segments, answer), "application/json"],
};

const MEASURE_MS = 2000;

export class TranscriptResult {
  #sent = 0;
  #heard = 0;
  #answer = null;

  /** @param on `cancel()` and `again()`. */
  constructor(file, fields, on) {
    this.source = file;
    this.fields = fields;
    this.on = on;
    this.step = el("span", {});
    this.bar = el("progress", { max: 1, label: "listen.progress" });
    this.cancel = button(null, "action.cancel", on.cancel, "is-small");
    this.progress = el("div", { class: "progress" }, el("div", { class: "progress-text", role: "status" }, this.step, this.cancel), this.bar);
    this.sound = el("div", {});
    this.transcript = new Transcript({
      seek: (seconds) => this.#hear(seconds),
      changed: () => say(this.note, "transcript.corrected"),
    });
    this.note = el("p", { class: "quiet", role: "status" });
    this.rest = el("div", { class: "stack" });
    this.problems = el("div", {});
    this.element = el(
      "div",
      { class: "card stack" },
      el("h2", { class: "file-name" }, file.name),
      this.progress,
      this.sound,
      this.transcript.element,
      this.problems,
      this.rest,
    );
    this.sending(0);
  }

  /** The waveform and the player, if this browser can play the file. */
  async showSound() {
    const audio = new Audio();
    audio.preload = "metadata";
    audio.src = URL.createObjectURL(this.source);
    const playable = new Promise((resolve) => {
      audio.onloadedmetadata = () => resolve(true);
      audio.onerror = () => resolve(false);
    });
    const peaks = await peaksOf(this.source);
    if (!(await playable)) {
      URL.revokeObjectURL(audio.src);
      this.sound.replaceChildren(el("p", { class: "quiet", text: "listen.not-playable" }));
      return;
    }
    if (audio.duration === Infinity) await measure(audio);
    if (this.closed) return void URL.revokeObjectURL(audio.src);
    this.player = new Player(audio);
    this.player.onTime((time) => this.transcript.show(time));
    this.sound.replaceChildren(this.player.element);
    // a large file is not decoded, and has a flat line
    const seconds = peaks?.seconds ?? audio.duration;
    this.player.draw(peaks?.values ?? [0, 0], seconds);
    this.#length = seconds;
  }
  #length = 0;

  sending(share) {
    this.bar.value = share;
    if (share < 1) {
      say(this.step, "listen.sending", { share: () => percent(share) });
    } else if (!this.#sent) {
      this.#sent = performance.now();
      this.bar.removeAttribute("value");
      say(this.step, "listen.working");
    }
  }

  add(segment) {
    this.transcript.add(segment);
    this.#heard = segment.end;
    if (!this.#length) return;
    const share = Math.min(1, this.#heard / this.#length);
    this.bar.value = share;
    say(this.step, "listen.working.share", { share: () => percent(share) });
  }

  finish(answer) {
    this.#answer = answer;
    const took = (performance.now() - this.#sent) / 1000;
    this.progress.remove();
    this.transcript.language = this.fields.task === "translate" ? "en" : answer.language;
    const given = Boolean(this.fields.language);
    const language = el("p", {
      class: "chip",
      text: given ? "listen.language.given" : "listen.language.found",
      values: { name: () => languageName(answer.language), probability: () => percent(answer.language_probability) },
    });
    if (!answer.text.trim()) showFailure(this.problems, new Failure("no-speech"));
    const copy = button("copy", "action.copy", () => copyText(this.transcript.text, copy), "is-small");
    this.rest.replaceChildren(
      el(
        "div",
        { class: "actions" },
        language,
        button("edit", "transcript.correct", () => this.transcript.editSelected(), "is-small"),
        copy,
        button("retry", "listen.again", this.on.again, "is-small"),
      ),
      el(
        "div",
        { class: "actions", role: "group", label: "listen.downloads" },
        el("span", { class: "quiet", text: "listen.downloads", "aria-hidden": "true" }),
        ...Object.keys(FILES).map((extension) => this.#download(extension)),
      ),
      el("p", { class: "quiet", text: "transcript.help" }),
      this.note,
      ...(answer.warnings ?? []).map((warning) => el("p", { class: "notice", lang: "en" }, warning)),
      factList([
        ["fact.engine", server.models?.stt.engine ?? null],
        ["fact.model", answer.model],
        ...speedFacts(answer.duration, took),
      ]),
    );
  }

  #download(extension) {
    const save = () => {
      const [write, type] = FILES[extension];
      const { segments } = this.transcript;
      const name = `${this.source.name.replace(/\.[^.]+$/, "")}.${extension}`;
      saveAs(new Blob([write(segments, this.#answer)], { type }), name);
    };
    const pressed = button("download", "listen.download", save, "is-small");
    say(pressed.querySelector("span"), "listen.download", { extension });
    return pressed;
  }

  failed(error) {
    this.progress.remove();
    if (error.name === "AbortError") {
      if (!this.transcript.wordCount) this.close();
      if (!this.transcript.wordCount) this.element.remove();
      return;
    }
    showFailure(this.problems, error, this.on.again);
  }

  close() {
    this.closed = true;
    this.player?.close();
    this.player = null;
  }

  #hear(seconds) {
    this.player?.seek(seconds);
    this.player?.play();
  }
}

/** A recording of the browser's own does not say how long it is, and cannot be sought, until its end was seen. */
async function measure(audio) {
  const measured = new Promise((resolve) => {
    audio.ondurationchange = () => audio.duration !== Infinity && resolve();
    setTimeout(resolve, MEASURE_MS);
  });
  audio.currentTime = Number.MAX_SAFE_INTEGER;
  await measured;
  audio.currentTime = 0;
}
