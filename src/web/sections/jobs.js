// Jobs: long files that are worked on while nobody waits.

import { getJson, request, requestForEvents, upload } from "../api.js";
import { button, el, field } from "../dom.js";
import { percent, say } from "../i18n.js";
import { JobRow } from "../job-row.js";
import { askForKey } from "../key-dialog.js";
import { showFailure } from "../problems.js";
import { registerSection } from "../sections.js";
import { onServer } from "../server.js";
import { key, onKey } from "../session.js";

const FORMATS = ["srt", "vtt", "text", "verbose_json"];
const SHOWN = 20;
/** Browsers have six connections to a server: the others are for the rest of the page. */
const FOLLOWED = 2;
const EVERY_MS = 10_000;

registerSection({
  id: "jobs",
  title: "jobs.title",
  needs: (config) => config?.features.includes("jobs") ?? false,
  build: () => new Jobs().element,
});

class Jobs {
  #rows = new Map();
  #followed = new Map();

  constructor() {
    this.file = el("input", {
      type: "file",
      multiple: true,
      accept: "audio/*,video/*,.mkv,.opus,.amr",
      class: "offscreen",
      tabIndex: -1,
      label: "jobs.choose",
      on: {
        change: () => {
          const files = [...this.file.files];
          this.file.value = "";
          this.submit(files);
        },
      },
    });
    this.format = el("select", {}, ...FORMATS.map((name) => el("option", { value: name, text: `jobs.format.${name}` })));
    this.step = el("p", { class: "quiet", role: "status" });
    this.problems = el("div", {});
    this.list = el("ul", { class: "jobs", label: "jobs.list" });
    this.none = el("p", { class: "quiet", text: "jobs.none" });
    this.element = el(
      "div",
      { class: "stack" },
      el(
        "div",
        { class: "card stack" },
        el("p", { class: "lead", text: "jobs.lead" }),
        el("div", { class: "controls" }, field("jobs.format", this.format)),
        el("div", { class: "actions" }, button("upload", "jobs.choose", () => this.file.click(), "is-primary"), this.file),
        this.step,
        this.problems,
      ),
      this.none,
      this.list,
    );
    onServer(() => !this.known && this.refresh());
    onKey(() => this.#clear());
    setInterval(() => this.element.offsetParent && document.visibilityState === "visible" && this.refresh(), EVERY_MS);
  }

  /** Submit files, one after the other. */
  async submit(files) {
    if (!key()) return askForKey();
    this.problems.replaceChildren();
    for (const file of files) {
      const form = new FormData();
      form.append("response_format", this.format.value);
      form.append("metadata", JSON.stringify({ name: file.name.slice(0, 200) }));
      form.append("file", file, file.name);
      try {
        const sending = (share) => say(this.step, "jobs.sending", { name: file.name, share: () => percent(share) });
        this.#show(JSON.parse(await upload("jobs", form, { sending })));
      } catch (error) {
        showFailure(this.problems, error, () => this.submit(files.slice(files.indexOf(file))));
        break;
      }
    }
    say(this.step, null);
    this.#follow();
  }

  async refresh() {
    if (!key()) return;
    try {
      const { jobs } = await getJson(`jobs?limit=${SHOWN}`);
      this.known = true;
      const there = new Set(jobs.map((job) => job.id));
      for (const [id, row] of this.#rows) if (!there.has(id)) this.#drop(id, row);
      for (const job of jobs.reverse()) if (!this.#followed.has(job.id)) this.#show(job);
      this.#follow();
    } catch (error) {
      if (!this.known) showFailure(this.problems, error, () => this.refresh());
    }
  }

  /** Newest first: a job that is not there yet goes to the top. */
  #show(job) {
    let row = this.#rows.get(job.id);
    if (!row) {
      row = new JobRow({ remove: (id) => this.#remove(id), failed: (error) => showFailure(this.problems, error) });
      this.#rows.set(job.id, row);
      this.list.prepend(row.element);
    }
    row.show(job);
    this.none.hidden = true;
  }

  #drop(id, row) {
    row.element.remove();
    this.#rows.delete(id);
    this.#followed.get(id)?.abort();
    this.#followed.delete(id);
    this.none.hidden = this.#rows.size > 0;
  }

  /** Another key has other jobs. */
  #clear() {
    for (const [id, row] of this.#rows) this.#drop(id, row);
    this.known = false;
  }

  async #remove(id) {
    try {
      await request(`jobs/${id}`, { method: "DELETE" });
      const job = this.#rows.get(id)?.job;
      if (job?.ended_at) this.#drop(id, this.#rows.get(id));
      else await this.refresh();
    } catch (error) {
      showFailure(this.problems, error);
    }
  }

  /** Hear of the oldest jobs that have not ended, as they go on. */
  #follow() {
    const going = [...this.#rows.values()].filter(({ job }) => !job.ended_at && !this.#followed.has(job.id));
    for (const { job } of going) {
      if (this.#followed.size >= FOLLOWED) return;
      this.#hear(job.id);
    }
  }

  async #hear(id) {
    const controller = new AbortController();
    this.#followed.set(id, controller);
    const heard = (name, data) => name === "job" && this.#show(data);
    try {
      this.#show(await requestForEvents(`jobs/${id}/events`, { heard, signal: controller.signal }));
    } catch {
      // the list, which is asked for now and again, tells the rest
    }
    this.#followed.delete(id);
    if (!controller.signal.aborted) this.#follow();
  }
}
