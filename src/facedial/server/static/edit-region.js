// The overlay of the region that the edit of the shown face may change.

import { picture } from "./api.js";
import { $, tell, warn } from "./dom.js";
import { paint, previewSize } from "./edit-canvas.js";
import { directionIds, isEdited, requestOf, state } from "./edit-state.js";

const AFTER_MS = 250; // without a change of the edits

let timer = 0;
let revision = 0; // counts what was asked for: an older answer is dropped

const isOn = () => $("region").getAttribute("aria-pressed") === "true";

export function startRegion() {
  $("region").addEventListener("click", () => {
    $("region").setAttribute("aria-pressed", String(!isOn()));
    if (isOn() && !isEdited(state.face)) tell("Choose a look or move a slider to see where it may change the photo.");
    load();
  });
}

export function clearRegion() {
  clearTimeout(timer);
  revision += 1;
  state.region = null;
}

// Show the region of the newest edit, soon.
export function scheduleRegion() {
  clearTimeout(timer);
  if (isOn()) timer = setTimeout(load, AFTER_MS);
}

async function load() {
  const { photo, face } = state;
  clearRegion();
  const own = revision;
  if (photo && isOn() && isEdited(face)) {
    try {
      const json = { edits: [requestOf(face)], size: previewSize(face), directions: directionIds() };
      const { blob, box } = await picture(`portraits/${photo.id}/region`, json);
      const bitmap = await createImageBitmap(blob);
      if (own !== revision) return;
      state.region = { bitmap, box };
    } catch (error) {
      if (own === revision) warn(error);
    }
  }
  if (state.photo) paint();
}
