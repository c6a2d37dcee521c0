// What a page does in the browser. Everything else is in the pages as they come.
"use strict";

// The API takes JSON: an empty body where there are no fields.
htmx.defineExtension("api", {
  onEvent(name, event) {
    if (name !== "htmx:configRequest" || event.detail.verb === "get") return;
    event.detail.headers["Content-Type"] = "application/json";
    const match = event.detail.elt.form?.dataset.match;
    if (match) event.detail.headers["If-Match"] = match;
    if (event.detail.elt.querySelector("[data-look]:checked")) event.detail.path += "?paused=true";
  },
  encodeParameters(xhr, parameters, from) {
    let fields = Object.entries(Object.fromEntries(parameters.entries()));
    // What somebody else changed meanwhile is not set back: only what was edited here is sent.
    if (from.matches("[data-edited]")) fields = fields.filter(([name]) => edited(from.elements[name]));
    fields = Object.fromEntries(fields);
    if (fields.confirm_copy) fields.confirm_copy = true;
    return Object.keys(fields).length ? JSON.stringify(fields) : "";
  },
});

function notice(text, bad) {
  const place = document.getElementById("notice");
  place.className = bad ? "bad" : "good";
  place.textContent = text;
}

// What was done is old news as soon as somebody goes on typing.
document.addEventListener("input", () => {
  if (document.getElementById("notice").matches(".good")) notice("");
});

// words are the API's for an error, or others where those are for programs.
function words(status, error = {}) {
  if (status === 401) return "You are signed out. Sign in again in another tab, then go on here.";
  if (status === 412 && !error.message?.startsWith("There is ")) return "It was changed meanwhile, and nothing was done. Keep a copy of what you wrote, then load the page again.";
  return [error.message || "That did not work.", error.remedy].filter(Boolean).join(" ");
}

// ask sends a request to the API; one that is refused is an error that says why.
async function ask(path, method, body, headers) {
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: { "Content-Type": "application/json", ...headers } });
  } catch {
    throw new Error("The daemon cannot be reached.");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(words(answer.status, said.error));
  return { said, etag: answer.headers.get("ETag") };
}

// edited reports whether a field is not as the page came.
const edited = (field) => field.tagName === "SELECT" ? !field.selectedOptions[0]?.defaultSelected : field.value !== field.defaultValue;

