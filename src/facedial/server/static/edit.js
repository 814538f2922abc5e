// The Edit tab: opens a photo or a new face, and connects its parts.

import { call, picture, post, upload } from "./api.js";
import { parseAmounts } from "./attributes.js";
import { $, acceptDrops, attempt, connectFileInput, tell } from "./dom.js";
import { layOut, markEdited, paint } from "./edit-canvas.js";
import { copyLink, loadPreset, savePhoto, savePreset } from "./edit-files.js";
import { clearLooks, loadLooks, refreshLooks, startLooks } from "./edit-looks.js";
import { clearRegion, scheduleRegion, startRegion } from "./edit-region.js";
import * as render from "./edit-render.js";
import { buildSliders, refreshSliders } from "./edit-sliders.js";
import { change, clear, editOf, redo, state, undo } from "./edit-state.js";

const SHOWN_SIDE = 3000; // pixels of the photo's longer side kept for the canvas

export function start(shared) {
  state.shared = shared;
  render.start({ expired: close });
  connectFiles();
  connectTools();
  startLooks();
  startRegion();
  window.addEventListener("resize", layOut);
  window.addEventListener("facedial:tab", (event) => event.detail === "edit" && layOut());
  window.addEventListener("facedial:directions", () => state.photo && buildSliders());
  window.addEventListener("facedial:face", (event) => choose(event.detail));
  window.addEventListener("facedial:edits", (event) => {
    refreshSliders();
    refreshLooks();
    markEdited();
    render.requestRender(event.detail.at, event.detail.all);
    scheduleRegion();
  });
}

function connectFiles() {
  connectFileInput($("choose"), $("file"), ([file]) => open(file));
  for (const id of ["drop", "frame"]) acceptDrops($(id), ([file]) => open(file));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file && !$("edit").hidden) open(file);
  });
  // A photo dropped beside the zones must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  connectFileInput($("preset-load"), $("preset-file"), ([file]) => loadPreset(file));
}

function connectTools() {
  $("sample").addEventListener("click", () => openNew({ seed: Math.floor(Math.random() * 1e6), number: 0 }));
  $("another").addEventListener("click", close);
  $("undo").addEventListener("click", undo);
  $("redo").addEventListener("click", redo);
  $("reset").addEventListener("click", () => change(() => state.edits.clear(), true));
  $("save").addEventListener("click", savePhoto);
  $("link").addEventListener("click", copyLink);
  $("preset-save").addEventListener("click", savePreset);
  $("exactly").addEventListener("change", () => render.requestRender(performance.now()));
  $("compare").addEventListener("input", () => {
    const value = $("compare").value;
    $("compare").setAttribute("aria-valuetext", value === "0" ? "all after" : `${value} per cent before`);
    paint();
  });
  $("zoom").addEventListener("click", () => {
    state.zoomed = !state.zoomed;
    $("zoom").setAttribute("aria-pressed", String(state.zoomed));
    layOut();
  });
  document.addEventListener("keydown", (event) => {
    if ($("edit").hidden || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.target.matches("input[type=text], input[type=number]")) return;
    event.preventDefault();
    if (event.shiftKey) redo();
    else undo();
  });
}

export async function open(file) {
  await attempt(async () => {
    const opened = await upload("portraits", file, state.shared.version.body_bytes);
    await show(opened, file.name.replace(/\.[^.]*$/, "") || "photo", file, null);
  }, `Looking for faces in ${file.name || "the photo"}…`);
}

// `sampling`: {seed, number, targets, exactly} as /api/portraits/new takes it.
export async function openNew(sampling) {
  await attempt(async () => {
    const opened = await post("portraits/new", sampling);
    await show(opened, `face-${sampling.seed}-${sampling.number}`, null, sampling);
    state.shared.show("edit");
  }, "Generating a face…");
}

// Open what a link names.
export async function restore(given) {
  const [seed, number] = given.get("face").split(".").map(Number);
  await openNew({ seed, number: number || 0, targets: parseAmounts(given.get("targets")), exactly: given.has("exactly") });
  if (!state.photo || !(["set", "hair", "lenses"].some((key) => given.has(key)))) return;
  const [colour, amount] = (given.get("hair") || "").split(":");
  const hair = colour ? { hair_colour: `#${colour}`, hair_amount: Number(amount || 1) } : {};
  const lenses = given.has("lenses") ? { lens_darkness: Number(given.get("lenses")) } : {};
  change(() => Object.assign(editOf(1), { set: parseAmounts(given.get("set")), ...hair, ...lenses }));
}

async function show(opened, name, file, sampling) {
  close();
  state.photo = { ...opened, name, sampling, bitmap: await bitmapOf(opened, file) };
  $("drop").hidden = true;
  $("shown").hidden = false;
  $("panel").hidden = false;
  $("link").hidden = sampling === null;
  choose(1);
  const count = opened.faces.length;
  tell(count === 1 ? "One face found; choose a look or move a slider." : `${count} faces found; choose one, then a look or a slider. Each keeps its own edits.`);
}

async function bitmapOf(opened, file) {
  const scale = Math.min(1, SHOWN_SIDE / Math.max(opened.width, opened.height));
  const size = scale < 1 ? { resizeWidth: Math.round(opened.width * scale), resizeQuality: "high" } : {};
  try {
    const bitmap = await createImageBitmap(file, size);
    // A browser that ignores the EXIF orientation has another aspect ratio than the server.
    if (Math.abs(bitmap.width / bitmap.height - opened.width / opened.height) < 0.02) return bitmap;
  } catch {
    // a format that this browser cannot decode: the server does
  }
  const { blob } = await picture(`portraits/${opened.id}/render`, { view: "photo", format: "webp", edits: [] });
  return createImageBitmap(blob, size);
}

function close() {
  if (state.photo) call("DELETE", `portraits/${state.photo.id}`).catch(() => {});
  clear();
  clearLooks();
  clearRegion();
  render.cancel();
  $("zoom").setAttribute("aria-pressed", "false");
  $("compare").value = 0;
  $("drop").hidden = false;
  $("shown").hidden = true;
  $("panel").hidden = true;
}

function choose(face) {
  state.face = face;
  clearLooks();
  buildSliders();
  layOut();
  loadLooks();
  scheduleRegion();
  render.showIdentity();
}

// The face that is open, for the other tabs.
export function current() {
  const { photo, face } = state;
  return photo ? { portrait: photo.id, face, name: photo.name } : null;
}
