// The microphone.

import { Failure } from "./problems.js";

const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const LEVEL_MS = 60;

/** Whether this page may ask for a microphone: browsers allow it on https and on this machine only. */
export function canRecord() {
  return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);
}

/** A recording that goes on until `stop` or `cancel`. `onLevel(level, seconds)` is called several times a second. */
export class Recording {
  static async start(onLevel) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true } });
    } catch (error) {
      throw new Failure(error.name === "NotAllowedError" ? "microphone-refused" : "no-microphone");
    }
    return new Recording(stream, onLevel);
  }

  constructor(stream, onLevel) {
    this.stream = stream;
    this.parts = [];
    const type = TYPES.find((name) => MediaRecorder.isTypeSupported(name));
    this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    this.recorder.ondataavailable = (event) => this.parts.push(event.data);
    this.recorder.start(1000);
    this.started = performance.now();
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      // -60 dB is the left end of the meter, 0 dB the right one
      const level = Math.max(0, Math.min(1, 1 + (10 * Math.log10(power + 1e-9)) / 60));
      onLevel(level, (performance.now() - this.started) / 1000);
    }, LEVEL_MS);
  }

  /** End, and give the file. */
  async stop() {
    const ended = new Promise((resolve) => (this.recorder.onstop = resolve));
    this.recorder.stop();
    await ended;
    this.#release();
    const type = this.recorder.mimeType.split(";")[0] || "audio/webm";
    const extension = { "audio/ogg": "ogg", "audio/mp4": "m4a" }[type] ?? "webm";
    return new File(this.parts, `recording.${extension}`, { type });
  }

  cancel() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
    this.#release();
  }

  #release() {
    clearInterval(this.timer);
    this.context.close();
    for (const track of this.stream.getTracks()) track.stop();
  }
}
