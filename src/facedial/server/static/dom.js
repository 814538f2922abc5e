// Small helpers for elements, messages and files.

export const $ = (id) => document.getElementById(id);

export function element(tag, options = {}, ...children) {
  const { dataset, ...rest } = options;
  const made = Object.assign(document.createElement(tag), rest);
  if (dataset) Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

// Outlines drawn in a square of 24, by name.
const ICONS = {
  protect: "M6 11h12v9H6zM9 11V7a3 3 0 0 1 6 0v4",
  back: "M5 9h9a5 5 0 0 1 0 10H8M5 9l4-4M5 9l4 4",
};

// A small button of an icon; `label` is its accessible name and its tooltip.
export function iconButton(icon, label, className) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[icon]);
  svg.append(path);
  const button = element("button", { type: "button", className: `icon ${className}`, title: label }, svg);
  button.setAttribute("aria-label", label);
  return button;
}

export function tell(text) {
  $("status").textContent = text;
  $("alert").textContent = "";
}

export function warn(error) {
  if (error.name === "AbortError") return;
  $("status").textContent = "";
  $("alert").textContent = error.message;
}

let running = 0;

// Runs an action; shows that it runs, and the message of its error.
export async function attempt(action, text = "") {
  running += 1;
  document.body.classList.add("busy");
  if (text) tell(text);
  try {
    return await action();
  } catch (error) {
    warn(error);
    return undefined;
  } finally {
    running -= 1;
    document.body.classList.toggle("busy", running > 0);
  }
}

export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const anchor = element("a", { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Calls `handle` with the files dropped on a place.
export function acceptDrops(place, handle) {
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    if (event.dataTransfer.files.length) handle([...event.dataTransfer.files]);
  });
}

// Calls `handle` with the files chosen in the dialog that the button opens.
export function connectFileInput(button, input, handle) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file may be chosen again
    if (files.length) handle(files);
  });
}
