// Speaking: the stream of a text's sound and words, as it is made.

import { request, requestForEvents } from "./api.js";
import { Peaks } from "./peaks.js";
import { PcmPlayer } from "./pcm-player.js";
import { Failure } from "./problems.js";
import { WavReader, fromBase64 } from "./wav.js";

/**
 * Speak a text.
 *
 * The sound comes as WAV, whatever format is kept in the end: samples can be played as they come.
 *
 * @param body of `POST /tts/stream`.
 * @param on `sound(player, peaks)` after each part, `words(words)`.
 * @returns `{file, player, peaks, seconds, first, took}`: the sound as a file, the player, the outline, seconds of
 *     sound, seconds until the first sound came and until all had come.
 */
export async function speak(body, on, signal) {
  const started = performance.now();
  const sinceStart = () => (performance.now() - started) / 1000;
  const reader = new WavReader();
  let player = null;
  let peaks = null;
  let first = 0;
  const sound = (bytes) => {
    const samples = reader.push(bytes);
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
    await stream({ ...body, format: "wav" }, { ...on, sound }, signal);
    player.finish();
    const took = sinceStart();
    return { file: reader.file(), player, peaks: peaks.values, seconds: player.duration, first, took };
  } catch (error) {
    player?.finish();
    throw error;
  }
}

/** The bytes of the sound, and the words if the voice can tell when they are said. */
async function stream(body, { sound, words }, signal) {
  const heard = (name, data) => {
    if (name === "words") words(data.words);
    if (name === "audio") sound(fromBase64(data.audio));
  };
  try {
    await requestForEvents("tts/stream", { method: "POST", json: { ...body, timestamps: true }, heard, signal });
  } catch (error) {
    if (error.kind !== "invalid-input" || !error.detail.includes("timestamps")) throw error;
    const answer = await request("tts/stream", { method: "POST", json: body, signal });
    await read(answer, sound);
  }
}

async function read(answer, sound) {
  const reader = answer.body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) sound(part.value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure("broken", { requestId: answer.headers.get("X-Request-ID") ?? "" });
  }
}
