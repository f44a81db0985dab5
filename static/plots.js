// Draws the plots of a page: <figure data-plot="address of a Vega-Lite spec">, by the Vega bundle in vendor/vega.js.
// `ast: true` has Vega walk its expressions instead of compiling them, which the security policy forbids.
"use strict";
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const state = () => document.querySelector("[data-state]")?.dataset.state ?? "";
  const drawn = new WeakMap(); // figure -> what is in it: state, theme, view

  async function specOf(figure, theme) {
    try {
      const answer = await fetch(`${figure.dataset.plot}?theme=${theme}`);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // no network
    }
  }

  async function draw(figure) {
    const wanted = { state: state(), theme: theme() };
    const before = drawn.get(figure);
    if (before && before.state === wanted.state && before.theme === wanted.theme) return;
    drawn.set(figure, { ...before, ...wanted });
    const place = figure.querySelector("[data-drawing]");
    const spec = await specOf(figure, wanted.theme);
    if (!spec) {
      drawn.set(figure, before); // the next snapshot tries again
      const waiting = figure.querySelector("[data-failed]");
      if (waiting) waiting.textContent = waiting.dataset.failed;
      return;
    }
    place.hidden = false;
    figure.querySelector(".figure__room")?.remove();
    const same = before?.view && before.theme === wanted.theme && before.rows === spec.datasets.alpha.length;
    if (same) {
      await before.view.data("alpha", spec.datasets.alpha).runAsync();
      return;
    }
    spec.width = "container";
    spec.autosize = { type: "fit-x", contains: "padding" };
    const { view } = await vegaEmbed(place, spec, {
      ast: true,
      actions: false,
      defaultStyle: false,
      renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
    before?.view?.finalize();
    drawn.set(figure, { ...wanted, view, rows: spec.datasets.alpha.length });
  }

  function drawAll() {
    for (const figure of document.querySelectorAll("[data-plot]")) void draw(figure);
  }

  drawAll();
  document.addEventListener("htmx:after:swap", drawAll);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-set-theme]")) setTimeout(drawAll);
  });
  dark.addEventListener("change", drawAll);
}
