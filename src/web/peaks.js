// The outline of a sound, for the waveform.

const A_SECOND = 40;
const DECODED_RATE = 8000;
/** Larger files are not decoded here: that would take gigabytes. */
const MAX_DECODED_BYTES = 80 * 2 ** 20;

/** Collects the peaks of samples as they come. */
export class Peaks {
  #bucket;
  #left;
  #peak = 0;
  values = [];

  constructor(sampleRate) {
    this.#bucket = this.#left = Math.max(1, Math.round(sampleRate / A_SECOND));
  }

  push(samples) {
    for (const sample of samples) {
      const size = Math.abs(sample);
      if (size > this.#peak) this.#peak = size;
      if (--this.#left === 0) {
        this.values.push(this.#peak);
        this.#left = this.#bucket;
        this.#peak = 0;
      }
    }
  }
}

/** The peaks of a file that this browser can decode, and its seconds; null if it cannot, or it is too large. */
export async function peaksOf(file) {
  if (file.size > MAX_DECODED_BYTES) return null;
  try {
    const context = new OfflineAudioContext(1, 1, DECODED_RATE);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const peaks = new Peaks(DECODED_RATE);
    peaks.push(sound.getChannelData(0));
    return { values: peaks.values, seconds: sound.duration };
  } catch {
    return null;
  }
}
