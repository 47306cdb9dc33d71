// A request as a line for the shell. The key is not in it, but the variable that the README sets.

import { address } from "./api.js";

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A request for speech whose answer is the file itself. */
export function curlForSpeech(body) {
  return [
    'curl -H "X-API-Key: $API_KEY" -H "Content-Type: application/json" \\',
    `  -d ${quoted(JSON.stringify(body))} \\`,
    `  -o speech.${body.format ?? "wav"} ${quoted(address("tts/stream"))}`,
  ].join("\n");
}

/** A request for a transcript; `fields` are the form's, besides the file. */
export function curlForTranscript(name, fields) {
  const form = Object.entries(fields).map(([field, value]) => ` -F ${quoted(`${field}=${value}`)}`);
  return [
    `curl -H "X-API-Key: $API_KEY" -F ${quoted(`file=@${name}`)}${form.join("")} \\`,
    `  ${quoted(address("stt"))}`,
  ].join("\n");
}
