// A text whose words light up as they are said.

import { el } from "./dom.js";

export class SpokenWords {
  #text;
  #at = 0;
  #words = [];
  #current = -1;
  #rest;

  /** @param text as it was typed. The words of `add` are found in it, so that line breaks stay. */
  constructor(text, language) {
    this.#text = text;
    this.#rest = document.createTextNode(text);
    this.element = el("p", { class: "spoken", lang: language }, this.#rest);
  }

  /** Words with their times, in order: `{word, start, end}`, seconds. */
  add(words) {
    for (const { word, start, end } of words) {
      const found = this.#text.indexOf(word, this.#at);
      const begin = found < 0 ? this.#at : found;
      const span = el("span", {}, word);
      this.#rest.before(found < 0 ? " " : this.#text.slice(this.#at, begin), span);
      if (found >= 0) this.#at = begin + word.length;
      this.#rest.data = this.#text.slice(this.#at);
      this.#words.push({ span, start, end });
    }
  }

  /** Light up the word that is said at `seconds`. */
  show(seconds) {
    const current = this.#words.findLastIndex((word) => word.start <= seconds);
    if (current === this.#current) return;
    this.#current = current;
    this.#words.forEach(({ span }, index) => {
      span.className = index < current ? "is-said" : index === current ? "is-current" : "";
    });
  }
}
