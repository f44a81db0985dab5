// Comforts on the coordinator's pages; all of them work without.
"use strict";
{
  // <button data-copy="id of an input" data-done="Copied">
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // no clipboard without HTTPS
    }
    const before = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = before), 2000);
  });

  // Whoever is logged out meanwhile is sent to the login page: that is no part of this one.
  document.addEventListener("htmx:before:response", (event) => {
    const { response, target } = event.detail.ctx;
    if (!response.raw.redirected) return;
    event.preventDefault();
    if (target?.id !== "preview") location.reload(); // a form that is half filled in stays
  });

  // what was swapped in and wants to be read first
  document.addEventListener("htmx:after:swap", () => {
    document.querySelector("main [data-focus]")?.focus({ preventScroll: false });
  });

  // <div data-shown-when="filling=planned">: part of a form that only matters then. What was wrong stays in sight.
  function showParts(form) {
    for (const part of form.querySelectorAll("[data-shown-when]")) {
      const [name, value] = part.dataset.shownWhen.split("=");
      const given = new FormData(form).getAll(name);
      part.hidden = !given.includes(value) && !part.querySelector(".field--error");
    }
  }
  for (const part of document.querySelectorAll("form:has([data-shown-when])")) {
    showParts(part);
    part.addEventListener("input", () => showParts(part));
  }
}
