// A live session: the microphone up, words down.

import { LiveSocket } from "./live-socket.js";
import { Failure } from "./problems.js";

const LEVEL_MS = 60;
const CLOSE_MS = 10_000;

/**
 * The microphone and the socket of one session.
 *
 * `on.message(message)` is called for each message of the server, `on.level(level)` several times a second,
 * `on.waiting(is)` when the connection is broken and when there is another one, and `on.end(failure)` once; `failure`
 * is null if the session ended as it should.
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
    this.socket = new LiveSocket(key, { ...this.on, end: (failure) => this.#end(failure) });
    await this.socket.open({ sample_rate: this.context.sampleRate, ...options });
    this.capture = new AudioWorkletNode(this.context, "pcm-capture", { numberOfOutputs: 0 });
    this.capture.port.onmessage = ({ data }) => {
      if (!this.stopping && !this.ended) this.socket.send(data);
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

  /** No more audio; the last words still come. */
  stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.socket.stop();
    this.stream.getTracks().forEach((track) => track.stop());
    this.timeout = setTimeout(() => this.#end(new Failure("offline")), CLOSE_MS);
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
    this.socket?.close();
  }
}