// settle makes a connection that was saved what its form begins with.
function settle(form, connection) {
  for (const field of form.querySelectorAll("input[name], select")) {
    const value = connection[field.name] ?? "";
    if (field.type === "password" && connection[field.name + "_set"]) field.placeholder = "set; leave empty to keep it";
    field.value = value;
    if (field.tagName === "SELECT") for (const option of field.options) option.defaultSelected = option.value === value;
    else field.defaultValue = value;
  }
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

// What is wrong with a document is said while it is typed.
let typed;
document.addEventListener("input", (event) => {
  const area = event.target;
  if (!area.dataset.check) return;
  clearTimeout(typed);
  typed = setTimeout(async () => {
    const answer = await fetch(area.dataset.check, { method: "POST", body: area.value });
    const text = await answer.text();
    document.getElementById("wrong").textContent = text;
    area.toggleAttribute("aria-invalid", text !== "");
  }, 300);
});

// fileText is an edited file with the line ends that it had: a browser makes them all alike.
const fileText = (area, was) => was.includes("\r\n") ? area.value.replaceAll("\n", "\r\n") : area.value;

// skill is the document to save: the stored one's files but for those that were removed, and
// those that are new or were edited as they are here.
async function skill(form) {
  let stored = { slug: "", files: [] };
  if (!("begun" in form.dataset)) stored = (await ask(`${form.dataset.at}/${encodeURIComponent(form.dataset.slug)}`, "GET")).said;
  const files = [];
  for (const place of form.querySelectorAll(".file:not(.removed)")) {
    const { path } = place.dataset;
    const was = stored.files.find((file) => file.path === path);
    const file = { ...was, path, ...place.uploaded };
    const area = place.querySelector("textarea");
    if (area && (!was || area.value !== area.defaultValue)) file.content = fileText(area, was?.content ?? "");
    const executable = place.querySelector("[data-executable]");
    if (executable) file.executable = executable.checked;
    files.push(file);
  }
  return { slug: form.elements.slug?.value ?? stored.slug, files };
}

// addFile makes room for a new file: to write it, or to tell of an uploaded one.
function addFile(form, path, uploaded) {
  const taken = [...form.querySelectorAll(".file")].some((place) => place.dataset.path === path);
  if (!path || taken) {
    notice(path ? `${path} is there already.` : "A file needs a path.", true);
    form.querySelector("#new-path").focus();
    return;
  }
  const place = document.createElement("div");
  place.className = "file new";
  place.dataset.path = path;
  const label = place.appendChild(document.createElement("label"));
  label.append(path);
  if (uploaded) {
    place.uploaded = uploaded.content;
    label.append(`, ${uploaded.size} bytes`);
  } else {
    const area = label.appendChild(document.createElement("textarea"));
    area.dataset.file = path;
    area.rows = 8;
    area.spellcheck = false;
  }
  const actions = place.appendChild(document.createElement("p"));
  actions.className = "actions";
  const check = actions.appendChild(document.createElement("label"));
  check.className = "check";
  const box = check.appendChild(document.createElement("input"));
  box.type = "checkbox";
  box.dataset.executable = "";
  check.append(" executable");
  const remove = actions.appendChild(document.createElement("button"));
  remove.type = "button";
  remove.dataset.remove = "";
  remove.setAttribute("aria-label", `Remove ${path}`);
  remove.textContent = "Remove";
  form.querySelector(".add").before(place);
  form.querySelector("#new-path").value = "";
  place.querySelector("textarea")?.focus();
}

document.addEventListener("click", (event) => {
  const form = event.target.closest(".entity");
  if (event.target.matches("[data-add]")) addFile(form, form.querySelector("#new-path").value.trim());
  if (!event.target.matches("[data-remove]")) return;
  const place = event.target.closest(".file");
  if (place.matches(".new")) {
    place.remove();
    return;
  }
  const removed = place.classList.toggle("removed");
  event.target.textContent = removed ? "Keep" : "Remove";
  event.target.setAttribute("aria-label", `${event.target.textContent} ${place.dataset.path}`);
});

document.addEventListener("change", async (event) => {
  if (event.target.id !== "upload") return;
  const form = event.target.closest(".entity");
  const [file] = event.target.files;
  if (!file) return;
  const path = form.querySelector("#new-path").value.trim() || file.name;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  addFile(form, path, { size: bytes.length, content: { content_base64: btoa(binary) } });
  event.target.value = "";
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-organization]")) return;
  event.preventDefault();
  const slug = form.elements.slug.value.trim();
  try {
    await ask(`/api/v1/organizations/${encodeURIComponent(slug)}`, "PUT", JSON.stringify({ name: form.elements.name.value }));
    location.assign(`/organizations/${slug}/settings`);
  } catch (problem) {
    notice(problem.message, true);
    form.elements.slug.focus();
  }
});

// An entity is saved as a whole, and only if nobody else did since.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".entity")) return;
  event.preventDefault();
  const button = form.querySelector("button.main");
  button.disabled = true;
  try {
    let body = form.elements.document?.value;
    let { slug } = form.dataset;
    if (body === undefined) {
      const whole = await skill(form);
      slug ??= whole.slug;
      body = JSON.stringify(whole);
    } else if (slug === undefined) {
      try { slug = JSON.parse(body).slug; } catch { /* the API says what is wrong with it */ }
    }
    const guard = "begun" in form.dataset ? { "If-None-Match": "*" } : { "If-Match": form.dataset.match };
    const { said, etag } = await ask(`${form.dataset.at}/${encodeURIComponent(slug || "-")}`, "PUT", body, guard);
    for (const area of form.querySelectorAll("textarea")) area.defaultValue = area.value;
    if (form.dataset.resolve) {
      // The side that has won has it all: taking it changes nothing any more.
      form.dataset.match = etag; // should that be refused
      await ask(form.dataset.resolve, "POST", JSON.stringify({ take: form.dataset.take }));
      location.assign(form.dataset.to);
      return;
    }
    const others = form.querySelectorAll(".file.new, .file.removed");
    for (const place of others) place.classList.remove("new", "removed");
    const at = `${location.pathname.replace(/\/(new|entities\/.*)$/, "")}/entities/${form.dataset.at.split("/").pop()}/${encodeURIComponent(said.slug)}`;
    if (at !== location.pathname || others.length) { // another page, or one with other files
      location.assign(at);
      return;
    }
    form.dataset.match = etag;
    notice(form.dataset.done);
  } catch (problem) {
    notice(problem.message, true);
  } finally {
    button.disabled = false;
  }
});

// unsaved reports whether the page has an edit that is not saved.
const unsaved = () => [...document.querySelectorAll(".entity textarea")].some(edited) || document.querySelector(".entity .file.new, .entity .file.removed") !== null;

