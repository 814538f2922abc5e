// The sliders of the Edit tab: one for each attribute and learned direction.

import { grouped, weakness } from "./attributes.js";
import { $, element, iconButton } from "./dom.js";
import { COLOURS, fillHair, hairControl, refreshHair } from "./edit-hair.js";
import { lensControl, refreshLenses } from "./edit-lenses.js";
import { cancelPrefetch, schedulePrefetch } from "./edit-render.js";
import { GLASSES, HIGH, LOW, change, editOf, onMove, release, state, target } from "./edit-state.js";

const SHIFT = 3; // standard deviations either way, of a learned direction's slider
// The browser's own step of a slider without steps is too fine for keys.
const KEY_STEPS = { ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 };

export function buildSliders() {
  const { shared, photo, face } = state;
  const values = photo.faces[face - 1].current_values;
  const known = shared.attributes.filter((one) => one.name in values);
  const rows = grouped(
    known.filter((one) => !COLOURS.has(one.name)),
    (one) => slider(one.name, [one.label, ...weakness(one)], "set", values[one.name]),
  );
  if (known.some((one) => COLOURS.has(one.name))) {
    // Hair stands first in its group: its colour is one control in place of a slider for each colour.
    const group = rows.find((one) => one.dataset.group === "hair");
    group?.querySelector("summary").after(hairControl());
  }
  if (shared.directions.length) {
    const learned = shared.directions.map((one) => slider(one.name, [one.name], "add", 0));
    rows.unshift(element("details", { open: true }, element("summary", { textContent: "Learned" }), ...learned));
  }
  $("sliders").replaceChildren(...rows);
  if (shared.version.lens_darkness) $("sliders").querySelector(`[data-name=${GLASSES}]`)?.after(lensControl());
  fillHair();
  refreshSliders();
}

// Shows the edit of the chosen face.
export function refreshSliders() {
  const { set, add, keep } = editOf(state.face);
  for (const row of $("sliders").querySelectorAll(".slider[data-name]")) {
    const { name, kind, start } = row.dataset;
    const amount = { set, add }[kind][name];
    const value = amount ?? Number(start);
    row.querySelector("input").value = value;
    row.querySelector("output").textContent = value.toFixed(2);
    row.classList.toggle("changed", amount !== undefined);
    row.querySelector(".back").disabled = amount === undefined;
    row.querySelector(".keep").setAttribute("aria-pressed", String(keep.includes(name)));
  }
  refreshHair();
  refreshLenses();
}

// `kind`: "set" is a target and starts at the face's current value; "add" is a shift and starts at 0.
function slider(name, label, kind, start) {
  const id = `slider-${name.replace(/\W/g, "-")}`;
  const [low, high] = kind === "set" ? [Math.min(LOW, start), Math.max(HIGH, start)] : [-SHIFT, SHIFT];
  const input = element("input", { id, type: "range", min: low, max: high, step: "any" });
  const keep = iconButton("protect", `Protect ${name.replaceAll("_", " ")}`, "keep");
  const back = iconButton("back", `Put back ${name.replaceAll("_", " ")}`, "back");
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
  const reset = () => change(() => delete editOf(state.face)[kind][name]);
  const prefetch = () => kind === "set" && schedulePrefetch(state.face, name, start < 0.5 ? 1 : 0);
  onMove(input, (value) => {
    editOf(state.face)[kind][name] = kind === "set" ? target(Number(value)) : Math.round(value * 1000) / 1000;
    release(editOf(state.face).keep, name);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") reset();
    const step = KEY_STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    input.value = Number(input.value) + step;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  });
  row.addEventListener("pointerenter", prefetch);
  row.addEventListener("pointerleave", cancelPrefetch);
  input.addEventListener("focus", prefetch);
  row.addEventListener("dblclick", (event) => {
    if (event.target.closest(".keep")) return;
    event.preventDefault();
    reset();
  });
  row.querySelector(".back").addEventListener("click", reset);
}

function toggleKeep(name) {
  const { set, add, keep } = editOf(state.face);
  if (keep.includes(name)) return release(keep, name);
  keep.push(name);
  delete set[name];
  delete add[name];
}
