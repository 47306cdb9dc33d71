// Server-sent events over fetch or XMLHttpRequest: EventSource can send neither a body nor a key.

/** Takes text as it comes, and calls `heard(name, data)` for each whole event. */
export class EventParser {
  #rest = "";

  constructor(heard) {
    this.heard = heard;
  }

  feed(text) {
    this.#rest += text;
    const blocks = this.#rest.split(/\r?\n\r?\n/);
    this.#rest = blocks.pop();
    for (const block of blocks) this.#read(block);
  }

  #read(block) {
    let name = "message";
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    if (data.length) this.heard(name, JSON.parse(data.join("\n")));
  }
}
