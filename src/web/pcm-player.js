// Plays samples while more of them come. It has the face of a media element, so that wavesurfer.js can show it.

const TICK_MS = 50;
/** Seconds between the decision to play and the first sound: time for the audio thread to get the samples. */
const LEAD = 0.03;

export class PcmPlayer extends EventTarget {
  #context;
  #rate;
  #chunks = [];
  #total = 0;
  #whole = false;
  /** Sample at which playing stands while it is paused, or from which it was scheduled. */
  #position = 0;
  #nodes = new Set();
  /** What is scheduled, in order: {from, to} in samples, {at} in seconds of the context. */
  #scheduled = [];
  #timer = 0;
  #starting = false;
  paused = true;
  ended = false;
  seeking = false;
  muted = false;
  playbackRate = 1;
  src = "";

  constructor(sampleRate) {
    super();
    this.#rate = sampleRate;
    // at the voice's own rate, so that chunks meet without being resampled each by itself
    this.#context = new AudioContext({ sampleRate });
  }

  get duration() {
    return this.#total / this.#rate;
  }

  /** Samples so far. */
  get samples() {
    return this.#total;
  }

  get volume() {
    return 1;
  }

  get currentTime() {
    return this.#sample() / this.#rate;
  }

  set currentTime(seconds) {
    const playing = !this.paused;
    this.#silence();
    this.#position = Math.max(0, Math.min(Math.round(seconds * this.#rate), this.#total));
    this.ended = false;
    if (playing && !this.#starting) this.#start();
    this.#say("seeking", "seeked", "timeupdate");
  }

  /** More samples. If the sound had run out, it goes on. */
  push(samples) {
    if (!samples.length) return;
    const from = this.#total;
    this.#chunks.push({ from, samples });
    this.#total += samples.length;
    this.#say("durationchange");
    if (!this.paused && !this.#starting) this.#schedule({ from, samples }, from);
  }

  /** No more samples will come. */
  finish() {
    this.#whole = true;
  }

  async play() {
    if (!this.paused) return;
    if (this.ended || (this.#whole && this.#position >= this.#total)) this.#position = 0;
    this.paused = this.ended = false;
    this.#say("play");
    this.#starting = true;
    await this.#context.resume();
    this.#starting = false;
    if (this.paused) return;
    this.#start();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  pause() {
    if (this.paused) return;
    this.#position = this.#sample();
    this.#rest();
    this.#say("pause", "timeupdate");
  }

  /** Release the sound device; nothing can be played after that. */
  close() {
    this.#rest();
    this.#chunks = [];
    if (this.#context.state !== "closed") this.#context.close();
  }

  // what else wavesurfer.js expects of a media element
  load() {}
  remove() {}
  removeAttribute() {}
  canPlayType() {
    return "";
  }

  #start() {
    for (const chunk of this.#chunks) {
      if (chunk.from + chunk.samples.length > this.#position) this.#schedule(chunk, this.#position);
    }
  }

  #schedule(chunk, position) {
    const skipped = Math.max(0, position - chunk.from);
    const samples = chunk.samples.subarray(skipped);
    const last = this.#scheduled.at(-1);
    const now = this.#context.currentTime;
    const free = last ? last.at + (last.to - last.from) / this.#rate : 0;
    const at = Math.max(free, free > now ? 0 : now + LEAD);
    const buffer = this.#context.createBuffer(1, samples.length, this.#rate);
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#context.destination);
    node.onended = () => this.#nodes.delete(node);
    node.start(at);
    this.#nodes.add(node);
    const from = chunk.from + skipped;
    this.#scheduled.push({ from, to: from + samples.length, at });
  }

  /** The sample that sounds now. */
  #sample() {
    if (this.paused) return this.#position;
    const now = this.#context.currentTime;
    const playing = this.#scheduled.findLast((part) => part.at <= now);
    if (!playing) return this.#position;
    return Math.min(playing.to, playing.from + Math.round((now - playing.at) * this.#rate));
  }

  #tick() {
    this.#say("timeupdate");
    if (!this.#whole || this.#sample() < this.#total) return;
    this.#position = this.#total;
    this.#rest();
    this.ended = true;
    this.#say("pause", "ended");
  }

  #rest() {
    this.paused = true;
    clearInterval(this.#timer);
    this.#silence();
  }

  #silence() {
    for (const node of this.#nodes) {
      node.onended = null;
      node.stop();
      node.disconnect();
    }
    this.#nodes.clear();
    this.#scheduled = [];
  }

  #say(...names) {
    for (const name of names) this.dispatchEvent(new Event(name));
  }
}
