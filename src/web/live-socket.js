// The connection of a live session, which is replaced when it breaks.

import { Failure } from "./problems.js";

const MAX_BYTES = 4 * 2 ** 20;
const ASK_BYTES = 2 ** 18;
const ANSWER_MS = 10_000; // a browser waits for minutes where a network swallows what is sent
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 4_000;
const UNKNOWN = 4404;
const MAX_UNKNOWN = 5; // other worker processes of the server do not know the session
const LOST = new Set([1001, 1006, 1011]);

/** Which failure a closed socket means. */
function failureOf({ code, reason }) {
  if (code === 1008) return new Failure("unauthorized", { detail: reason });
  if (code === 1012 || code === 1013) return new Failure("overloaded", { detail: reason, retryAfter: 5 });
  return new Failure("offline", { detail: reason });
}

/**
 * What was sent stays here until the server has it; over a new connection the rest is sent again.
 *
 * `on.message(message)` is called for each message of the server, `on.waiting(is)` when the connection is broken and
 * when there is another one, and `on.end(failure)` once; `failure` is null if the session ended as it should.
 */
export class LiveSocket {
  constructor(key, on) {
    Object.assign(this, { key, on, unacknowledged: [], kept: 0, sent: 0, asked: 0, commands: 0, seen: 0 });
  }

  /** Open the first connection; `options` as in docs/live.md. */
  async open(options) {
    this.address = new URL("../stt/live", import.meta.url);
    this.address.protocol = this.address.protocol.replace("http", "ws");
    this.socket = await this.#connect(this.address, { type: "start", ...options });
  }

  /** Send audio. */
  send(data) {
    this.unacknowledged.push({ data, at: this.sent });
    this.sent += data.byteLength;
    this.kept += data.byteLength;
    while (this.kept > MAX_BYTES) this.kept -= this.unacknowledged.shift().data.byteLength ?? 0;
    if (this.#isOpen()) this.socket.send(data);
    if (this.sent - this.asked < ASK_BYTES) return;
    this.asked = this.sent;
    if (this.#isOpen()) this.socket.send('{"type": "ping"}');
  }

  /** No more audio; the last words still come. */
  stop() {
    this.commands += 1;
    const data = '{"type": "stop"}';
    this.unacknowledged.push({ data, number: this.commands });
    if (this.#isOpen()) this.socket.send(data);
  }

  /** End the session at once. */
  close() {
    this.over = true;
    clearTimeout(this.timer);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) this.socket.close(1000);
  }

  #isOpen() {
    return !this.waiting && this.socket.readyState === WebSocket.OPEN;
  }

  #connect(address, first) {
    const socket = new WebSocket(address);
    const timer = setTimeout(() => socket.close(), ANSWER_MS);
    return new Promise((resolve, reject) => {
      socket.onclose = ({ code }) => reject(Object.assign(new Failure("offline"), { code }));
      socket.onopen = () => {
        socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
        if (first.type === "start") socket.onclose = (event) => this.#closed(event);
        socket.send(JSON.stringify({ ...first, api_key: this.key }));
        if (first.type === "start") resolve(socket);
      };
      this.resumed = () => {
        socket.onclose = (event) => this.#closed(event);
        resolve(socket);
      };
    }).finally(() => clearTimeout(timer));
  }

  #take(message) {
    this.seen = message.seq ?? this.seen;
    if ("received" in message) this.#acknowledge(message.received, message.commands);
    switch (message.type) {
      case "pong":
        return;
      case "resumed":
        this.resumed();
        return;
      case "ready":
        this.session = message.session;
        this.resumable = 1000 * message.resumable;
        break;
      case "closed":
        this.finished = true;
        break;
      case "error":
        if (!message.item_id) this.failure = new Failure(message.code ?? "invalid-input", { detail: message.message });
    }
    this.on.message(message);
  }

  #acknowledge(received, commands) {
    this.has = received;
    while (this.unacknowledged.length) {
      const [{ data, at, number }] = this.unacknowledged;
      if (number ? !(number <= commands) : at + data.byteLength > received) break;
      this.kept -= data.byteLength ?? 0;
      this.unacknowledged.shift();
    }
  }

  #closed(event) {
    if (this.over) return this.#end(null);
    if (this.finished) return this.#end(null);
    if (this.failure || !this.resumable || !LOST.has(event.code)) return this.#end(this.failure ?? failureOf(event));
    this.waiting = true;
    this.on.waiting(true);
    this.until = performance.now() + this.resumable;
    this.unknown = 0;
    this.#tryAgain(event, FIRST_PAUSE_MS);
  }

  #tryAgain(event, pause) {
    this.timer = setTimeout(async () => {
      try {
        const address = new URL(`live/${this.session}`, this.address);
        this.socket = await this.#connect(address, { type: "resume", seq: this.seen });
      } catch (error) {
        if (error.code === UNKNOWN) this.unknown += 1;
        const gone = this.failure || this.unknown === MAX_UNKNOWN || error.code === 1008;
        if (gone || performance.now() + pause > this.until) return this.#end(this.failure ?? failureOf(event));
        return this.#tryAgain(event, Math.min(2 * pause, LONGEST_PAUSE_MS));
      }
      this.#sendAgain();
    }, pause * (0.5 + Math.random() / 2));
  }

  #sendAgain() {
    const first = this.unacknowledged.find(({ number }) => !number)?.at ?? this.sent;
    if (this.over || first > this.has) return this.#end(new Failure("offline"));
    for (const { data, at, number } of this.unacknowledged) {
      this.socket.send(number || at >= this.has ? data : data.slice(this.has - at));
    }
    this.waiting = false;
    this.on.waiting(false);
  }

  #end(failure) {
    if (this.ended) return;
    this.ended = true;
    this.close();
    this.on.end(failure);
  }
}
