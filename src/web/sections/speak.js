// Speak: a text becomes sound.

import { button, el, field } from "../dom.js";
import { language as pageLanguage, languageName, number, onLanguage, regionName, say, t } from "../i18n.js";
import { askForKey } from "../key-dialog.js";
import { Failure, showFailure } from "../problems.js";
import { registerSection } from "../sections.js";
import { lookAfterAnswer, meetServer, onServer, server } from "../server.js";
import { key } from "../session.js";
import { SpeechResult } from "../speech-result.js";
import { speak } from "../speech.js";
import { SpokenWords } from "../spoken-words.js";
import { VoiceSample } from "../voice-sample.js";

const FORMATS = ["wav", "mp3", "opus", "flac", "aac"];
const DRAFT = "voz.draft";

registerSection({ id: "speak", title: "speak.title", build: () => new Speak().element });

class Speak {
  constructor() {
    this.text = el("textarea", {
      id: "speak-text",
      rows: 5,
      "aria-describedby": "speak-count",
      on: {
        input: () => this.typed(),
        keydown: (event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.start();
        },
      },
    });
    this.count = el("span", { class: "count", id: "speak-count" });
    this.language = el("select", { on: { change: () => this.drawVoices() } });
    this.voice = el("select", {});
    this.sample = new VoiceSample(() => this.voiceInfo, (error) => showFailure(this.result, error)).button;
    this.speed = el("input", { type: "range", min: 0.5, max: 2, step: 0.05, value: 1, on: { input: () => this.drawSpeed() } });
    this.speedText = el("output", { class: "speed-text" });
    this.format = el("select", {}, ...FORMATS.map((name) => el("option", { value: name }, name.toUpperCase())));
    this.go = button("voice", "speak.go", () => this.start(), "is-primary");
    this.stop = button("stop", "action.stop", () => this.abort(), "");
    this.stop.hidden = true;
    this.result = el("div", { class: "result" });
    this.status = el("p", { class: "offscreen", role: "status" });
    this.element = el(
      "div",
      { class: "stack" },
      el(
        "div",
        { class: "card stack" },
        el("div", { class: "writing" }, el("label", { text: "speak.text", htmlFor: "speak-text", class: "lead" }), this.text, this.count),
        el(
          "div",
          { class: "controls is-speech" },
          field("speak.language", this.language),
          field("speak.voice", this.voice, this.sample),
          field("speak.speed", this.speed, this.speedText),
          field("speak.format", this.format),
        ),
        el("div", { class: "actions" }, this.go, this.stop, el("span", { class: "quiet hint-key", text: "speak.shortcut" })),
      ),
      this.status,
      this.result,
    );
    this.text.value = sessionStorage.getItem(DRAFT) ?? t("speak.example");
    this.written = sessionStorage.getItem(DRAFT) !== null;
    onLanguage(() => this.languageChanged());
    onServer(() => this.serverKnown());
    this.drawSpeed();
    this.typed(false);
  }

  serverKnown() {
    if (this.drawn === server.voices) return;
    this.drawn = server.voices;
    this.drawLanguages();
    this.typed(false);
  }

  drawLanguages() {
    const chosen = this.language.value || pageLanguage();
    const options = server.voices.languages.map((code) => {
      const option = el("option", { value: code });
      return say(option, "language.name", { name: () => languageName(code) });
    });
    this.language.replaceChildren(...options);
    this.language.value = server.voices.languages.includes(chosen) ? chosen : server.voices.languages[0];
    this.drawVoices();
  }

  drawVoices() {
    const voices = server.voices?.voices.filter((voice) => voice.language === this.language.value) ?? [];
    this.voice.replaceChildren(
      ...voices.map((voice) =>
        say(el("option", { value: voice.id, selected: voice.default }), "speak.voice.option", {
          name: voiceName(voice.id),
          gender: () => (voice.gender ? t(`gender.${voice.gender}`) : ""),
          locale: () => regionName(voice.locale),
          engine: voice.engine,
        }),
      ),
    );
  }

  drawSpeed() {
    say(this.speedText, "speak.speed.value", { speed: () => number(Number(this.speed.value)) });
    const shown = () => t("speak.speed.value", { speed: number(Number(this.speed.value)) });
    this.speed.setAttribute("aria-valuetext", shown());
  }

  typed(byHand = true) {
    if (byHand) {
      this.written = true;
      sessionStorage.setItem(DRAFT, this.text.value);
    }
    const most = server.config?.max_text_chars;
    const length = [...this.text.value].length;
    this.count.classList.toggle("is-over", Boolean(most) && length > most);
    say(this.count, most ? "speak.count" : "speak.count.bare", { n: length, most: most ?? 0 });
  }

  /** The example follows the page's language, and the voice follows the example, until somebody has typed. */
  languageChanged() {
    this.drawSpeed();
    if (this.written) return;
    this.text.value = t("speak.example");
    this.typed(false);
    if (!server.voices?.languages.includes(pageLanguage())) return;
    this.language.value = pageLanguage();
    this.drawVoices();
  }

  get voiceInfo() {
    return server.voices.voices.find((voice) => voice.id === this.voice.value);
  }

  request() {
    const speed = Number(this.speed.value);
    return {
      text: this.text.value,
      language: this.language.value,
      voice: this.voice.value,
      format: this.format.value,
      ...(speed === 1 ? {} : { speed }),
    };
  }

  async start() {
    if (!key()) return askForKey();
    // pressed before the server has told what it has
    if (!server.voices) await meetServer();
    if (!server.voices) return void showFailure(this.result, new Failure("offline"), () => this.start());
    this.abort();
    this.player?.close();
    this.player = null;
    const controller = (this.running = new AbortController());
    const body = this.request();
    const voice = this.voiceInfo;
    const words = new SpokenWords(body.text, body.language);
    const view = new SpeechResult(words);
    this.result.replaceChildren(view.element);
    this.busy(true);
    try {
      const spoken = await speak(
        body,
        {
          words: (found) => words.add(found),
          sound: (media, peaks) => {
            if (!this.player) {
              this.player = view.show(media);
              this.player.play();
              say(this.status, "speak.playing");
            }
            this.player.draw(peaks, media.duration);
          },
        },
        controller.signal,
      );
      this.player.draw(spoken.peaks, spoken.player.duration);
      view.finish(body, spoken, voice);
      say(this.status, "speak.done");
    } catch (error) {
      view.failed(error, () => this.start());
    } finally {
      if (this.running === controller) this.running = null;
      if (!this.running) this.busy(false);
      lookAfterAnswer();
    }
  }

  abort() {
    const running = this.running;
    this.running = null;
    running?.abort();
    this.player?.pause();
    this.busy(false);
  }

  busy(is) {
    this.stop.hidden = !is;
    this.go.classList.toggle("is-busy", is);
  }
}

/** "af_heart" -> "Heart": a voice's own name, without the letters for language and gender. */
function voiceName(id) {
  const name = id.replace(/^[a-z]{2}_/, "");
  return name.charAt(0).toUpperCase() + name.slice(1);
}
