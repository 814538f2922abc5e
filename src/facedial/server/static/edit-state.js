// State of the Edit tab: the open photo, the edits of its faces, and the history of the edits.

import { $ } from "./dom.js";

export const state = {
  shared: null, // what the tabs share, see main.js
  photo: null, // {id, name, width, height, faces, bitmap, sampling}
  face: 1, // number of the face whose sliders are shown
  edits: new Map(), // face -> {set, add, keep}
  undo: [], // snapshots of `edits`
  redo: [],
  closeUps: new Map(), // face -> {bitmap, box}, rendered after the edits
  full: null, // bitmap of the whole photo after all edits; null until rendered
  zoomed: false,
};

export function clear() {
  Object.assign(state, { photo: null, face: 1, undo: [], redo: [], full: null, zoomed: false });
  state.edits = new Map();
  state.closeUps = new Map();
  enableHistory();
}

export function editOf(face) {
  if (!state.edits.has(face)) state.edits.set(face, { set: {}, add: {}, keep: [] });
  return state.edits.get(face);
}

export const isEdited = (face) => Object.keys(editOf(face).set).length + Object.keys(editOf(face).add).length > 0;

// Edits as /api/portraits/ID/render takes them.
export const requestOf = (face) => ({ face, ...editOf(face), exactly: $("exactly").checked });
export const allRequests = () => state.photo.faces.map((one) => one.number).filter(isEdited).map(requestOf);
export const directionIds = () => state.shared.directions.map((one) => one.id);

// ---- history ----

export const snapshot = () => JSON.stringify([...state.edits]);

// Tells the tab to show and render the edits; `all`: of every face, not only of the one shown.
function announce(all) {
  window.dispatchEvent(new CustomEvent("facedial:edits", { detail: { all } }));
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
