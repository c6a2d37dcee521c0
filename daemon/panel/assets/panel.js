// What a page does in the browser. Everything else is in the pages as they come.
"use strict";

// The API takes JSON: an empty body where there are no fields.
htmx.defineExtension("api", {
  onEvent(name, event) {
    if (name === "htmx:configRequest" && event.detail.verb !== "get") event.detail.headers["Content-Type"] = "application/json";
  },
  encodeParameters(xhr, parameters) {
    const fields = Object.fromEntries(parameters.entries());
    return Object.keys(fields).length ? JSON.stringify(fields) : "";
  },
});

function notice(text, bad) {
  const place = document.getElementById("notice");
  place.className = bad ? "bad" : "good";
  place.textContent = text;
}

// explain says beside each field what is wrong with it.
function explain(form, fields) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const place of form.querySelectorAll(".wrong")) place.remove();
  let first;
  for (const [name, text] of Object.entries(fields)) {
    const input = form.elements[name];
    if (!input) continue;
    input.setAttribute("aria-invalid", "true");
    const place = document.createElement("span");
    place.className = "wrong bad";
    place.textContent = text;
    input.after(place);
    input.closest("details")?.setAttribute("open", "");
    first ??= input;
  }
  first?.focus();
}

// showTest lists the steps of a connection test.
function showTest(test) {
  const list = document.createElement("ol");
  list.className = "steps";
  for (const step of test.steps) {
    const line = list.appendChild(document.createElement("li"));
    line.className = step.skipped ? "quiet" : step.ok ? (step.remedy ? "warn" : "good") : "bad";
    const name = line.appendChild(document.createElement("b"));
    name.textContent = `${step.skipped ? "–" : step.ok ? "✓" : "✕"} ${step.name} `;
    line.append([step.message, step.remedy].filter(Boolean).join(" "));
  }
  const head = document.createElement("h2");
  head.textContent = test.ok ? "The connection works" : "The connection does not work yet";
  document.getElementById("test").replaceChildren(head, list);
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (!copy) return;
  const text = document.getElementById(copy.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
    notice("Copied.");
  } catch { // not over plain HTTP
    getSelection().selectAllChildren(text);
  }
});

// What the API answers is no part of the page: it says whether it went well, and why not.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.requestConfig.verb === "get") return;
  event.detail.shouldSwap = false;
  const from = event.detail.requestConfig.elt;
  if (from.tagName === "FORM") explain(from, {});
  if (event.detail.xhr.status < 400) {
    notice(from.dataset.done || "Done.");
    if ("tests" in from.dataset) showTest(JSON.parse(event.detail.xhr.responseText).test);
    if ("reload" in from.dataset) location.reload();
    renew();
    return;
  }
  let error = {};
  try { error = JSON.parse(event.detail.xhr.responseText).error || {}; } catch {}
  if (error.fields && from.tagName === "FORM") explain(from, error.fields);
  notice([error.message || "That did not work.", error.remedy].filter(Boolean).join(" "), true);
});
document.addEventListener("htmx:sendError", () => notice("The daemon cannot be reached.", true));

// Things that happen together are shown together.
let due;
function renew() {
  due ??= setTimeout(() => {
    due = undefined;
    const live = document.getElementById("live");
    // Who reads a warning, or is about to press a button, is not interrupted.
    if (live && !live.querySelector(".warning:hover, .warning:focus, button:active")) htmx.trigger(live, "live");
    else if (live) renew();
  }, 300);
}

const live = document.getElementById("live");
if (live) {
  const only = document.body.dataset.live;
  const events = new EventSource("/api/v1/events" + (only ? "?organization=" + encodeURIComponent(only) : ""));
  let lost = false;
  const progress = document.getElementById("progress");
  for (const type of ["run.started", "run.finished", "state", "entity", "reset"]) events.addEventListener(type, renew);
  events.addEventListener("run.progress", (event) => {
    const { organization, data } = JSON.parse(event.data);
    progress.textContent = `${organization}: ${data.stage}` + (data.total ? ` ${data.done} of ${data.total}` : "");
  });
  events.addEventListener("run.finished", () => { progress.textContent = ""; });
  events.onerror = () => { lost = true; };
  events.onopen = () => { if (lost) renew(); lost = false; };
  addEventListener("pagehide", () => events.close());
}
