// State of the Edit tab: the open photo, the edits of its faces, and the history of the edits.

import { $ } from "./dom.js";

export const state = {
  shared: null, // what the tabs share, see main.js
  photo: null, // {id, name, width, height, faces, bitmap, sampling}
  face: 1, // number of the face whose sliders are shown
  edits: new Map(), // face -> {set, add, keep, hair_colour, hair_amount, lens_darkness}
  undo: [], // snapshots of `edits`
  redo: [],
  closeUps: new Map(), // face -> {bitmap, box}, rendered after the edits
  full: null, // bitmap of the whole photo after all edits; null until rendered
  identity: {}, // face -> cosine between it before and after, of that rendering
  zoomed: false,
  looks: [], // of the face that is shown, as /api/portraits/ID/looks has them
  region: null, // {bitmap, box} of the region that the edit may change, where it is shown
};

export function clear() {
  Object.assign(state, { photo: null, face: 1, undo: [], redo: [], full: null, identity: {}, zoomed: false, looks: [], region: null });
  state.edits = new Map();
  state.closeUps = new Map();
  enableHistory();
}

export function editOf(face) {
  if (!state.edits.has(face)) state.edits.set(face, { set: {}, add: {}, keep: [], hair_colour: null, hair_amount: 1, lens_darkness: null });
  return state.edits.get(face);
}

export function isEdited(face) {
  const { set, add, hair_colour, lens_darkness } = editOf(face);
  return Object.keys(set).length + Object.keys(add).length > 0 || hair_colour !== null || lens_darkness !== null;
}

// Value of an attribute of the face that is shown, before any edit.
export const currentValue = (name) => state.photo?.faces[state.face - 1].current_values[name];

export const GLASSES = "Eyeglasses";
export const LOW = -0.5; // targets that the API takes
export const HIGH = 1.5;

// A target that the API takes, in thousandths.
export const target = (value) => Math.round(Math.min(HIGH, Math.max(LOW, value)) * 1000) / 1000;

// No longer keep the values of attributes.
export function release(keep, ...names) {
  for (const name of names) if (keep.includes(name)) keep.splice(keep.indexOf(name), 1);
}

// Edits as /api/portraits/ID/render takes them.
export const requestOf = (face) => ({ face, ...editOf(face), exactly: $("exactly").checked });
// A photo that has expired has no faces.
export const allRequests = () => (state.photo?.faces ?? []).map((one) => one.number).filter(isEdited).map(requestOf);
export const directionIds = () => state.shared.directions.map((one) => one.id);

// ---- history ----

export const snapshot = () => JSON.stringify([...state.edits]);

// Tells the tab to show and render the edits; `all`: of every face, not only of the one shown. `at`: time
// of the input that changed them.
function announce(all, at = performance.now()) {
  window.dispatchEvent(new CustomEvent("facedial:edits", { detail: { all, at } }));
}

export function remember(before) {
  if (before === snapshot()) return;
  state.undo.push(before);
  state.redo = [];
  enableHistory();
}

export function change(action, all = false) {
  const before = snapshot();
  action();
  remember(before);
  announce(all);
}

// Calls `move` with each value of an input while it moves; the whole movement is one step of the history.
export function onMove(input, move) {
  let before = null; // the edits before the input began to move
  input.addEventListener("input", (event) => {
    before ??= snapshot();
    move(input.value);
    announce(false, event.timeStamp || performance.now());
  });
  input.addEventListener("change", () => {
    if (before !== null) remember(before);
    before = null;
  });
}

function restore(from, to) {
  if (!state.photo || !from.length) return;
  to.push(snapshot());
  state.edits = new Map(JSON.parse(from.pop()));
  enableHistory();
  announce(true);
}

export const undo = () => restore(state.undo, state.redo);
export const redo = () => restore(state.redo, state.undo);

function enableHistory() {
  $("undo").disabled = !state.undo.length;
  $("redo").disabled = !state.redo.length;
  $("reset").disabled = !state.undo.length && !state.redo.length;
}