// Who leaves such a page is asked; and nobody is sent away from it because the session ended.
addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Redirect") || !unsaved()) return;
  event.preventDefault();
  notice(words(401), true);
});

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
  if (event.detail.requestConfig.verb === "get") {
    if (event.target.id === "live" && interrupted(event.target)) {
      event.detail.shouldSwap = false;
      renew();
      return;
    }
    if (event.detail.xhr.status < 400) return;
    const said = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector("main .box");
    if (said) event.target.replaceChildren(said);
    return;
  }
  event.detail.shouldSwap = false;
  const from = event.detail.requestConfig.elt;
  if (from.tagName === "FORM") explain(from, {});
  if (event.detail.xhr.status < 400) {
    notice(from.dataset.done || "Done.");
    if ("tests" in from.dataset) {
      const { test, connection } = JSON.parse(event.detail.xhr.responseText);
      showTest(test);
      if (!test.ok) notice(`${from.dataset.done} The connection does not work yet.`, true);
      if (from.matches("[data-edited]")) settle(from, connection);
      if (test.ok && from.querySelector("[data-look]:checked")) location.assign(from.dataset.plan);
    }
    if (from.dataset.to) location.assign(from.dataset.to);
    if ("reload" in from.dataset) location.reload();
    renew();
    return;
  }
  let error = {};
  try { error = JSON.parse(event.detail.xhr.responseText).error || {}; } catch {}
  if (error.fields && from.tagName === "FORM") explain(from, error.fields);
  notice(words(event.detail.xhr.status, error), true);
});
document.addEventListener("htmx:sendError", () => notice("The daemon cannot be reached.", true));

// Who reads a warning, selects a text or is pressing a button is not interrupted: a click
// whose button is replaced before the finger is up would be lost.
const interrupted = (live) => live.querySelector(".warning:hover, .warning:focus, button:active, a:active") ||
  !getSelection().isCollapsed && live.contains(getSelection().anchorNode);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement.matches(".warning")) document.activeElement.blur();
});

// Who goes through a page by keyboard stays where they are when it is renewed.
const likeness = (element) => [element.tagName, element.getAttribute("href"), element.getAttribute("hx-post"), element.getAttribute("hx-vals"), element.textContent].join("\n");
let focused;
document.addEventListener("htmx:beforeSwap", (event) => {
  const { activeElement } = document;
  focused = event.target.contains(activeElement) ? likeness(activeElement) : undefined;
});
document.addEventListener("htmx:afterSettle", () => {
  if (focused === undefined || document.activeElement !== document.body) return;
  const again = [...document.querySelectorAll("#live a, #live button, #live [tabindex], #git a, #git [tabindex]")].find((element) => likeness(element) === focused);
  again?.focus({ preventScroll: true });
  focused = undefined;
});

// Things that happen together are shown together.
let due;
function renew() {
  due ??= setTimeout(() => {
    due = undefined;
    const live = document.getElementById("live");
    if (live && !interrupted(live)) htmx.trigger(live, "live");
    else if (live) renew();
  }, 300);
}

// What git has of an entity is looked up again when it may be another.
let looking;
function lookAgain() {
  looking ??= setTimeout(() => {
    looking = undefined;
    const git = document.getElementById("git");
    if (git) htmx.trigger(git, "live");
  }, 500);
}

// listen follows what happens, and ends with what ends it.
function listen() {
  const only = document.body.dataset.live;
  const events = new EventSource("/api/v1/events" + (only ? "?organization=" + encodeURIComponent(only) : ""));
  const progress = document.getElementById("progress");
  for (const type of ["run.finished", "entity", "reset"]) events.addEventListener(type, lookAgain);
  for (const type of ["run.started", "run.finished", "state", "entity", "reset"]) events.addEventListener(type, renew);
  events.addEventListener("run.progress", (event) => {
    const { organization, data } = JSON.parse(event.data);
    progress.textContent = `${organization}: ${data.stage}` + (data.total ? ` ${data.done} of ${data.total}` : "");
  });
  events.addEventListener("run.finished", () => { progress.textContent = ""; });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) notice("This page is not renewed any more. Sign in again, or load it again.", true);
  };
  // What happened before is not told: between the page and its first event, and while the
  // connection was lost.
  events.onopen = () => { renew(); lookAgain(); };
  return () => { events.close(); progress.textContent = ""; };
}

// A browser has six connections for a host. A page that nobody sees holds none of them, or the
// seventh tab could not be loaded; when it is seen again it catches up.
if (document.querySelector("#live, #git")) {
  let end = document.hidden ? undefined : listen();
  const hide = () => { end?.(); end = undefined; };
  const show = () => {
    if (end || document.hidden) return;
    end = listen();
  };
  document.addEventListener("visibilitychange", () => document.hidden ? hide() : show());
  addEventListener("pagehide", hide);
  addEventListener("pageshow", show);
}
