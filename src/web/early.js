// Runs before the page is drawn, so that neither language nor theme changes before the visitor's eyes.
{
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is switched off
    }
  };
  const languages = ["en", "es"];
  const wanted = [kept("voz.language"), ...navigator.languages].map((tag) => (tag ?? "").slice(0, 2));
  root.lang = wanted.find((tag) => languages.includes(tag)) ?? "en";
  const theme = kept("voz.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
}
