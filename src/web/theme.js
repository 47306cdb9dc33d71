// Light or dark: as the system says, until the visitor chooses.

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export function theme() {
  return root.dataset.theme ?? (system.matches ? "dark" : "light");
}

export function switchTheme() {
  root.dataset.theme = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("voz.theme", root.dataset.theme);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
  listeners.forEach((listener) => listener());
}

export function onTheme(listener) {
  listeners.add(listener);
}

/** The value that one of style.css's colours has now, for a canvas. */
export function themeColour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  root.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

system.addEventListener("change", () => listeners.forEach((listener) => listener()));
