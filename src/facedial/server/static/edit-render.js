// Rendering of edits: a preview of one face at every slider step, and the whole photo after the last.

import { picture } from "./api.js";
import { labelOf } from "./attributes.js";
import { $, tell, warn } from "./dom.js";
import { paint, previewSize } from "./edit-canvas.js";
import { allRequests, directionIds, isEdited, requestOf, state } from "./edit-state.js";

const FULL_AFTER_MS = 350; // without a slider step, until the whole photo is rendered
const BUSY_AFTER_MS = 150; // until the page shows that it is rendering
const PREFETCH_AFTER_MS = 120; // over a slider, until its edit is computed in advance

let revision = 0; // counts changes of the edits: a picture of an older revision is dropped
let pending = null; // the newest change whose preview has not been requested: {at, all}
let rendering = false;
let saysImplied = false; // whether the status line names implied attributes
let fullTimer = 0;
let prefetchTimer = 0;
let prefetched = new Set(); // "face name target"
let onExpired = () => {};

export function start({ expired }) {
  onExpired = expired;
}

// Forget what belongs to the photo that was open.
export function cancel() {
  revision += 1;
  showIdentity();
  prefetched = new Set();
  clearTimeout(fullTimer);
  clearTimeout(prefetchTimer);
}

// Render the edits. While one preview is made, only the newest of the changes that follow waits.
// `at`: time of the input, for the measurement. `all`: paint every face, not only the one shown.
export function requestRender(at, all = false) {
  if (!state.photo) return;
  revision += 1;
  state.full = null;
  state.identity = {};
  showIdentity();
  clearTimeout(fullTimer);
  const others = all ? state.photo.faces.map((one) => one.number).filter((face) => face !== state.face) : [];
  for (const face of others) if (!isEdited(face)) state.closeUps.delete(face);
  pending = { at, all: all || pending?.all };
  if (!rendering) renderPending();
}

async function renderPending() {
  rendering = true;
  const busyTimer = setTimeout(showBusy, BUSY_AFTER_MS, true);
  try {
    while (pending && state.photo) {
      const { at, all } = pending;
      pending = null;
      const { photo, face } = state;
      if (isEdited(face)) await renderPreview(photo, face);
      else state.closeUps.delete(face);
      if (state.photo !== photo) break;
      paint(all || !isEdited(face) ? null : photo.faces[face - 1].close_up);
      measure(at);
    }
    if (state.photo) fullTimer = setTimeout(renderFull, FULL_AFTER_MS, revision);
  } catch (error) {
    if (error.status === 404 && state.photo) {
      onExpired();
      error.message = "The photo was open for too long and has expired; open it again.";
    }
    warn(error);
  } finally {
    rendering = false;
    clearTimeout(busyTimer);
    showBusy(false);
  }
}

function showBusy(busy) {
  $("frame").classList.toggle("working", busy);
  $("frame").setAttribute("aria-busy", String(busy));
}

async function renderPreview(photo, face) {
  const json = { edits: [requestOf(face)], view: "face", size: previewSize(face), format: "jpg", quality: "fast", directions: directionIds() };
  const { blob, box, implied } = await picture(`portraits/${photo.id}/render`, json);
  const bitmap = await createImageBitmap(blob);
  if (state.photo !== photo) return;
  state.closeUps.set(face, { bitmap, box });
  const names = Object.entries(implied).map(([name, amount]) => `${labelOf(state.shared.attributes, name)} ${amount.toFixed(1)}`);
  // Another message in the status line stays: only our own is cleared.
  if (names.length) tell(`Implied attributes also set: ${names.join(", ")}.`);
  else if (saysImplied) tell("");
  saysImplied = names.length > 0;
}

// The photo as it will be saved.
async function renderFull(of) {
  const { photo } = state;
  if (!photo || revision !== of || !allRequests().length) return;
  try {
    const json = { edits: allRequests(), view: "photo", format: "jpg", directions: directionIds() };
    const { blob, identity } = await picture(`portraits/${photo.id}/render`, json);
    const bitmap = await createImageBitmap(blob);
    if (state.photo !== photo || revision !== of) return;
    state.full = bitmap;
    state.identity = identity;
    paint();
    showIdentity();
  } catch (error) {
    warn(error);
  }
}

// The cosine between the shown face before and after, of the whole photo alone: a slider step would pay
// for it.
export function showIdentity() {
  const cosine = state.identity[state.face];
  $("identity").textContent = cosine === undefined ? "" : `Identity kept: ${cosine.toFixed(2)}`;
}

// The server computes an attribute's edit of a face by the flow once and caches it; until then the
// distilled editor renders the previews. So the edit is requested while the pointer is over its slider.
export function schedulePrefetch(face, name, target) {
  cancelPrefetch();
  prefetchTimer = setTimeout(prefetch, PREFETCH_AFTER_MS, face, name, target);
}

export const cancelPrefetch = () => clearTimeout(prefetchTimer);

async function prefetch(face, name, target) {
  const key = `${face} ${name} ${target}`;
  if (!state.photo || rendering || prefetched.has(key)) return;
  prefetched.add(key);
  const edit = { ...requestOf(face), set: { [name]: target }, add: {}, keep: [], hair_colour: null };
  try {
    const json = { edits: [edit], view: "face", size: previewSize(face), format: "jpg", directions: [] };
    await picture(`portraits/${state.photo.id}/render`, json);
  } catch {
    prefetched.delete(key); // nothing depends on it: an error is told when the slider moves
  }
}

// Time from the input to the painted preview.
function measure(at) {
  requestAnimationFrame(() =>
    setTimeout(() => performance.measure("facedial:input-to-paint", { start: at, end: performance.now() })),
  );
}
