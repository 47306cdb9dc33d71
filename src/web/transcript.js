// The words of a transcript: click one to hear it, correct one by hand.

import { el } from "./dom.js";
import { percent, say } from "./i18n.js";

const UNSURE = 0.5;

export class Transcript {
  #segments = [];
  #nodes = [];
  #current = -1;
  #selected = 0;

  /**
   * @param seek called with the seconds at which the word begins that somebody wants to hear.
   * @param changed called after a correction.
   */
  constructor({ seek, changed }) {
    this.seek = seek;
    this.changed = changed;
    this.element = el("div", {
      class: "transcript",
      role: "group",
      label: "transcript.label",
      on: {
        click: (event) => this.#click(event),
        dblclick: (event) => this.#edit(this.#indexOf(event.target)),
        keydown: (event) => this.#key(event),
      },
    });
  }

  /** Segments as the server sends them, with `words` changed where somebody has corrected them. */
  get segments() {
    return this.#segments;
  }

  get text() {
    return this.#segments.map((segment) => textOf(segment)).join(" ").trim();
  }

  get wordCount() {
    return this.#nodes.length;
  }

  set language(code) {
    this.element.lang = code;
  }

  /** A segment that is final. */
  add(segment) {
    const words = placed(segment);
    const kept = { ...segment, words };
    this.#segments.push(kept);
    const paragraph = el("p", {});
    for (const word of words) {
      const index = this.#nodes.length;
      const node = el("span", { role: "button", tabIndex: index === 0 ? 0 : -1, class: "word" }, word.word);
      if (word.probability < UNSURE) {
        node.classList.add("is-unsure");
        say(node, "transcript.unsure", { probability: () => percent(word.probability) }, "title");
      }
      paragraph.append(word.space, node);
      this.#nodes.push({ node, word });
      node.index = index;
    }
    this.element.append(paragraph);
  }

  /** Mark the word that is said at `seconds`. */
  show(seconds) {
    const current = this.#nodes.findLastIndex(({ word }) => word.start <= seconds + 0.01);
    if (current === this.#current) return;
    this.#nodes[this.#current]?.node.classList.remove("is-current");
    this.#nodes[current]?.node.classList.add("is-current");
    this.#current = current;
  }

  /** Correct the word that was chosen last. */
  editSelected() {
    this.#edit(this.#selected);
  }

  #indexOf(target) {
    return target.closest?.(".word")?.index ?? -1;
  }

  #click(event) {
    const index = this.#indexOf(event.target);
    if (index < 0) return;
    this.#select(index);
    this.seek(this.#nodes[index].word.start);
  }

  /** One word is in the order of the Tab key; arrows go to the others. */
  #select(index) {
    this.#nodes[this.#selected].node.tabIndex = -1;
    this.#selected = index;
    const { node } = this.#nodes[index];
    node.tabIndex = 0;
    node.focus();
  }

  #key(event) {
    const index = this.#indexOf(event.target);
    if (index < 0 || event.target.tagName === "INPUT") return;
    const last = this.#nodes.length - 1;
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) this.#select(Math.max(0, Math.min(to, last)));
    else if (event.key === "Enter" || event.key === " ") this.seek(this.#nodes[index].word.start);
    else if (event.key === "F2") this.#edit(index);
    else return;
    event.preventDefault();
  }

  #edit(index) {
    if (index < 0 || !this.#nodes[index]) return;
    const { node, word } = this.#nodes[index];
    const input = el("input", {
      class: "word-input",
      value: word.word,
      label: "transcript.correct",
      size: Math.max(2, word.word.length),
      maxLength: 200,
      spellcheck: false,
    });
    let over = false;
    const end = (keep) => {
      if (over) return;
      over = true;
      const typed = input.value.trim().replace(/\s+/g, " ");
      if (keep && typed !== word.word) {
        word.word = typed;
        node.textContent = typed;
        node.classList.add("is-corrected");
        node.classList.remove("is-unsure");
        node.removeAttribute("title");
        this.changed();
      }
      input.replaceWith(node);
      this.#select(index);
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => end(true));
    node.replaceWith(input);
    input.select();
    input.focus();
  }
}

/**
 * The words of a segment: each with the white space before it in the text (`space`: some scripts have none) and
 * in the answer (`lead`).
 */
function placed(segment) {
  const words = segment.words?.length
    ? segment.words
    : [{ word: segment.text.trim(), start: segment.start, end: segment.end, probability: 1 }];
  let at = 0;
  return words.map(({ word, start, end, probability }, index) => {
    const bare = word.trim();
    const found = segment.text.indexOf(bare, at);
    const space = index === 0 ? "" : found < 0 ? " " : segment.text.slice(at, found);
    if (found >= 0) at = found + bare.length;
    return { word: bare, start, end, probability, space, lead: word.slice(0, word.indexOf(bare)) };
  });
}

/** The text of a segment as it is now. A word that was emptied leaves no double space. */
export function textOf(segment) {
  return segment.words
    .filter(({ word }) => word)
    .map(({ word, space }, index) => (index ? space : "") + word)
    .join("");
}

