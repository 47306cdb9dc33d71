// WAV with 16-bit mono samples, as the server streams it.

const HEADER = 44;

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Reads a WAV file as it comes. `push` gives the samples (Float32, -1 to 1) of the bytes that are new. */
export class WavReader {
  #head = new Uint8Array(0);
  #odd = null;
  #bytes = [];
  sampleRate = 0;

  push(bytes) {
    if (!this.sampleRate) {
      this.#head = joined([this.#head, bytes]);
      const start = this.#readHeader();
      if (start === null) return new Float32Array(0);
      bytes = this.#head.subarray(start);
    }
    if (this.#odd !== null) bytes = joined([Uint8Array.of(this.#odd), bytes]);
    this.#odd = bytes.length % 2 ? bytes[bytes.length - 1] : null;
    const whole = bytes.slice(0, bytes.length - (bytes.length % 2));
    this.#bytes.push(whole);
    const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
    const samples = new Float32Array(whole.length / 2);
    for (let at = 0; at < samples.length; at++) samples[at] = view.getInt16(2 * at, true) / 32768;
    return samples;
  }

  /** Where the samples begin; null: the header is not whole yet. */
  #readHeader() {
    const bytes = this.#head;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
    if (bytes.length >= 12 && (name(0) !== "RIFF" || name(8) !== "WAVE")) throw new Error("this is no WAV file");
    let rate = 0;
    for (let at = 12; at + 8 <= bytes.length; ) {
      if (name(at) === "data") {
        this.sampleRate = rate;
        return at + 8;
      }
      if (name(at) === "fmt " && at + 16 <= bytes.length) rate = view.getUint32(at + 12, true);
      const size = view.getUint32(at + 4, true);
      at += 8 + size + (size % 2);
    }
    return null;
  }

  /** All of it as a file whose header says its length. */
  file() {
    const size = this.#bytes.reduce((sum, bytes) => sum + bytes.length, 0);
    return new Blob([header(size, this.sampleRate), ...this.#bytes], { type: "audio/wav" });
  }
}

function header(size, rate) {
  const view = new DataView(new ArrayBuffer(HEADER));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEADER - 8 + size, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, size, true);
  return view.buffer;
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
