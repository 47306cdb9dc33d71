// The sections of the page. Each is a module in sections/ that registers itself; app.js imports them.

const sections = [];

/**
 * Add a section.
 *
 * @param section `id`; `title`, the key of its name; `needs(config)`, whether this server has what the section
 *     calls (`config` is the answer of `web/config`); `build()`, which makes its element when it is first shown.
 */
export function registerSection(section) {
  sections.push(section);
}

export function allSections() {
  return sections;
}
