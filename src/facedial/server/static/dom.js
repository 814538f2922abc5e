// Small helpers for elements, messages and files.

export const $ = (id) => document.getElementById(id);

export function element(tag, options = {}, ...children) {
  const { dataset, ...rest } = options;
  const made = Object.assign(document.createElement(tag), rest);
  if (dataset) Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
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
