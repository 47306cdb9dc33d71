// A player: a button, the waveform with its cursor, the time. It plays a PcmPlayer or an audio element.

import { el, icon } from "./dom.js";
import { number, say, t } from "./i18n.js";
import { onTheme, themeColour } from "./theme.js";
import WaveSurfer from "./vendor/wavesurfer/wavesurfer.esm.js";

/** Pixels. The server's Content-Security-Policy has the hash of wavesurfer.js's style for this height. */
const HEIGHT = 64;
const STEP_SECONDS = 5;

const open = new Set();
onTheme(() => open.forEach((player) => player.paint()));

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export class Player {
  #media;
  #wave;
  #known = 0;

  /** @param media a PcmPlayer or an audio element. */
  constructor(media) {
    this.#media = media;
    this.button = el("button", { type: "button", class: "play", on: { click: () => this.toggle() } });
    this.slider = el("div", {
      class: "wave",
      role: "slider",
      tabIndex: 0,
      label: "player.position",
      "aria-valuemin": "0",
      on: { keydown: (event) => this.#key(event) },
    });
    this.time = el("span", { class: "time" });
    this.element = el("div", { class: "player" }, this.button, this.slider, this.time);
    for (const event of ["play", "pause", "ended"]) media.addEventListener(event, () => this.#state());
    for (const event of ["timeupdate", "seeked", "durationchange"]) media.addEventListener(event, () => this.#clock());
    this.#state();
    this.#clock();
    open.add(this);
  }

  get duration() {
    return this.#known || (Number.isFinite(this.#media.duration) ? this.#media.duration : 0);
  }

  /** Call `listener(seconds)` as the sound goes on, many times a second. */
  onTime(listener) {
    this.#timed = listener;
    this.#media.addEventListener("timeupdate", () => listener(this.#media.currentTime));
  }
  #timed = () => {};

  /** Draw the waveform: its peaks (0 to 1, evenly spaced) over `seconds`. The element must be on the page. */
  draw(peaks, seconds) {
    this.#known = seconds;
    if (this.#wave) {
      this.#wave.load(this.#media.src, [peaks], seconds).catch(() => {}); // a later drawing takes its place
    } else {
      this.#wave = WaveSurfer.create({
        container: this.slider,
        media: this.#media,
        peaks: [peaks],
        duration: seconds,
        height: HEIGHT,
        barWidth: 3,
        barGap: 2,
        barRadius: 3,
        barMinHeight: 2,
        cursorWidth: 2,
        dragToSeek: true,
        normalize: true,
        hideScrollbar: true,
        ...colours(),
      });
      this.#wave.on("timeupdate", (time) => this.#timed(time));
    }
    this.#clock();
  }

  paint() {
    this.#wave?.setOptions(colours());
  }

  play() {
    return this.#media.play();
  }

  pause() {
    this.#media.pause();
  }

  toggle() {
    if (this.#media.paused) this.#media.play();
    else this.#media.pause();
  }

  seek(seconds) {
    this.#media.currentTime = Math.max(0, Math.min(seconds, this.duration || seconds));
    this.#clock();
  }

  close() {
    open.delete(this);
    this.#media.pause();
    this.#wave?.destroy();
    if (this.#media.close) this.#media.close();
    else URL.revokeObjectURL(this.#media.src);
  }

  #state() {
    const plays = !this.#media.paused && !this.#media.ended;
    this.button.replaceChildren(icon(plays ? "pause" : "play"));
    say(this.button, plays ? "player.pause" : "player.play", {}, "aria-label");
  }

  #clock() {
    const now = this.#media.currentTime;
    const all = this.duration;
    this.time.textContent = `${clock(now)} / ${clock(all)}`;
    this.slider.setAttribute("aria-valuemax", all.toFixed(1));
    this.slider.setAttribute("aria-valuenow", now.toFixed(1));
    this.slider.setAttribute("aria-valuetext", t("player.at", { now: number(now, 1), all: number(all, 1) }));
  }

  #key(event) {
    const to = {
      ArrowLeft: this.#media.currentTime - STEP_SECONDS,
      ArrowRight: this.#media.currentTime + STEP_SECONDS,
      Home: 0,
      End: this.duration,
    }[event.key];
    if (to !== undefined) this.seek(to);
    else if (event.key === " " || event.key === "Enter") this.toggle();
    else return;
    event.preventDefault();
  }
}

function colours() {
  return {
    waveColor: themeColour("--wave"),
    progressColor: themeColour("--accent"),
    cursorColor: themeColour("--text"),
  };
}
