// Every failure as a sentence that says what to do.

import { button, el } from "./dom.js";
import { say } from "./i18n.js";

/** A failure that the page tells of. `kind` is the end of the server's problem type, or one of the page's own. */
export class Failure extends Error {
  constructor(kind, { detail = "", requestId = "", retryAfter = 0, status = 0 } = {}) {
    super(detail || kind);
    Object.assign(this, { kind, detail, requestId, retryAfter, status });
  }

  /** From a problem (RFC 9457), as the body of an answer or the data of an event. */
  static fromProblem(problem, status = problem?.status ?? 0, header = () => null) {
    return new Failure((problem?.type ?? "").replace("urn:voz:", "") || `http-${status}`, {
      detail: problem?.detail ?? "",
      requestId: problem?.request_id ?? header("X-Request-ID") ?? "",
      retryAfter: Number(header("Retry-After") ?? 0),
      status,
    });
  }

  static from(error) {
    if (error instanceof Failure) return error;
    // fetch has one kind of error for all that may befall a connection
    if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) return new Failure("offline");
    console.error(error);
    return new Failure("page", { detail: String(error?.message ?? error) });
  }
}

const KINDS = new Set([
  "unauthorized", "too-large", "too-slow", "not-audio", "invalid-input", "rate-limited", "engine-failed",
  "overloaded", "deadline-exceeded", "engine-stopped", "storage-unavailable", "internal", "offline", "broken",
  "fetch-failed", "jobs-unavailable", "no-microphone", "microphone-refused", "file-too-large", "no-speech", "not-found", "page",
]);
const SAYS_THE_DETAIL = new Set(["invalid-input", "page"]);

/** Key and values of the sentence for a failure. */
export function sentence(failure) {
  const kind = KINDS.has(failure.kind) ? failure.kind : failure.status >= 500 ? "internal" : "other";
  return [`problem.${kind}`, { detail: failure.detail, seconds: failure.retryAfter || 5, ...failure.values }];
}

/** Show a failure in `place`, with a button to try again if `retry` is given. */
export function showFailure(place, error, retry) {
  const failure = Failure.from(error);
  const [key, values] = sentence(failure);
  const detail = failure.detail && !SAYS_THE_DETAIL.has(failure.kind) ? failure.detail : "";
  place.replaceChildren(
    el(
      "div",
      { class: "problem", role: "alert" },
      el("p", { class: "problem-sentence", text: key, values }),
      failure.requestId || detail
        ? el(
            "p",
            { class: "problem-detail" },
            detail ? el("span", { lang: "en" }, detail) : null,
            failure.requestId ? say(el("span", {}), "problem.request_id") : null,
            failure.requestId ? el("code", {}, failure.requestId) : null,
          )
        : null,
      retry ? button("retry", "action.retry", retry, "is-small") : null,
    ),
  );
  return failure;
}
