// Speaking: the stream of a text's sound and words, as it is made.

import { requestForEvents } from "./api.js";
import { Peaks } from "./peaks.js";
import { PcmPlayer } from "./pcm-player.js";
import { WavReader, fromBase64 } from "./wav.js";

/**
 * Speak a text.
 *
 * The sound comes as WAV, whatever format is kept in the end: samples can be played as they come.
 *
 * @param body of `POST /tts/stream`.
 * @param on `sound(player, peaks)` after each part, `words(words)`.
 * @returns `{file, player, seconds, first, took}`: the sound as a file, the player, seconds of sound, seconds
 *     until the first sound came and until all had come.
 */
export async function speak(body, on, signal) {
  const started = performance.now();
  const sinceStart = () => (performance.now() - started) / 1000;
  const reader = new WavReader();
  let player = null;
  let peaks = null;
  let first = 0;
  const heard = (name, data) => {
    if (name === "words") on.words(data.words);
    if (name !== "audio") return;
    const samples = reader.push(fromBase64(data.audio));
    if (!reader.sampleRate || !samples.length) return;
    if (!player) {
      player = new PcmPlayer(reader.sampleRate);
      peaks = new Peaks(reader.sampleRate);
      first = sinceStart();
    }
    player.push(samples);
    peaks.push(samples);
    on.sound(player, peaks.values);
  };
  try {
    const json = { ...body, format: "wav", timestamps: true };
    const done = await requestForEvents("tts/stream", { method: "POST", json, heard, signal });
    const took = sinceStart();
    player.finish();
    return { file: reader.file(), player, peaks: peaks.values, seconds: done.duration, first, took };
  } catch (error) {
    player?.finish();
    throw error;
  }
}
