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

// Runs what a person asked for; says what went wrong, and shows that it runs.
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

// Files dropped on a place or chosen with its button.
export function takesFiles(place, take) {
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

export function chooses(button, input, take) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file may be chosen again
    if (files.length) take(files);
  });
}

export const GROUPS = [
  ["mouth", "Expression"],
  ["hair", "Hair"],
  ["person", "Person and age"],
  ["worn", "Worn"],
  ["beard", "Beard"],
  ["eyes", "Eyes and brows"],
  ["shape", "Shape"],
  ["skin", "Skin"],
  ["picture", "Picture"],
];
export const FIRST = new Set(["mouth", "hair"]);

// One <details> for each group that has attributes.
export function grouped(attributes, row) {
  return GROUPS.map(([group, title]) => [title, group, attributes.filter((one) => one.group === group)])
    .filter(([, , some]) => some.length)
    .map(([title, group, some]) =>
      element("details", { open: FIRST.has(group) }, element("summary", { textContent: title }), ...some.map(row)),
    );
}

export function weakness(attribute) {
  if (!attribute.weak) return [];
  const title = `The model tells faces with it from faces without it poorly (AUC ${attribute.auc?.toFixed(2)}): expect little.`;
  return [" ", element("span", { className: "weak", title, textContent: "weak" })];
}
