// Calls of the server. The key goes into a header, never into an address.

import { Failure } from "./problems.js";
import { key, refuseKey } from "./session.js";
import { EventParser } from "./sse.js";

/** The whole address of a path without a slash: the server may stand below a path of a proxy. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

async function failureOf(answer) {
  const header = (name) => answer.headers.get(name);
  let problem = null;
  try {
    problem = await answer.json();
  } catch {
    // a proxy answered, or the connection broke off
  }
  return Failure.fromProblem(problem, answer.status, header);
}

/** An answer with a status below 400. */
export async function request(path, { method = "GET", json, signal, withKey = key() } = {}) {
  const headers = withKey ? { "X-API-Key": withKey } : {};
  if (json) headers["Content-Type"] = "application/json";
  const body = json && JSON.stringify(json);
  const answer = await fetch(address(path), { method, headers, body, signal, cache: "no-store" });
  if (answer.ok) return answer;
  const failure = await failureOf(answer);
  if (failure.status === 401) refuseKey(withKey);
  throw failure;
}

export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** Hear the events of an answer. Resolves with the data of `done`, which is the last one. */
export async function requestForEvents(path, { heard, ...options }) {
  const answer = await request(path, options);
  let done = null;
  const parser = eventsOf(heard, (data) => (done = data));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) parser.feed(part.value);
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof TypeError) throw new Failure("broken", requestOf(answer));
    throw error;
  }
  if (done === null) throw new Failure("broken", requestOf(answer));
  return done;
}

function requestOf(answer) {
  return { requestId: answer.headers.get("X-Request-ID") ?? "" };
}

/**
 * Send a form.
 *
 * `sending(share)` is called as the upload goes on, which fetch cannot tell; 1 means that it is over.
 * `reading(text)` is called with the whole answer so far, as it comes. Resolves with the answer's text.
 */
export function upload(path, form, { sending, reading = () => {}, signal }) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    const header = (name) => call.getResponseHeader(name);
    const broken = (kind) => new Failure(kind, { requestId: header("X-Request-ID") ?? "" });
    const good = () => call.status >= 200 && call.status < 300;
    const read = () => {
      try {
        if (good()) reading(call.responseText);
      } catch (error) {
        reject(error);
        call.abort();
      }
    };
    call.open("POST", address(path));
    call.setRequestHeader("X-API-Key", key() ?? "");
    call.upload.onprogress = (event) => sending(event.lengthComputable ? event.loaded / event.total : 0);
    call.upload.onload = () => sending(1);
    call.onprogress = read;
    call.onerror = () => reject(broken(call.status ? "broken" : "offline"));
    call.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    call.onload = () => {
      read();
      if (good()) return resolve(call.responseText);
      if (call.status === 401) refuseKey(key());
      reject(Failure.fromProblem(parsed(call.responseText), call.status, header));
    };
    signal?.addEventListener("abort", () => call.abort());
    call.send(form);
  });
}

/** Send a form and hear the events of the answer. Resolves with the data of `done`. */
export async function uploadForEvents(path, form, { sending, heard, signal }) {
  let read = 0;
  let done = null;
  const parser = eventsOf(heard, (data) => (done = data));
  const reading = (text) => {
    parser.feed(text.slice(read));
    read = text.length;
  };
  await upload(path, form, { sending, reading, signal });
  if (done === null) throw new Failure("broken");
  return done;
}

function eventsOf(heard, done) {
  return new EventParser((name, data) => {
    if (name === "error") throw Failure.fromProblem(data);
    if (name === "done") done(data);
    else heard(name, data);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
