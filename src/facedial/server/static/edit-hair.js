// The control of hair colour: swatches of looks, a colour well, and one slider for the strength.

import { $, element, iconButton } from "./dom.js";
import { shareOf, take } from "./edit-look.js";
import { change, currentValue, editOf, onMove, release, state } from "./edit-state.js";

// Attribute -> colour of its swatch.
const SWATCHES = { Black_Hair: "#1d1917", Brown_Hair: "#5b3a26", Blond_Hair: "#d8b273", Gray_Hair: "#a3a3a6" };
export const COLOURS = new Map(Object.entries(SWATCHES));
const FIRST_WELL = "#7a3318"; // shown in the colour well before a colour is chosen

// The looks that are a hair colour, of the face that is shown.
const hairLooks = () => state.looks.filter((one) => one.is_hair_colour);
const chosenLook = () => hairLooks().find((one) => shareOf(one) !== null);
const isChanged = ({ set, hair_colour }) => hair_colour !== null || [...COLOURS.keys()].some((name) => name in set);

export function clearHair(edit) {
  for (const name of COLOURS.keys()) delete edit.set[name];
  Object.assign(edit, { hair_colour: null, hair_amount: 1 });
}

export function hairControl() {
  const keep = iconButton("protect", "Protect hair colour", "keep");
  const back = iconButton("back", "Put back hair colour", "back");
  const strength = element("input", { id: "hair-strength", type: "range", min: 0, max: 1.5, step: 0.05 });
  const box = element(
    "div",
    { id: "hair", className: "slider hair" },
    element("span", { id: "hair-title", textContent: "Hair colour" }),
    element("output", { id: "hair-value", htmlFor: "hair-strength" }),
    keep,
    back,
    element("div", { id: "hair-swatches", className: "swatches" }),
    element("label", { id: "hair-strength-label", className: "hidden-text", htmlFor: "hair-strength", textContent: "Strength of the hair colour" }),
    strength,
  );
  box.setAttribute("role", "group");
  box.setAttribute("aria-labelledby", "hair-title");
  back.addEventListener("click", () => change(() => clearHair(editOf(state.face))));
  keep.addEventListener("click", () => change(toggleKeep));
  onMove(strength, setStrength);
  return box;
}

// Makes the swatches of the looks that are known by now.
export function fillHair() {
  if (!$("hair")) return;
  const swatches = hairLooks().map(swatch);
  if (state.shared.version.hair_colour) swatches.push(well());
  $("hair-swatches").replaceChildren(...swatches);
  refreshHair();
}

export function refreshHair() {
  if (!$("hair")) return;
  const edit = editOf(state.face);
  const chosen = chosenLook();
  for (const button of $("hair-swatches").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.look === chosen?.name));
  }
  const amount = edit.hair_colour !== null ? edit.hair_amount : chosen ? shareOf(chosen) : null;
  const label = chosen?.label ?? edit.hair_colour;
  $("hair").classList.toggle("changed", isChanged(edit));
  $("hair").querySelector(".back").disabled = !isChanged(edit);
  $("hair").querySelector(".keep").setAttribute("aria-pressed", String(edit.keep.some((name) => COLOURS.has(name))));
  $("hair-value").textContent = amount === null ? "own" : `${label}, ${amount.toFixed(2)}`;
  $("hair-strength").hidden = amount === null;
  $("hair-strength").value = amount ?? 1;
  const input = $("hair-well");
  if (!input) return;
  const own = edit.hair_colour !== null && !chosen; // a colour that no swatch has
  input.closest(".well").classList.toggle("chosen", own);
  input.closest(".well").style.background = own ? edit.hair_colour : "";
  if (own) input.value = edit.hair_colour;
}

function swatch(one) {
  const button = element("button", { type: "button", className: "swatch", title: one.unavailable ? `${one.label}: ${one.unavailable}` : one.label, dataset: { look: one.name } });
  button.setAttribute("aria-label", one.label);
  button.style.backgroundColor = one.edit.hair_colour ?? COLOURS.get(Object.keys(one.edit.set)[0]);
  button.disabled = one.unavailable !== null;
  button.addEventListener("click", () =>
    change(() => {
      const again = chosenLook() === one;
      clearHair(editOf(state.face));
      if (!again) take(one);
    }),
  );
  return button;
}

function well() {
  const input = element("input", { id: "hair-well", type: "color", value: FIRST_WELL });
  onMove(input, (value) => {
    const edit = editOf(state.face);
    const amount = edit.hair_colour !== null ? edit.hair_amount : 1;
    clearHair(edit);
    release(edit.keep, ...COLOURS.keys());
    Object.assign(edit, { hair_colour: value, hair_amount: amount });
  });
  return element("label", { className: "well", title: "Any colour" }, input, element("span", { className: "hidden-text", textContent: "Any hair colour" }));
}

function setStrength(value) {
  const edit = editOf(state.face);
  const chosen = chosenLook();
  if (chosen) take(chosen, Number(value));
  else if (edit.hair_colour !== null) edit.hair_amount = Number(value);
}

function toggleKeep() {
  const edit = editOf(state.face);
  const kept = edit.keep.some((name) => COLOURS.has(name));
  if (kept) return release(edit.keep, ...COLOURS.keys());
  clearHair(edit);
  edit.keep.push(...[...COLOURS.keys()].filter((name) => currentValue(name) !== undefined));
}
