// A job in the list: its state, its place in the queue, how far it is, what came of it.

import { button, el } from "./dom.js";
import { factList, seconds } from "./facts.js";
import { percent, say } from "./i18n.js";
import { Failure, sentence } from "./problems.js";

export class JobRow {
  job = null;

  /** @param on `remove(id)`. */
  constructor(on) {
    this.name = el("h2", { class: "file-name" });
    this.state = el("span", { class: "chip" });
    this.bar = el("progress", { max: 1, label: "jobs.progress" });
    this.partial = el("p", { class: "quiet partial" });
    this.problem = el("p", { class: "problem-sentence" });
    this.facts = el("div", {});
    this.actions = el("div", { class: "actions" });
    this.element = el(
      "li",
      { class: "card stack" },
      el("div", { class: "job-head" }, this.name, this.state),
      this.bar,
      this.partial,
      this.problem,
      this.facts,
      this.actions,
    );
    this.on = on;
  }

  show(job) {
    if (this.job && this.job.state === job.state && job.ended_at) return;
    this.job = job;
    this.name.textContent = job.metadata.name ?? job.id;
    this.state.dataset.state = job.state;
    const waits = job.state === "queued" && job.position;
    say(this.state, waits ? "jobs.position" : `jobs.state.${job.state}`, { position: job.position ?? 0 });
    this.#progress(job);
    if (job.partial_text) this.partial.textContent = job.partial_text.slice(-160);
    if (job.ended_at) this.partial.textContent = "";
    if (job.error) {
      const failure = Failure.fromProblem(job.error);
      say(this.problem, ...sentence(failure));
    }
    if (job.result) this.facts.replaceChildren(this.#facts(job));
    const remove = button(null, job.ended_at ? "jobs.delete" : "action.cancel", () => this.on.remove(job.id), "is-small");
    // a link, not a request of the page: with S3 it leads to another host
    const result = job.result?.url
      ? el("a", { class: "button is-small", href: job.result.url, target: "_blank", rel: "noopener noreferrer", text: "jobs.result" })
      : null;
    this.actions.replaceChildren(...[result, remove].filter(Boolean));
  }

  #progress({ state, progress, ended_at: ended }) {
    this.bar.hidden = Boolean(ended) || state === "queued";
    const share = progress?.total_seconds ? progress.seconds / progress.total_seconds : null;
    if (share === null) {
      this.bar.removeAttribute("value");
      return;
    }
    this.bar.value = share;
    if (state === "running") say(this.state, "jobs.share", { share: () => percent(share) });
  }

  #facts({ result, started_at: started, ended_at: ended }) {
    const took = (Date.parse(ended) - Date.parse(started)) / 1000;
    return factList([
      ["fact.model", result.model ?? null],
      ["fact.length", result.duration ? seconds(result.duration) : null],
      ["fact.took", Number.isFinite(took) ? seconds(took) : null],
    ]);
  }
}
