// What HTML and htmx cannot do: keep typed text when a page morphs, say what went wrong, copy, local times, filters, focus.
// Every page works without this file. Listeners sit on the document, so that swapped content needs no wiring.
"use strict";

if (window.Idiomorph) {
  Idiomorph.defaults.ignoreActiveValue = true;
  // What the person has opened stays open while a part of the page asks for itself.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));
}

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// --- what went wrong ---

const REASONS = {
  401: "You are signed out. Reload the page to sign in again.",
  403: "You are not allowed to do this.",
  404: "This no longer exists.",
  409: "This was changed by someone else meanwhile. Reload the page to see it.",
  413: "This is too large to send.",
  429: "Too many tries. Wait a moment.",
};

function toast(text, kind, buttons) {
  const region = document.getElementById("toasts");
  const old = region?.firstElementChild;
  if (!region || (old && (old.dataset.kind === "action" || old.dataset.text === text) && kind === "poll")) return;
  const box = element("div", { class: "toast danger", "data-kind": kind, "data-text": text });
  box.append(element("p", {}, text));
  const row = element("div", { class: "row" });
  for (const [label, action] of buttons) {
    const button = element("button", { type: "button", class: "secondary small" }, label);
    button.addEventListener("click", () => { box.remove(); action(); });
    row.append(button);
  }
  box.append(row);
  region.replaceChildren(box);
}

// Asking again is only offered for what the person did; a poll asks again by itself.
function retryOf(source) {
  if (source.matches("form")) return () => source.requestSubmit();
  if (source.matches("a, button")) return () => source.click();
  return null;
}

function complain(event, text) {
  const retry = retryOf(event.detail.elt);
  const buttons = [["Reload", () => location.reload()], ["Dismiss", () => {}]];
  toast(text, retry ? "action" : "poll", retry ? [["Retry", retry], ...buttons] : buttons);
}

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  complain(event, REASONS[status] || `The server could not do this (error ${status}). The page is unchanged.`);
});
document.addEventListener("htmx:sendError", (event) => complain(event, "The server cannot be reached. The page is unchanged."));
document.addEventListener("htmx:timeout", (event) => complain(event, "The server did not answer in time. The page is unchanged."));
// What succeeds takes back its own kind of complaint: a poll must not wipe away the failure of what the person did.
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.status >= 400) return;
  const kinds = retryOf(event.detail.elt) ? "" : '[data-kind="poll"]';
  for (const box of all(`.toast${kinds}`)) box.remove();
});

// --- copy: clipboard, else the old command, else the person's own keys (plain http on a LAN has no clipboard) ---

function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

function copyByCommand(target) {
  if (target.select) {
    target.focus();
    target.select();
  } else {
    getSelection().selectAllChildren(target);
  }
  try { return document.execCommand("copy"); } catch { return false; }
}

async function copied(target) {
  const text = target.value ?? target.innerText;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand(target);
  }
}

