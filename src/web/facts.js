// The line under each result: who made it, how long that took, how many times faster than real time.

import { el } from "./dom.js";
import { number, t } from "./i18n.js";

/** @param facts `[key of the name, value]` pairs; a value is a string, or a function of the language. */
export function factList(facts) {
  return el(
    "dl",
    { class: "facts" },
    ...facts
      .filter(([, value]) => value !== null)
      .map(([name, value]) =>
        el(
          "div",
          {},
          el("dt", { text: name }),
          typeof value === "function" ? el("dd", { text: "fact.value", values: { value } }) : el("dd", {}, value),
        ),
      ),
  );
}

/** Length of the audio, time taken and their ratio. */
export function speedFacts(audioSeconds, tookSeconds) {
  return [
    ["fact.length", seconds(audioSeconds)],
    ["fact.took", seconds(tookSeconds)],
    ["fact.speed", () => t("fact.ratio", { ratio: number(audioSeconds / tookSeconds, 1) })],
  ];
}

export function seconds(value) {
  return () => `${number(value, value < 10 ? 2 : 1)} s`;
}
