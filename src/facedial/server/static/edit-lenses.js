// The slider of the darkness of lenses, below that of glasses.

import { $, element, iconButton } from "./dom.js";
import { GLASSES, change, currentValue, editOf, onMove, state } from "./edit-state.js";

const WEARS = 0.5; // value of glasses from which on a face wears some

export function lensControl() {
  const input = element("input", { id: "lenses", type: "range", min: 0, max: 1, step: 0.05 });
  const back = iconButton("back", "Put back darkness of lenses", "back");
  const row = element(
    "div",
    { id: "lenses-row", className: "slider" },
    element("label", { htmlFor: "lenses", textContent: "Darkness of lenses" }),
    element("output", { id: "lenses-value", htmlFor: "lenses" }),
    back,
    input,
  );
  onMove(input, (value) => (editOf(state.face).lens_darkness = Number(value)));
  back.addEventListener("click", () => change(() => (editOf(state.face).lens_darkness = null)));
  return row;
}

// The slider is active where the face has glasses after the edit.
export function refreshLenses() {
  if (!$("lenses-row")) return;
  const { set, lens_darkness } = editOf(state.face);
  $("lenses").value = lens_darkness ?? 0;
  $("lenses").disabled = lens_darkness === null && !((set[GLASSES] ?? currentValue(GLASSES)) > currentValue(GLASSES) || currentValue(GLASSES) > WEARS);
  $("lenses-value").textContent = (lens_darkness ?? 0).toFixed(2);
  $("lenses-row").classList.toggle("changed", lens_darkness !== null);
  $("lenses-row").querySelector(".back").disabled = lens_darkness === null;
}