async function copy(button) {
  const target = document.querySelector(button.dataset.copyTarget);
  if (!target) return;
  const done = await copied(target);
  if (done) button.focus();
  const word = done ? "Copied" : "Press Ctrl+C";
  announce(done ? "Copied to the clipboard." : "The text is selected. Press Ctrl+C to copy it.");
  const label = button.querySelector("span") || button;
  label.dataset.before ??= label.textContent;
  label.textContent = word;
  setTimeout(() => { label.textContent = label.dataset.before; }, 4000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-target]");
  if (button) copy(button);
  const every = event.target.closest("[data-choose-all]");
  if (every) chooseAll(document.getElementById(every.dataset.chooseAll));
  for (const menu of all("[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of all("[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.key === "Enter" && event.target.matches("[data-filter-for]")) event.preventDefault();
});

// --- keyboard shortcuts: not while typing, and not for who has switched them off ---

let before = "";
const isTyping = (target) => target.isContentEditable || target.matches("input, select, textarea");

// The sheet comes in a dialog, so that what was typed on the page stays.
async function showShortcuts(address) {
  if (document.getElementById("shortcuts")) return;
  const answer = await fetch(address).catch(() => null);
  const sheet = answer && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("shortcuts");
  if (!sheet || document.getElementById("shortcuts")) return;
  const dialog = element("dialog", { "aria-labelledby": "shortcuts-heading" });
  const close = element("button", { type: "button", class: "secondary" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  sheet.append(close);
  dialog.append(sheet);
  document.body.append(dialog);
  dialog.showModal();
}

function press(key, bar) {
  const address = before === "g" && JSON.parse(bar.dataset.shortcuts)[key];
  before = key;
  if (address) return location.assign(address);
  if (key === "?") return showShortcuts(bar.dataset.shortcutsPage);
  const search = key === "/" && document.querySelector('main input[type="search"]');
  search?.select?.();
  return search;
}

document.addEventListener("keydown", (event) => {
  const bar = document.querySelector("[data-shortcuts]");
  const other = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || event.key === "Shift";
  if (!bar || other || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (press(event.key, bar)) event.preventDefault();
});

// --- times in the viewer's zone ---

const LANGUAGE = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const EXACT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
const SHORT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const RELATIVE = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];

function relative(date) {
  const seconds = (date - Date.now()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 5 ? "in less than a minute" : "just now";
}

function localise() {
  for (const time of all("time[datetime][data-format]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const text = time.dataset.format === "relative" ? relative(date) : SHORT.format(date);
    if (time.textContent !== text) time.textContent = text;
    time.title = EXACT.format(date);
  }
}
setInterval(localise, 20000);

// --- forms: filter of a picklist, parts that depend on a choice ---

function recount(list) {
  const output = document.querySelector(`[data-count-for="${list.id}"]`);
  const boxes = all("input[type=checkbox]", list);
  const shown = boxes.filter((box) => !box.closest("li").hidden).length;
  const chosen = `${boxes.filter((box) => box.checked).length} of ${boxes.length} chosen`;
  if (output) output.textContent = shown === boxes.length ? chosen : `${chosen}, ${shown} shown`;
}

// The same as harmony/folding.py does for the lists that the server searches.
const ALIKE = [
  [/[`\u00b4\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb-\u02bd\u2039\u203a\uff07\u1ffd\u1fef]/g, "'"],
  [/[\u201c-\u201f\u2033\u2036\u00ab\u00bb\u301d-\u301f\uff02]/g, '"'],
];
const PLAIN = [
  ...ALIKE, [/[\p{Pd}\u2212\u2043]/gu, "-"], [/\s+/g, " "], [/\u0345/g, "\u03b9"], [/[\u0300-\u036f\ufe00-\ufe0f\p{Cf}\p{Cc}\p{Cs}]/gu, ""],
  [/\u00df/g, "ss"], [/\u03c2/g, "\u03c3"], [/\u0131/g, "i"], [/\u00f8/g, "o"], [/\u0142/g, "l"], [/[\u0111\u00f0]/g, "d"],
  [/\u0127/g, "h"], [/\u00e6/g, "ae"], [/\u0153/g, "oe"], [/ +/g, " "],
];
const replaced = (text, pairs) => pairs.reduce((done, [pattern, plain]) => done.replace(pattern, plain), text);

function fold(text) {
  const lower = replaced(text, ALIKE).normalize("NFKD").toLowerCase();
  return replaced(lower.normalize("NFKD"), PLAIN).normalize("NFC").trim();
}

function filter(input) {
  const list = document.getElementById(input.dataset.filterFor);
  if (!list) return;
  const wanted = fold(input.value);
  for (const item of list.children) item.hidden = !fold(item.textContent).includes(wanted);
  recount(list);
}

// Ticks what the filter shows, or unticks it when all of it is ticked already.
function chooseAll(list) {
  const shown = all(":is(li, tr):not([hidden]) input[type=checkbox]", list);
  const tick = shown.some((box) => !box.checked);
  for (const box of shown) box.checked = tick;
  shown[0]?.dispatchEvent(new Event("change", { bubbles: true }));
}

// "name=value" shows the part while that choice is made, "name!=value" while it is not. A hidden fieldset is not sent.
function chosen(form, condition) {
  const [, name, not, value] = condition.match(/^(.+?)(!?)=(.*)$/);
  const made = all(`[name="${CSS.escape(name)}"]`, form).some((input) =>
    input.value === value && (input.matches("select") || input.type === "hidden" || input.checked));
  return not ? !made : made;
}

function showConditional() {
  for (const part of all("[data-show-when]")) {
    const show = chosen(part.closest("form") || document, part.dataset.showWhen);
    part.hidden = !show;
    if (part.matches("fieldset")) part.disabled = !show;
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-filter-for]")) filter(event.target);
});
document.addEventListener("change", (event) => {
  showConditional();
  const list = event.target.closest(".picklist-list");
  if (list) recount(list);
});

// --- after each load and swap ---

function dress() {
  const icon = document.querySelector("[data-favicon]")?.dataset.favicon;
  const link = document.querySelector('link[rel="icon"]');
  if (icon && link.getAttribute("href") !== icon) link.setAttribute("href", icon);
  localise();
  showConditional();
  for (const tool of all("[data-filter-for][hidden], [data-choose-all][hidden]")) tool.hidden = false;
  loadPasskeys();
}

// Few pages have a button for a passkey. The first of them loads what it needs, however it was come to.
function loadPasskeys() {
  const src = document.querySelector("[data-passkey-script]")?.dataset.passkeyScript;
  if (src && !document.querySelector(`script[src="${src}"]`)) document.head.append(element("script", { src }));
}

// What needs attention first, then what the pressed button shows, then the new page's heading.
function focusStart(fallback, shown) {
  const heading = fallback && !location.hash && document.querySelector('h1[tabindex="-1"]');
  const target = document.querySelector("[data-autofocus-summary]") || (shown && document.getElementById(shown)) || heading;
  if (!target) return;
  // The page may load itself again when Verify ends; it then comes back to the same part.
  if (target.id && target.id === shown) history.replaceState(history.state, "", `#${shown}`);
  target.focus({ preventScroll: true });
  if (target !== heading) target.scrollIntoView({ block: "start" });
}

// A changed page may be answered with 409 and the typed values: show it, a toast would lose them.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.boosted && event.detail.xhr.status === 409) Object.assign(event.detail, { shouldSwap: true, isError: false });
});
document.addEventListener("htmx:load", dress);
document.addEventListener("htmx:afterSwap", dress);
document.addEventListener("htmx:afterSettle", (event) => {
  const pressed = event.detail.requestConfig?.triggeringEvent?.submitter;
  // A frame later, because htmx itself scrolls to the top after this event.
  if (event.detail.boosted) requestAnimationFrame(() => focusStart(true, pressed?.dataset.shows));
});
document.addEventListener("htmx:historyRestore", () => { dress(); focusStart(true); });
dress();
focusStart(false);

// --- a code in the link of a registration message: after the #, so that it is never sent in an address ---

const codes = document.querySelector("[data-from-fragment]");
if (codes && location.hash.length > 1) {
  codes.value = location.hash.slice(1, codes.maxLength + 1);
  history.replaceState(history.state, "", location.pathname);
}
