// Subtitles and other files of a transcript, made here so that they have the words as they were corrected.
// It cuts as src/services/subtitles.py does: a test holds the two together.

import { textOf } from "./transcript.js";

const MIN_MS = 1000;
const MAX_MS = 7000;
const PAUSE_SECONDS = 1.0;
const EARLIEST_BREAK = 0.4;
const SENTENCE_END = /[.!?…。！？]['"”’»)\]]*$/u;
const CLAUSE_END = /[,;:，、；：–—]['"”’»)\]]*$/u;
/** Thai, Lao, Burmese, Japanese, Chinese: no space between words, so a line may break anywhere. */
const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]/u;
const MARK = /^[\p{M}、。]/u;

export function toText(segments) {
  return segments.map(textOf).filter(Boolean).join("\n") + "\n";
}

export function toSrt(segments, width = 42, count = 2) {
  return cues(segments, width, count)
    .map(
      (cue, index) =>
        `${index + 1}\n${clock(cue.start, ",")} --> ${clock(cue.end, ",")}\n` +
        cue.lines.map((line) => `${line.replaceAll("-->", "→")}\n`).join(""),
    )
    .join("\n");
}

export function toVtt(segments, width = 42, count = 2) {
  const escape = (line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const blocks = cues(segments, width, count).map(
    (cue) =>
      `${clock(cue.start, ".")} --> ${clock(cue.end, ".")}\n` + cue.lines.map((line) => `${escape(line)}\n`).join(""),
  );
  return ["WEBVTT\n", ...blocks].join("\n");
}

/** As `response_format=verbose_json` answers, with the words as they are now. */
export function toJson(segments, answer) {
  const written = segments.map((segment) => ({
    ...segment,
    text: textOf(segment),
    words: segment.words
      .filter(({ word }) => word)
      .map(({ word, lead, start, end, probability }) => ({ word: lead + word, start, end, probability })),
  }));
  return JSON.stringify({ ...answer, text: written.map(({ text }) => text).join(" "), segments: written }, null, 2);
}

/** Subtitles of at most `count` lines of `width` characters: `{start, end}` in milliseconds, `lines`. */
export function cues(segments, width = 42, count = 2) {
  const units = segments.flatMap(unitsOf);
  const groups = grouped(units, width, count);
  return timed(groups.map((group) => ({ start: group[0].start, end: group.at(-1).end, lines: balanced(group, width) })));
}

/** What is never broken: a word with its punctuation; in scripts without spaces, a character. */
function unitsOf(segment) {
  const pieces = textOf(segment)
    .split(/\s+/u)
    .filter(Boolean)
    .flatMap((word) => breakable(word).map((text, index) => ({ text, spaced: index === 0 })));
  const times = characterTimes(segment, pieces.reduce((sum, { text }) => sum + length(text), 0));
  let at = 0;
  return pieces.map(({ text, spaced }, index) => {
    const start = times[at][0];
    const end = times[at + length(text) - 1][1];
    at += length(text);
    return { text, spaced, start, end: Math.max(start, end), endsSegment: index === pieces.length - 1 };
  });
}

function breakable(word) {
  if (!UNSPACED.test(word)) return [word];
  const pieces = [];
  for (const character of word) {
    if (pieces.length && (MARK.test(character) || !UNSPACED.test(character))) pieces[pieces.length - 1] += character;
    else pieces.push(character);
  }
  return pieces;
}

/** Start and end of each of the `count` characters that are not white space. */
function characterTimes(segment, count) {
  let spoken = segment.words.map(({ word, start, end }) => [length(word.replace(/\s+/gu, "")), start, end]);
  if (spoken.reduce((sum, [size]) => sum + size, 0) !== count) spoken = [[count, segment.start, segment.end]];
  return spoken.flatMap(([size, start, end]) =>
    Array.from({ length: size }, (_, index) => [
      start + ((end - start) * index) / size,
      start + ((end - start) * (index + 1)) / size,
    ]),
  );
}

function grouped(units, width, count) {
  const groups = [];
  let group = [];
  for (const unit of units) {
    if (group.length && unit.start - group.at(-1).end >= PAUSE_SECONDS) {
      groups.push(group);
      group = [];
    }
    while (group.length && !fits([...group, unit], width, count)) {
      const cut = bestCut(group);
      groups.push(group.slice(0, cut));
      group = group.slice(cut);
    }
    group.push(unit);
    if (SENTENCE_END.test(unit.text) && unit.end - group[0].start >= MIN_MS / 1000) {
      groups.push(group);
      group = [];
    }
  }
  if (group.length) groups.push(group);
  return groups;
}

function fits(group, width, count) {
  return group.at(-1).end - group[0].start <= MAX_MS / 1000 && wrap(group, width).length <= count;
}

/** How many of the words of a full subtitle stay: up to the last sentence, clause or segment end. */
function bestCut(group) {
  const total = group.reduce((sum, unit) => sum + length(unit.text), 0);
  const ends = [
    (unit) => SENTENCE_END.test(unit.text),
    (unit) => CLAUSE_END.test(unit.text) || unit.endsSegment,
  ];
  for (const isEnd of ends) {
    let kept = total;
    for (let index = group.length; index > 0 && kept >= total * EARLIEST_BREAK; index--) {
      if (isEnd(group[index - 1])) return index;
      kept -= length(group[index - 1].text);
    }
  }
  return group.length;
}

function wrap(group, width) {
  const lines = [];
  for (const unit of group) {
    const longer = lines.length ? lines.at(-1) + (unit.spaced ? " " : "") + unit.text : "";
    if (lines.length && length(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(unit.text);
  }
  return lines;
}

/** As few lines as `width` allows, of about the same length. */
function balanced(group, width) {
  const count = wrap(group, width).length;
  for (let narrow = 1; narrow < width; narrow++) {
    const lines = wrap(group, narrow);
    if (lines.length <= count) return lines;
  }
  return wrap(group, width);
}

function timed(found) {
  let free = 0;
  return found.map(({ start, end, lines }, index) => {
    const first = Math.max(round(start * 1000), free);
    let last = Math.max(round(end * 1000), first + MIN_MS);
    if (index + 1 < found.length) last = Math.min(last, round(found[index + 1].start * 1000));
    free = Math.min(Math.max(last, first + 1), first + MAX_MS);
    return { start: first, end: free, lines };
  });
}

/** In characters, not in UTF-16 units. */
function length(text) {
  return [...text].length;
}

/** Half to even, as Python's `round`. */
function round(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

function clock(milliseconds, point) {
  const two = (value) => String(value).padStart(2, "0");
  const seconds = Math.floor(milliseconds / 1000);
  const rest = String(milliseconds % 1000).padStart(3, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${point}${rest}`;
}
