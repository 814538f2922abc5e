// The sliders of the Edit tab: one for each attribute and learned direction.

import { grouped, weakness } from "./attributes.js";
import { $, element } from "./dom.js";
import { cancelPrefetch, requestRender, schedulePrefetch } from "./edit-render.js";
import { change, editOf, remember, snapshot, state } from "./edit-state.js";

const LOW = -0.5; // targets that the API takes
const HIGH = 1.5;
const SHIFT = 3; // standard deviations either way, of a learned direction's slider
// The browser's own step of a slider without steps is too fine for keys.
const KEY_STEPS = { ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 };

export function buildSliders() {
  const { shared, photo, face } = state;
  const values = photo.faces[face - 1].current_values;
  const rows = grouped(
    shared.attributes.filter((one) => one.name in values),
    (one) => slider(one.name, [one.label, ...weakness(one)], "set", values[one.name]),
  );
  if (shared.directions.length) {
    const learned = shared.directions.map((one) => slider(one.name, [one.name], "add", 0));
    rows.unshift(element("details", { open: true }, element("summary", { textContent: "Learned" }), ...learned));
  }
  $("sliders").replaceChildren(...rows);
  refreshSliders();
}

// Shows the edit of the chosen face.
export function refreshSliders() {
  const { set, add, keep } = editOf(state.face);
  for (const row of $("sliders").querySelectorAll(".slider")) {
    const { name, kind, start } = row.dataset;
    const amount = { set, add }[kind][name];
    const value = amount ?? Number(start);
    row.querySelector("input").value = value;
    row.querySelector("output").textContent = value.toFixed(2);
    row.classList.toggle("changed", amount !== undefined);
    row.querySelector(".back").disabled = amount === undefined;
    row.querySelector(".keep").setAttribute("aria-pressed", String(keep.includes(name)));
  }
}

// `kind`: "set" is a target and starts at the face's current value; "add" is a shift and starts at 0.
function slider(name, label, kind, start) {
  const id = `slider-${name.replace(/\W/g, "-")}`;
  const [low, high] = kind === "set" ? [Math.min(LOW, start), Math.max(HIGH, start)] : [-SHIFT, SHIFT];
  const input = element("input", { id, type: "range", min: low, max: high, step: "any" });
  const keep = element("button", { type: "button", textContent: "Keep", className: "keep" });
  const back = element("button", { type: "button", textContent: "Reset", className: "back" });
  keep.setAttribute("aria-label", `Keep ${name.replaceAll("_", " ")}`);
  back.setAttribute("aria-label", `Reset ${name.replaceAll("_", " ")}`);
  const row = element(
    "div",
    { className: "slider", dataset: { name, kind, start: String(start) } },
    element("label", { htmlFor: id }, ...label),
    element("output", { htmlFor: id }),
    keep,
    back,
    input,
  );
  listen(row, input, { name, kind, start });
  keep.addEventListener("click", () => change(() => toggleKeep(name)));
  return row;
}

function listen(row, input, { name, kind, start }) {
  let before = null; // the edits before the slider began to move: one step of the history
  const begin = () => (before ??= snapshot());
  const reset = () => change(() => delete editOf(state.face)[kind][name]);
  const prefetch = () => kind === "set" && schedulePrefetch(state.face, name, start < 0.5 ? 1 : 0);
  input.addEventListener("pointerdown", begin);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") reset();
    const step = KEY_STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    begin();
    input.value = Number(input.value) + step;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("input", (event) => {
    begin();
    const value = kind === "set" ? Math.min(HIGH, Math.max(LOW, Number(input.value))) : Number(input.value);
    editOf(state.face)[kind][name] = Math.round(value * 1000) / 1000;
    remove(editOf(state.face).keep, name);
    refreshSliders();
    requestRender(event.timeStamp || performance.now());
  });
  input.addEventListener("change", () => {
    if (before !== null) remember(before);
    before = null;
  });
  row.addEventListener("pointerenter", prefetch);
  row.addEventListener("pointerleave", cancelPrefetch);
  input.addEventListener("focus", prefetch);
  row.addEventListener("dblclick", (event) => {
    if (event.target.matches(".keep")) return;
    event.preventDefault();
    reset();
  });
  row.querySelector(".back").addEventListener("click", reset);
}

function toggleKeep(name) {
  const { set, add, keep } = editOf(state.face);
  if (remove(keep, name)) return;
  keep.push(name);
  delete set[name];
  delete add[name];
}

function remove(list, item) {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}
