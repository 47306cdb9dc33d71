// Listen: sound becomes text.

import { uploadForEvents } from "../api.js";
import { button, el, field, icon } from "../dom.js";
import { say } from "../i18n.js";
import { askForKey } from "../key-dialog.js";
import { clock } from "../player.js";
import { Failure, showFailure } from "../problems.js";
import { Recording, canRecord } from "../recorder.js";
import { registerSection } from "../sections.js";
import { lookAfterAnswer, server } from "../server.js";
import { key } from "../session.js";
import { spokenLanguage } from "../spoken-language.js";
import { TranscriptResult } from "../transcript-result.js";

const MIB = 2 ** 20;

registerSection({ id: "listen", title: "listen.title", build: () => new Listen().element });

class Listen {
  constructor() {
    this.file = el("input", {
      type: "file",
      accept: "audio/*,video/*,.mkv,.opus,.amr",
      class: "offscreen",
      tabIndex: -1,
      label: "listen.choose",
      on: {
        change: () => {
          if (this.file.files[0]) this.take(this.file.files[0]);
          this.file.value = ""; // the same file may be chosen again
        },
      },
    });
    this.language = spokenLanguage();
    this.task = el(
      "select",
      {},
      el("option", { value: "transcribe", text: "listen.task.transcribe" }),
      el("option", { value: "translate", text: "listen.task.translate" }),
    );
    this.drop = this.#makeDrop();
    this.recording = el("div", { class: "recording", hidden: true });
    this.problems = el("div", {});
    this.result = el("div", { class: "result" });
    this.element = el(
      "div",
      { class: "stack" },
      el(
        "div",
        { class: "card stack" },
        this.drop,
        this.recording,
        el("div", { class: "controls" }, field("listen.language", this.language), field("listen.task", this.task)),
        this.problems,
      ),
      this.result,
    );
  }

  #makeDrop() {
    const record = button("mic", "listen.record", () => this.record(), "");
    record.hidden = !canRecord();
    const drop = el(
      "div",
      { class: "drop" },
      el("div", { class: "drop-sign" }, icon("upload")),
      el("p", { class: "lead", text: "listen.drop" }),
      el("p", { class: "quiet", text: "listen.formats" }),
      el("div", { class: "actions" }, button("upload", "listen.choose", () => this.file.click(), "is-primary"), record),
      canRecord() ? null : el("p", { class: "quiet", text: "listen.no-recording" }),
      this.file,
    );
    const over = (is) => (event) => {
      event.preventDefault();
      drop.classList.toggle("is-over", is);
    };
    drop.addEventListener("dragover", over(true));
    drop.addEventListener("dragleave", over(false));
    drop.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    });
    return drop;
  }

  /** Transcribe a file. Nothing is lost of the one before until this one has begun. */
  async take(file) {
    this.problems.replaceChildren();
    if (!key()) return askForKey();
    const most = server.config?.max_upload_mb ?? Infinity;
    if (file.size > most * MIB) {
      // the server would say the same; by then the browser may have lost its answer
      const failure = new Failure("file-too-large");
      failure.values = { size: file.size / MIB, most };
      return void showFailure(this.problems, failure);
    }
    this.running?.abort();
    this.view?.close();
    const controller = (this.running = new AbortController());
    const fields = { task: this.task.value };
    if (this.language.value) fields.language = this.language.value;
    const view = (this.view = new TranscriptResult(file, fields, {
      cancel: () => controller.abort(),
      again: () => this.take(file),
    }));
    this.result.replaceChildren(view.element);
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...fields, stream: "true", word_timestamps: "true" })) form.append(name, value);
    form.append("file", file, file.name);
    view.showSound();
    try {
      const done = await uploadForEvents("stt", form, {
        sending: (share) => view.sending(share),
        heard: (name, data) => name === "segment" && view.add(data),
        signal: controller.signal,
      });
      view.finish(done);
    } catch (error) {
      view.failed(error);
    }
    if (this.running === controller) this.running = null;
    lookAfterAnswer();
  }

  async record() {
    if (!key()) return askForKey();
    this.problems.replaceChildren();
    this.view?.player?.pause(); // the microphone would hear it
    const level = el("div", { class: "level-bar" });
    const time = el("span", { class: "time" });
    let recording;
    try {
      recording = await Recording.start((loud, seconds) => {
        level.style.transform = `scaleX(${loud})`;
        time.textContent = clock(seconds);
      });
    } catch (error) {
      showFailure(this.problems, error);
      return;
    }
    const over = () => {
      this.recording.hidden = true;
      this.drop.hidden = false;
    };
    const stop = button("stop", "listen.stop", async () => {
      const file = await recording.stop();
      over();
      this.take(file);
    }, "is-primary");
    const cancel = button(null, "action.cancel", () => {
      recording.cancel();
      over();
    });
    this.recording.replaceChildren(
      el("p", { class: "lead", role: "status" }, el("span", { class: "dot-live" }), say(el("span", {}), "listen.recording"), " ", time),
      el("div", { class: "level", "aria-hidden": "true" }, level),
      el("div", { class: "actions" }, stop, cancel),
    );
    this.drop.hidden = true;
    this.recording.hidden = false;
    stop.focus();
  }
}
