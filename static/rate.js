// The rating page. The form works without any of this; with it, nothing typed is lost: each change is kept as a
// draft on this computer until the server says that the rating has arrived, and what has not arrived is sent again
// under the same id, which the server keeps once.
"use strict";
{
  const IDLE = 60; // seconds after which somebody who does nothing is not at work
  const WAITS = [2, 5, 10, 20, 30]; // seconds before the next try
  const KEPT_FOR = 30 * 24 * 3600 * 1000;
  const words = document.getElementById("words").dataset;
  const store = openStore();
  let card = null; // what is on the page now

  // ------------------------------------------------------------------ storage

  function openStore() {
    try {
      localStorage.setItem("hyotei:works", "1");
      localStorage.removeItem("hyotei:works");
    } catch {
      return null; // private mode, or forbidden: leaving the page then asks first
    }
    return {
      get(key) {
        try {
          return JSON.parse(localStorage.getItem(key));
        } catch {
          return null;
        }
      },
      set(key, value) {
        try {
          localStorage.setItem(key, JSON.stringify(value));
          return true;
        } catch {
          return false; // full
        }
      },
      remove: (key) => localStorage.removeItem(key),
      keys: () => Object.keys(localStorage),
    };
  }

  const draftKey = (rater, assignment) => `hyotei:draft:${rater}:${assignment}`;

  // --------------------------------------------------------------------- card

  function begin() {
    const section = document.getElementById("card");
    if (card) card.over = true;
    clearTimeout(card?.timer);
    card = null;
    if (!section) return;
    document.documentElement.classList.toggle("is-spelled", store?.get("hyotei:spelled") === true);
    showPreferences();
    const form = document.getElementById("rating");
    if (!form || !form.querySelector(".rate__foot")) return; // nothing left, or read only
    form.noValidate = true; // what is missing is said here, in words
    card = {
      section,
      form,
      key: draftKey(section.dataset.rater, section.dataset.assignment),
      submission: newId(),
      earlier: [],
      attempted: false, // sent at least once since the last change
      tries: 0,
      sending: false,
      dirty: false,
      seconds: 0,
      lastSeen: now(),
      renewedAt: now(),
      timer: 0,
      freshToken: false,
    };
    restore();
    showMissing();
    if (!card.attempted) sendLeftOvers(section.dataset.rater);
  }

  function newId() {
    if (crypto.randomUUID) return crypto.randomUUID();
    // over plain http, other than on this machine, browsers leave it out
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    const hex = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  const now = () => performance.now() / 1000;
  const field = (name) => card.form.elements.namedItem(name);

  // -------------------------------------------------------------------- draft

  function typed() {
    const values = {};
    for (const [name, value] of new FormData(card.form)) {
      if (/^(axis|reason):/.test(name) || name === "comment" || name === "flagged") values[name] = value;
    }
    return values;
  }

  function keepDraft() {
    tick();
    const draft = {
      at: Date.now(),
      url: card.form.getAttribute("action"),
      values: typed(),
      seconds: Math.round(card.seconds),
      submission: card.submission,
      earlier: card.earlier,
      attempted: card.attempted,
      change: field("change")?.value,
    };
    card.dirty = !store?.set(card.key, draft);
  }

  function restore() {
    const draft = store?.get(card.key);
    if (!draft?.values) return;
    let different = false;
    for (const element of card.form.elements) {
      if (!/^(axis|reason):/.test(element.name) && element.name !== "comment" && element.name !== "flagged") continue;
      const value = draft.values[element.name];
      if (element.type === "radio" || element.type === "checkbox") {
        const checked = value === element.value;
        if (element.checked !== checked) different = true;
        element.checked = checked;
      } else if (element.value !== (value ?? "")) {
        different = true;
        element.value = value ?? "";
      }
    }
    card.seconds = draft.seconds || 0;
    card.submission = draft.submission || card.submission;
    card.earlier = draft.earlier || [];
    if (draft.attempted) {
      card.attempted = true;
      say("restoredUnsent", { unsaved: true });
      card.timer = setTimeout(send, 1500);
    } else if (different) {
      const time = new Date(draft.at).toLocaleTimeString(document.documentElement.lang, {
        hour: "2-digit",
        minute: "2-digit",
      });
      const notice = card.form.querySelector(".rate__draft");
      notice.textContent = words.restored.replace("{time}", time);
      const forget = document.createElement("button");
      forget.type = "button";
      forget.className = "link";
      forget.textContent = words.forget;
      forget.addEventListener("click", () => {
        store.remove(card.key);
        location.reload();
      });
      notice.append(" ", forget);
      notice.hidden = false;
    }
  }

  // Ratings of items that are no longer on the page, whose answer never came: once more, under their own ids.
  async function sendLeftOvers(rater) {
    if (!store) return;
    const here = card?.key;
    let sent = 0;
    for (const key of store.keys()) {
      if (!key.startsWith("hyotei:draft:")) continue;
      const draft = store.get(key);
      if (!draft?.at || Date.now() - draft.at > KEPT_FOR) store.remove(key);
      else if (key !== here && draft.attempted && key.startsWith(draftKey(rater, ""))) {
        const body = new URLSearchParams(draft.values);
        body.set("csrfmiddlewaretoken", token());
        body.set("submission", draft.submission);
        body.set("earlier", draft.earlier.join(" "));
        body.set("seconds", draft.seconds);
        if (draft.change) body.set("change", draft.change);
        try {
          const response = await fetch(draft.url, { method: "POST", body, headers: { "HX-Request": "true" } });
          if (response.headers.get("X-Hyotei-Saved")) {
            store.remove(key);
            sent += 1;
          } else if ([404, 409, 422].includes(response.status)) {
            draft.attempted = false; // it will never be taken; the draft stays until it is old
            store.set(key, draft);
          }
        } catch {
          return; // still no network: the next page tries again
        }
      }
    }
    if (sent && card && !card.over) say("leftOver");
  }

  function token() {
    return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
  }

  // --------------------------------------------------------- what is missing

  const scales = () => [...card.form.querySelectorAll("fieldset.scale")];

  function state(scale) {
    const chosen = scale.querySelector('input[name^="axis:"]:checked');
    if (!chosen) return "missing";
    if (chosen.value !== "na") return "given";
    return scale.querySelector('input[name^="reason:"]:checked') ? "given" : "reason";
  }

  function showMissing(asked = false) {
    const open = scales()
      .map((scale) => [scale.dataset.label, state(scale)])
      .filter(([, how]) => how !== "given")
      .map(([label, how]) => (how === "reason" ? words.reason.replace("{axis}", label) : label));
    const line = document.getElementById("missing");
    if (open.length) {
      const [before, after] = words.missing.split("{axes}");
      const names = open.map((name, at) => {
        const whole = document.createElement("span"); // not broken within
        whole.className = "nowrap";
        whole.textContent = at ? name : before + name;
        return whole;
      });
      line.replaceChildren(...names.flatMap((name, at) => (at ? [words.join, name] : [name])), after ?? "");
    } else {
      line.textContent = words.complete;
    }
    line.classList.toggle("is-complete", !open.length);
    line.classList.toggle("is-asked", asked && open.length > 0);
    showCurrent();
    return open.length;
  }

  function currentScale() {
    const all = scales();
    return (
      document.activeElement?.closest("fieldset.scale") ??
      all.find((scale) => state(scale) !== "given") ??
      all[all.length - 1]
    );
  }

  function showCurrent() {
    const open = scales().some((scale) => state(scale) !== "given");
    const current = open || document.activeElement?.closest("fieldset.scale") ? currentScale() : null;
    for (const scale of scales()) scale.classList.toggle("is-current", scale === current);
  }

  function focusScale(scale) {
    const radio =
      (state(scale) === "reason" && scale.querySelector('input[name^="reason:"]')) ||
      scale.querySelector("input:checked") ||
      scale.querySelector("input");
    radio.focus({ preventScroll: true });
    scale.scrollIntoView({ block: "nearest" });
  }

  function goOn(from) {
    const all = scales();
    const at = all.indexOf(from);
    const next = [...all.slice(at + 1), ...all.slice(0, at)].find((scale) => state(scale) !== "given");
    if (next) {
      focusScale(next);
    } else {
      const button = card.form.querySelector(".rate__send .btn");
      button.focus({ preventScroll: true });
      button.scrollIntoView({ block: "nearest" });
    }
  }

  // ------------------------------------------------------------------ sending

  function send() {
    if (card && !card.sending) card.form.requestSubmit();
  }

  document.addEventListener(
    "submit",
    (event) => {
      if (!card || event.target !== card.form) return;
      const stop = () => {
        event.preventDefault();
        event.stopImmediatePropagation();
      };
      clearTimeout(card.timer);
      if (card.sending) return stop();
      if (showMissing(true)) {
        stop();
        focusScale(scales().find((scale) => state(scale) !== "given"));
        return undefined;
      }
      tick();
      card.sending = true;
      card.attempted = true;
      field("submission").value = card.submission;
      field("earlier").value = card.earlier.join(" ");
      field("seconds").value = card.seconds.toFixed(1);
      keepDraft();
      const sent = card;
      setTimeout(() => sent.sending && !sent.over && !sent.tries && say("saving"), 400);
      return undefined;
    },
    true,
  );

  document.addEventListener("htmx:config:request", (event) => {
    if (card && event.detail.ctx.sourceElement === card.form) {
      event.detail.ctx.request.headers["X-CSRFToken"] = token();
    }
  });

  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (!card || ctx.sourceElement !== card.form) return;
    const answer = ctx.response.raw;
    if (answer.headers.get("X-Hyotei-Saved") === card.submission) {
      store?.remove(card.key);
      store?.set("hyotei:saved", { key: card.key, at: Date.now() }); // tells other tabs
      card.saved = true;
      card.attempted = card.dirty = false;
      return;
    }
    if (answer.status === 422) {
      card.attempted = card.sending = false; // nothing was kept; the form comes back and says why
      keepDraft();
      return;
    }
    event.preventDefault();
    card.sending = false;
    refused(answer, card);
  });

  async function refused(answer, sent) {
    const plain = (answer.headers.get("Content-Type") ?? "").startsWith("text/plain");
    if (answer.status === 401 || answer.redirected) {
      say("loggedOut", { unsaved: true, link: [words.loginUrl, words.logIn] });
    } else if (answer.status === 403 && !plain) {
      await withFreshToken(sent);
    } else if (answer.status >= 500 || answer.status === 429 || answer.status === 408 || answer.ok) {
      later();
    } else {
      const why = plain ? await answer.text() : "";
      if (sent.over) return;
      sent.attempted = false; // sending the same again would not help
      if (answer.status === 409) sent.submission = newId();
      keepDraft();
      if (why) say(null, { refused: true, text: `${words.refused} ${why}` });
      else say(null, { refused: true, text: words.trouble.replace("{status}", answer.status) });
    }
  }

  // The token changes with each login, perhaps in another tab: fetch the page's new one, once.
  async function withFreshToken(sent) {
    if (sent.freshToken) {
      say(null, { refused: true, text: words.trouble.replace("{status}", 403) });
      return;
    }
    sent.freshToken = true;
    try {
      const page = await fetch(location.href);
      if (page.redirected) {
        say("loggedOut", { unsaved: true, link: [words.loginUrl, words.logIn] });
        sent.freshToken = false;
        return;
      }
      const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
      const value = fresh.querySelector("input[name=csrfmiddlewaretoken]")?.value;
      if (value) for (const input of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) input.value = value;
      if (!sent.over) send();
    } catch {
      later();
    }
  }

  document.addEventListener("htmx:error", (event) => {
    if (!card || event.detail.ctx?.sourceElement !== card.form || card.saved) return;
    card.sending = false;
    later();
  });

  function later() {
    if (!card || card.over) return;
    const wait = WAITS[Math.min(card.tries, WAITS.length - 1)];
    card.tries += 1;
    if (navigator.onLine === false) say("offline", { unsaved: true, retry: true });
    countDown(wait);
  }

  function countDown(seconds) {
    clearTimeout(card.timer);
    if (seconds <= 0) return send();
    if (navigator.onLine !== false) {
      const text = words.unsaved.replace("{seconds}", seconds);
      say(null, { unsaved: true, retry: true, text });
    }
    card.timer = setTimeout(() => card && countDown(seconds - 1), 1000);
    return undefined;
  }

  addEventListener("online", () => card?.tries && card.attempted && send());

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.target?.id !== "card" && event.detail.ctx.sourceElement?.id !== "rating") return;
    begin();
    const errors = document.getElementById("form-errors");
    if (errors) {
      errors.focus();
      return;
    }
    scrollTo(0, 0);
    document.querySelector("#card h1")?.focus({ preventScroll: true });
  });

  // ------------------------------------------------------------------- saying

  // The line above the button. Read out when its words change, but not each second of a countdown.
  function say(name, { unsaved = false, refused = false, retry = false, link = null, text = null } = {}) {
    const line = document.getElementById("state");
    if (!line) return;
    const counting = retry && line.dataset.retry === "1";
    line.setAttribute("aria-live", counting ? "off" : "polite");
    line.dataset.retry = retry ? "1" : "";
    line.classList.toggle("is-unsaved", unsaved);
    line.classList.toggle("is-refused", refused);
    const said = text ?? words[name];
    if (counting && line.firstChild && line.querySelector("button")) {
      line.firstChild.textContent = said; // the button stays, with its focus
      return;
    }
    line.replaceChildren(said);
    if (unsaved || refused) line.parentElement.scrollIntoView({ block: "nearest" });
    if (retry) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.textContent = words.now;
      button.addEventListener("click", send);
      line.append(" ", button);
    }
    if (link) {
      const anchor = document.createElement("a");
      [anchor.href, anchor.textContent] = link;
      anchor.target = link[0] === words.loginUrl ? "_blank" : "";
      line.append(" ", anchor);
    }
  }

  addEventListener("storage", (event) => {
    if (!card || event.key !== "hyotei:saved" || !event.newValue) return;
    if (JSON.parse(event.newValue).key === card.key) {
      say("elsewhere", { unsaved: true, link: [location.href, words.next] });
    }
  });

  addEventListener("beforeunload", (event) => {
    if (!card || card.saved || !(card.attempted || card.dirty)) return;
    event.preventDefault();
    event.returnValue = true; // browsers of before 2024 ask for it
  });

  // ------------------------------------------------------------------- typing

  document.addEventListener("input", (event) => {
    if (!card || !card.form.contains(event.target)) return;
    if (card.attempted) {
      // it may have arrived as it was: what is sent from now on is another submit
      card.earlier = [...card.earlier, card.submission].slice(-10);
      card.submission = newId();
      card.attempted = false;
      clearTimeout(card.timer);
      say(null, { unsaved: true, text: "" });
    }
    keepDraft();
    showMissing();
  });

  document.addEventListener("focusin", () => card && showCurrent());

  // --------------------------------------------------------------------- time

  // Seconds with the page in sight and somebody doing something; what is idle beyond a minute is cut.
  function tick() {
    if (!card || card.away) return;
    const at = now();
    card.seconds += Math.min(at - card.lastSeen, IDLE);
    card.lastSeen = at;
  }

  function seen() {
    if (!card || document.hidden) return;
    const at = now();
    if (at - card.lastSeen > 1) tick();
    const { renew, renewAfter } = card.section.dataset;
    if (renew && !field("change") && at - card.renewedAt > Math.max(60, Number(renewAfter))) {
      card.renewedAt = at;
      fetch(renew, { method: "POST", headers: { "X-CSRFToken": token() } }).catch(() => {});
    }
  }

  for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove", "focus"]) {
    addEventListener(name, seen, { passive: true, capture: true });
  }
  addEventListener("scroll", seen, { passive: true, capture: true });
  document.addEventListener("visibilitychange", () => {
    if (!card) return;
    if (document.hidden) tick();
    else card.lastSeen = now(); // the time in the background is nobody's work
    card.away = document.hidden;
  });

  // --------------------------------------------------------------------- keys

  const keysAreOn = () => store?.get("hyotei:keys") !== false;

  function showPreferences() {
    const box = document.getElementById("keys-on");
    if (box) box.checked = keysAreOn();
    const spell = document.querySelector("[data-spell]");
    spell?.setAttribute("aria-pressed", String(document.documentElement.classList.contains("is-spelled")));
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "keys-on") store?.set("hyotei:keys", event.target.checked);
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-spell]")) return;
    const on = document.documentElement.classList.toggle("is-spelled");
    store?.set("hyotei:spelled", on);
    showPreferences();
  });

  function digitOf(event) {
    if (/^[0-9]$/.test(event.key)) return event.key;
    const fullWidth = "０１２３４５６７８９".indexOf(event.key);
    if (fullWidth >= 0) return String(fullWidth);
    // an input method that is switched on hides the key, not where it is
    if (event.key === "Process" || event.key === "Unidentified") return event.code.match(/^(?:Digit|Numpad)(\d)$/)?.[1];
    return undefined;
  }

  function choose(radio) {
    radio.checked = true;
    radio.dispatchEvent(new Event("input", { bubbles: true }));
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function score(digit) {
    const scale = currentScale();
    if (!scale) return;
    const points = [...scale.querySelectorAll('.scale__point input[name^="axis:"]')];
    const cannot = scale.querySelector('.scale__nacell input[name^="axis:"]');
    const reasons = [...scale.querySelectorAll('input[name^="reason:"]')];
    if (cannot?.checked && (state(scale) === "reason" || reasons.includes(document.activeElement))) {
      const reason = reasons[Number(digit) - 1];
      if (reason) {
        choose(reason);
        goOn(scale);
        return;
      }
    }
    // by value where the values are digits, else by place: -2 … 2 is 1 … 5
    const byValue = points.every((point) => /^(\d|10)$/.test(point.value));
    const point = byValue
      ? (points.find((p) => p.value === digit) ?? (digit === "0" && points.find((p) => p.value === "10")))
      : points[Number(digit) - 1];
    if (point) {
      choose(point);
      goOn(scale);
    } else if (digit === "0") {
      cannotJudge(scale);
    }
  }

  function cannotJudge(scale) {
    const cannot = scale?.querySelector('.scale__nacell input[name^="axis:"]');
    if (!cannot) return;
    choose(cannot);
    if (state(scale) === "reason") focusScale(scale);
    else goOn(scale);
  }

  document.addEventListener("keydown", (event) => {
    if (!card || event.defaultPrevented || event.isComposing || event.altKey) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.repeat || !keysAreOn()) return;
    const target = event.target;
    const writing = target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
    if (writing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (document.querySelector("[popover]:popover-open, details.menu[open]")) {
      if (event.key === "?") document.getElementById("keys").hidePopover();
      return;
    }
    const digit = digitOf(event);
    const key = event.key.toLowerCase();
    if (digit !== undefined) score(digit);
    else if (key === "n") cannotJudge(currentScale());
    else if (key === "c") field("comment").focus();
    else if (key === "f") field("flagged").click();
    else if (key === "g") document.getElementById("guide").showPopover();
    else if (key === "?") document.getElementById("keys").showPopover();
    else return;
    event.preventDefault();
  });

  begin();
}
