// Light, dark, or as the system has it: set before anything is drawn, so that nothing flashes. No module, for that reason.
(() => {
  const KEY = "multiboard-sync.theme";
  const WORDS = { auto: "As the system", light: "Light", dark: "Dark" };
  const SIGNS = { auto: "◐", light: "☀", dark: "☾" };
  const kept = () => {
    try { return localStorage.getItem(KEY) in WORDS ? localStorage.getItem(KEY) : "auto"; } catch { return "auto"; }
  };
  const show = (theme) => { document.documentElement.dataset.theme = theme; };
  show(kept());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      const theme = document.documentElement.dataset.theme;
      button.textContent = SIGNS[theme];
      button.title = `Colours: ${WORDS[theme]}`;
      button.setAttribute("aria-label", button.title);
    };
    button.addEventListener("click", () => {
      const order = Object.keys(WORDS);
      const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
      try { localStorage.setItem(KEY, next); } catch { /* it then holds for this page only */ }
      show(next);
      label();
    });
    label();
  });
})();
