// The choice of the language that is spoken; the first is to detect it.

import { el } from "./dom.js";
import { language as pageLanguage, languageName, onLanguage } from "./i18n.js";
import { onServer, server } from "./server.js";

/** A list of the languages that this server reads, in the order of the page's language. */
export function spokenLanguage() {
  const select = el("select", {}, detect());
  const draw = () => {
    const chosen = select.value;
    const { compare } = new Intl.Collator(pageLanguage());
    const named = (server.models?.stt.languages ?? []).map((code) => [languageName(code), code]);
    named.sort(([one], [other]) => compare(one, other));
    select.replaceChildren(detect(), ...named.map(([name, code]) => el("option", { value: code }, name)));
    select.value = chosen;
  };
  onServer(() => select.options.length === 1 && draw());
  onLanguage(draw);
  return select;
}

function detect() {
  return el("option", { value: "", text: "listen.language.auto" });
}
