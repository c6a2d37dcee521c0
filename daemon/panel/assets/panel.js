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

// What the API answers is no part of the page: it says whether it went well, and why not.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.requestConfig.verb === "get") return;
  event.detail.shouldSwap = false;
  if (event.detail.xhr.status < 400) {
    notice(event.target.dataset.done || "Done.");
    renew();
    return;
  }
  let error = {};
  try { error = JSON.parse(event.detail.xhr.responseText).error || {}; } catch {}
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
