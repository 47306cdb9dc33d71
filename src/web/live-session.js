// A live session: the microphone up, words down.

import { Failure } from "./problems.js";

const LEVEL_MS = 60;
const CLOSE_MS = 10_000;

/** Which failure a closed socket means. */
function failureOf({ code, reason }) {
  if (code === 1008) return new Failure("unauthorized", { detail: reason });
  if (code === 1012 || code === 1013) return new Failure("overloaded", { detail: reason, retryAfter: 5 });
  return new Failure("offline", { detail: reason });
}

/**
 * The microphone and the socket of one session.
 *
 * `on.message(message)` is called for each message of the server, `on.level(level)` several times a second, and
 * `on.end(failure)` once; `failure` is null if the session ended as it should.
 */
export class LiveSession {
  static async start(key, options, on) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
      });
    } catch (error) {
      throw new Failure(error.name === "NotAllowedError" ? "microphone-refused" : "no-microphone");
    }
    const session = new LiveSession(stream, on);
    try {
      await session.#open(key, options);
    } catch (error) {
      session.#release();
      throw error;
    }
    return session;
  }

  constructor(stream, on) {
    this.stream = stream;
    this.on = on;
    this.context = new AudioContext();
    this.ended = false;
  }

  async #open(key, options) {
    await this.context.audioWorklet.addModule(new URL("pcm-capture.js", import.meta.url));
    const source = this.context.createMediaStreamSource(this.stream);
    this.#meter(source);
    const address = new URL("../stt/live", import.meta.url);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Failure("offline"));
    });
    this.socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    this.socket.onclose = (event) => this.#end(this.finished ? null : (this.failure ?? failureOf(event)));
    this.socket.onerror = null;
    this.socket.send(JSON.stringify({ type: "start", api_key: key, sample_rate: this.context.sampleRate, ...options }));
    this.capture = new AudioWorkletNode(this.context, "pcm-capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data }) => {
      if (this.socket.readyState === WebSocket.OPEN && !this.stopping) this.socket.send(data);
    };
    source.connect(this.capture);
  }

  #meter(source) {
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      this.on.level(Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-9)) / 60)));
    }, LEVEL_MS);
  }

  #take(message) {
    if (message.type === "closed") this.finished = true;
    if (message.type === "error" && !message.item_id) {
      this.failure = new Failure("invalid-input", { detail: message.message });
    }
    this.on.message(message);
  }

  /** No more audio; the last words still come. */
  stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.socket.send('{"type": "stop"}');
    this.stream.getTracks().forEach((track) => track.stop());
    this.timeout = setTimeout(() => this.socket.close(), CLOSE_MS);
  }

  #end(failure) {
    if (this.ended) return;
    this.ended = true;
    this.#release();
    this.on.end(failure);
  }

  #release() {
    clearInterval(this.timer);
    clearTimeout(this.timeout);
    this.stream.getTracks().forEach((track) => track.stop());
    this.context.close();
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) this.socket.close();
  }
}
