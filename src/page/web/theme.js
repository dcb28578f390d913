// Before anything is drawn: the theme that was chosen here, and on the login whether the token was wrong.
"use strict";
(() => {
  const themes = ["system", "light", "dark"];
  let chosen = "system";
  try {
    chosen = localStorage.getItem("theme") ?? "system";
  } catch {
    // A browser that keeps nothing shows the system's.
  }
  const show = () => {
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${chosen}`;
  };
  if (!themes.includes(chosen)) chosen = "system";
  show();
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
      try {
        localStorage.setItem("theme", chosen);
      } catch {
        // It lasts until the page is left.
      }
      show();
    });
    const wrong = document.getElementById("wrong");
    if (wrong) wrong.hidden = location.search !== "?wrong";
  });
})();
