// A photo, its faces, and sliders that follow the hand.

import { call, picture, post, upload } from "./api.js";
import { $, attempt, chooses, download, element, grouped, takesFiles, tell, warn, weakness } from "./dom.js";

const LOW = -0.5;
const HIGH = 1.5;
const SHIFT = 3; // standard deviations either way, of a slider of one's own
const RESTED_MS = 350; // after which the whole photo is made
const SHARPEST = 3000; // pixels of the photo's longer side kept for showing
const NEAR = 384; // pixels of a face while the hand moves, at most
const SLOW_MS = 150; // after which the page says that it is working
const HOVER_MS = 120; // over a slider, before its change is worked out ahead

let shared;
let photo = null; // {id, name, width, height, faces, shown, link}
let chosen = 1; // the face whose sliders are shown
let states = new Map(); // face -> {set, add, keep}
let past = [];
let future = [];
let closeUps = new Map(); // face -> {bitmap, box}
let whole = null; // the whole photo after all edits, once the hand has rested
let zoomed = false;
let resting = 0;
let version = 0; // counts changes: what comes back late is not shown
let running = false;
let alsoSaid = false; // whether the line above the photo says what was set besides
let ahead = new Set(); // what has been worked out before the hand moved: "face name target"
let hovering = 0;
let asked = null; // the newest input that waits for its picture: {at, every}

export function start(given) {
  shared = given;
  chooses($("choose"), $("file"), ([file]) => open(file));
  takesFiles($("drop"), ([file]) => open(file));
  takesFiles($("frame"), ([file]) => open(file));
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file && !$("edit").hidden) open(file);
  });
  // A photo dropped beside the zones must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  $("sample").addEventListener("click", () => openNew({ seed: Math.floor(Math.random() * 1e6), number: 0 }));
  $("another").addEventListener("click", close);
  $("undo").addEventListener("click", () => travel(past, future));
  $("redo").addEventListener("click", () => travel(future, past));
  $("reset").addEventListener("click", () => change(() => states.clear()));
  $("save").addEventListener("click", save);
  $("link").addEventListener("click", copyLink);
  $("wipe").addEventListener("input", () => {
    const value = $("wipe").value;
    $("wipe").setAttribute("aria-valuetext", value === "0" ? "all after" : `${value} per cent before`);
    paint();
  });
  $("zoom").addEventListener("click", () => {
    zoomed = !zoomed;
    $("zoom").setAttribute("aria-pressed", String(zoomed));
    layOut();
  });
  $("exactly").addEventListener("change", () => ask(performance.now()));
  $("preset-save").addEventListener("click", savePreset);
  chooses($("preset-load"), $("preset-file"), ([file]) => loadPreset(file));
  document.addEventListener("keydown", (event) => {
    if ($("edit").hidden || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.target.matches("input[type=text], input[type=number]")) return;
    event.preventDefault();
    if (event.shiftKey) travel(future, past);
    else travel(past, future);
  });
  window.addEventListener("resize", layOut);
  window.addEventListener("facedial:tab", (event) => event.detail === "edit" && layOut());
  window.addEventListener("facedial:directions", () => photo && buildSliders());
}

// ---- opening ----

export async function open(file) {
  await attempt(async () => {
    const opened = await upload("portraits", file, shared.version.body_bytes);
    await take(opened, file.name.replace(/\.[^.]*$/, "") || "photo", file, null);
  }, `Looking for faces in ${file.name || "the photo"}…`);
}

// `wish`: {seed, number, wanted, exactly} as /api/portraits/new takes it.
export async function openNew(wish) {
  await attempt(async () => {
    const opened = await post("portraits/new", wish);
    await take(opened, `face-${wish.seed}-${wish.number}`, null, wish);
    shared.show("edit");
  }, "Drawing a face…");
}

export async function restore(given) {
  const [seed, number] = given.get("face").split(".").map(Number);
  const wanted = amounts(given.get("wish"));
  await openNew({ seed, number: number || 0, wanted, exactly: given.has("exactly") });
  if (photo && given.has("set")) change(() => state(1).set = amounts(given.get("set")));
}

function amounts(text) {
  const pairs = (text || "").split(",").filter(Boolean).map((pair) => pair.split(":"));
  return Object.fromEntries(pairs.map(([name, amount]) => [name, Number(amount)]));
}

async function take(opened, name, file, wish) {
  close();
  photo = { ...opened, name, wish, shown: await bitmapOf(opened, file) };
  $("drop").hidden = true;
  $("shown").hidden = false;
  $("panel").hidden = false;
  $("link").hidden = wish === null;
  choose(1);
  const count = opened.faces.length;
  tell(count === 1 ? "One face found; move a slider." : `${count} faces found; choose one, then move a slider.`);
}

async function bitmapOf(opened, file) {
  const scale = Math.min(1, SHARPEST / Math.max(opened.width, opened.height));
  const size = scale < 1 ? { resizeWidth: Math.round(opened.width * scale), resizeQuality: "high" } : {};
  try {
    const bitmap = await createImageBitmap(file, size);
    // A browser that leaves the photo lying on its side shows another shape than the server saw.
    if (Math.abs(bitmap.width / bitmap.height - opened.width / opened.height) < 0.02) return bitmap;
  } catch {
    // a format that this browser does not read: the server shows it
  }
  const { blob } = await picture(`portraits/${opened.id}/render`, { view: "photo", format: "webp", edits: [] });
  return createImageBitmap(blob, size);
}

function close() {
  if (photo) call("DELETE", `portraits/${photo.id}`).catch(() => {});
  photo = null;
  states = new Map();
  past = [];
  future = [];
  closeUps = new Map();
  whole = null;
  zoomed = false;
  version += 1;
  clearTimeout(resting);
  ahead = new Set();
  clearTimeout(hovering);
  $("zoom").setAttribute("aria-pressed", "false");
  $("wipe").value = 0;
  $("drop").hidden = false;
  $("shown").hidden = true;
  $("panel").hidden = true;
  mayTravel();
}

// ---- faces and sliders ----

function state(face) {
  if (!states.has(face)) states.set(face, { set: {}, add: {}, keep: [] });
  return states.get(face);
}

function choose(face) {
  chosen = face;
  buildSliders();
  layOut();
}

function outlines() {
  const alone = photo.faces.length === 1;
  $("outlines").hidden = zoomed;
  $("outlines").replaceChildren(
    ...photo.faces.map(({ number, box, close_up }) => {
      const [x0, y0, x1, y1] = box || close_up;
      const button = element("button", { type: "button", className: alone ? "alone" : "" });
      if (!alone) button.append(element("span", { textContent: String(number) }));
      button.setAttribute("aria-label", `Face ${number}`);
      button.setAttribute("aria-pressed", String(number === chosen));
      Object.assign(button.style, {
        left: `${(100 * x0) / photo.width}%`,
        top: `${(100 * y0) / photo.height}%`,
        width: `${(100 * (x1 - x0)) / photo.width}%`,
        height: `${(100 * (y1 - y0)) / photo.height}%`,
      });
      button.addEventListener("click", () => choose(number));
      return button;
    }),
  );
}

function buildSliders() {
  const face = photo.faces[chosen - 1];
  const rows = grouped(
    shared.attributes.filter((one) => one.name in face.current_values),
    (one) => slider(one.name, [one.label, ...weakness(one)], "set", face.current_values[one.name]),
  );
  if (shared.directions.length) {
    const own = shared.directions.map((one) => slider(one.name, [one.name], "add", 0));
    rows.unshift(element("details", { open: true }, element("summary", { textContent: "Your own" }), ...own));
  }
  $("sliders").replaceChildren(...rows);
  refresh();
}

// `kind`: "set" goes to a reading and begins at the face's own; "add" shifts and begins at 0.
function slider(name, label, kind, own) {
  const id = `slider-${name.replace(/\W/g, "-")}`;
  const [low, high] = kind === "set" ? [Math.min(LOW, own), Math.max(HIGH, own)] : [-SHIFT, SHIFT];
  const input = element("input", { id, type: "range", min: low, max: high, step: "any" });
  const keep = element("button", { type: "button", textContent: "Protect", className: "keep" });
  const back = element("button", { type: "button", textContent: "Put back", className: "back" });
  keep.setAttribute("aria-label", `Protect ${name.replaceAll("_", " ")}`);
  back.setAttribute("aria-label", `Put back ${name.replaceAll("_", " ")}`);
  const row = element(
    "div",
    { className: "slider", dataset: { name, kind, own: String(own) } },
    element("label", { htmlFor: id }, ...label),
    element("output", { htmlFor: id }),
    keep,
    back,
    input,
  );
  let before = null; // the states as they were when the hand came
  const begin = () => (before ??= snapshot());
  input.addEventListener("pointerdown", begin);
  input.addEventListener("keydown", (event) => {
    // The browser's own step of a slider without steps is too fine for keys.
    const step = { ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") putBack();
    if (step === undefined) return;
    event.preventDefault();
    begin();
    input.value = Number(input.value) + step;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("input", (event) => {
    begin();
    const reach = kind === "set" ? Math.min(HIGH, Math.max(LOW, Number(input.value))) : Number(input.value);
    state(chosen)[kind][name] = Math.round(reach * 1000) / 1000;
    drop(state(chosen).keep, name);
    refresh();
    ask(event.timeStamp || performance.now());
  });
  input.addEventListener("change", () => {
    if (before !== null) remember(before);
    before = null;
  });
  const putBack = () => change(() => delete state(chosen)[kind][name]);
  const comes = () => {
    clearTimeout(hovering);
    if (kind === "set") hovering = setTimeout(workAhead, HOVER_MS, chosen, name, own < 0.5 ? 1 : 0);
  };
  row.addEventListener("pointerenter", comes);
  row.addEventListener("pointerleave", () => clearTimeout(hovering));
  input.addEventListener("focus", comes);
  row.addEventListener("dblclick", (event) => {
    if (event.target === keep) return;
    event.preventDefault();
    putBack();
  });
  back.addEventListener("click", putBack);
  keep.addEventListener("click", () =>
    change(() => {
      const kept = state(chosen).keep;
      if (!drop(kept, name)) kept.push(name);
      if (kept.includes(name)) for (const amount of ["set", "add"]) delete state(chosen)[amount][name];
    }),
  );
  return row;
}

function drop(list, item) {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

// Sliders as the state has them.
function refresh() {
  const { set, add, keep } = state(chosen);
  for (const row of $("sliders").querySelectorAll(".slider")) {
    const { name, kind, own } = row.dataset;
    const amount = { set, add }[kind][name];
    const value = amount ?? Number(own);
    row.querySelector("input").value = value;
    row.querySelector("output").textContent = value.toFixed(2);
    row.classList.toggle("changed", amount !== undefined);
    row.querySelector(".back").disabled = amount === undefined;
    row.querySelector(".keep").setAttribute("aria-pressed", String(keep.includes(name)));
  }
}

// ---- history ----

const snapshot = () => JSON.stringify([...states]);

function remember(before) {
  if (before === snapshot()) return;
  past.push(before);
  future = [];
  mayTravel();
}

function change(action) {
  const before = snapshot();
  action();
  remember(before);
  refresh();
  ask(performance.now());
}

function travel(from, to) {
  if (!photo || !from.length) return;
  to.push(snapshot());
  states = new Map(JSON.parse(from.pop()));
  mayTravel();
  refresh();
  ask(performance.now(), true);
}

function mayTravel() {
  $("undo").disabled = !past.length;
  $("redo").disabled = !future.length;
  $("reset").disabled = !past.length && !future.length;
}

// ---- drawing ----

const body = (face) => ({ face, ...state(face), exactly: $("exactly").checked });
const touched = (face) => Object.keys(state(face).set).length + Object.keys(state(face).add).length > 0;
const learned = () => shared.directions.map((one) => one.id);

// The newest wins: while one picture is made, what is asked meanwhile is made next, once.
function ask(at, every = false) {
  if (!photo) return;
  version += 1;
  whole = null;
  clearTimeout(resting);
  const others = every ? photo.faces.map((one) => one.number).filter((face) => face !== chosen) : [];
  for (const face of others) if (!touched(face)) closeUps.delete(face);
  asked = { at, every: every || asked?.every };
  if (!running) follow();
}

async function follow() {
  running = true;
  const slow = setTimeout(working, SLOW_MS, true);
  try {
    while (asked && photo) {
      const { at, every } = asked;
      asked = null;
      const [now, face] = [photo, chosen];
      if (touched(face)) await near(now, face);
      else closeUps.delete(face);
      if (photo !== now) break;
      paint(every || !touched(face) ? null : now.faces[face - 1].close_up);
      measure(at);
    }
    if (photo) resting = setTimeout(rest, RESTED_MS, version);
  } catch (error) {
    if (error.status === 404 && photo) {
      close();
      error.message = "The photo was open for too long and has been forgotten; open it again.";
    }
    warn(error);
  } finally {
    running = false;
    clearTimeout(slow);
    working(false);
  }
}

function working(now) {
  $("frame").classList.toggle("working", now);
  $("frame").setAttribute("aria-busy", String(now));
}

// What an attribute makes of a face is worked out once, and then only multiplied: the server remembers
// it. So it is asked for when the hand comes near. Until it is there, the model's quick student draws.
async function workAhead(face, name, target) {
  const key = `${face} ${name} ${target}`;
  if (!photo || running || ahead.has(key)) return;
  ahead.add(key);
  const one = { ...body(face), set: { [name]: target }, add: {}, keep: [] };
  try {
    const json = { edits: [one], view: "face", size: nearSize(face), format: "jpg", directions: [] };
    await picture(`portraits/${photo.id}/render`, json);
  } catch {
    ahead.delete(key); // nobody asked for it; what goes wrong is told when the slider moves
  }
}

async function near(now, face) {
  const json = { edits: [body(face)], view: "face", size: nearSize(face), format: "jpg", quality: "fast", directions: learned() };
  const { blob, box, alsoSet } = await picture(`portraits/${now.id}/render`, json);
  const bitmap = await createImageBitmap(blob);
  if (photo !== now) return;
  closeUps.set(face, { bitmap, box });
  const names = Object.entries(alsoSet).map(([name, amount]) => `${label(name)} ${amount.toFixed(1)}`);
  // What else was said stays: only our own word is taken back.
  if (names.length) tell(`Also set, as it goes with that: ${names.join(", ")}.`);
  else if (alsoSaid) tell("");
  alsoSaid = names.length > 0;
}

const label = (name) => shared.attributes.find((one) => one.name === name)?.label ?? name;

const edits = () => photo.faces.map((one) => one.number).filter(touched).map(body);

// When the hand rests: the photo as it will be saved.
async function rest(at) {
  const now = photo;
  if (!now || version !== at || !edits().length) return;
  try {
    const json = { edits: edits(), view: "photo", format: "jpg", directions: learned() };
    const { blob } = await picture(`portraits/${now.id}/render`, json);
    const bitmap = await createImageBitmap(blob);
    if (photo !== now || version !== at) return;
    whole = bitmap;
    paint();
  } catch (error) {
    warn(error);
  }
}

// From the hand to the screen: what the page is judged by.
function measure(at) {
  requestAnimationFrame(() =>
    setTimeout(() => performance.measure("facedial:input-to-paint", { start: at, end: performance.now() })),
  );
}

// Three quarters of the pixels that the screen shows of a face's close-up: what moves may be softer.
function nearSize(face) {
  const [x0, y0, x1, y1] = photo.faces[face - 1].close_up;
  const [left, , right] = view();
  const shown = (Math.max(x1 - x0, y1 - y0) * $("canvas").width) / (right - left);
  return Math.min(NEAR, 64 * Math.max(2, Math.round((0.75 * shown) / 64)));
}

function layOut() {
  if (!photo || $("edit").hidden) return;
  const [x0, y0, x1, y1] = view();
  const room = $("shown").clientWidth;
  const high = Math.max(240, window.innerHeight * (window.innerWidth > 832 ? 0.72 : 0.42));
  const scale = Math.min(room / (x1 - x0), high / (y1 - y0), Math.max(4, 512 / (x1 - x0)));
  const canvas = $("canvas");
  const dots = window.devicePixelRatio || 1;
  canvas.width = Math.round((x1 - x0) * scale * dots);
  canvas.height = Math.round((y1 - y0) * scale * dots);
  Object.assign(canvas.style, { width: `${(x1 - x0) * scale}px`, height: `${(y1 - y0) * scale}px` });
  outlines();
  paint();
}

function view() {
  return zoomed ? photo.faces[chosen - 1].close_up : [0, 0, photo.width, photo.height];
}

// `only`: the part of the photo that has changed, in its pixels; all of it where none is given.
function paint(only = null) {
  if (!photo) return;
  const canvas = $("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const [x0, y0, x1, y1] = view();
  const scale = canvas.width / (x1 - x0);
  context.setTransform(scale, 0, 0, scale, -x0 * scale, -y0 * scale);
  context.save();
  if (only) {
    context.beginPath();
    context.rect(only[0], only[1], only[2] - only[0], only[3] - only[1]);
    context.clip();
  }
  context.imageSmoothingQuality = only ? "low" : "high";
  context.drawImage(photo.shown, 0, 0, photo.width, photo.height);
  const cut = x0 + ((x1 - x0) * $("wipe").value) / 100;
  context.save();
  context.beginPath();
  context.rect(cut, y0, x1 - cut, y1 - y0);
  context.clip();
  if (whole) context.drawImage(whole, 0, 0, photo.width, photo.height);
  else for (const { bitmap, box } of closeUps.values()) context.drawImage(bitmap, box[0], box[1], box[2] - box[0], box[3] - box[1]);
  context.restore();
  context.restore();
  if (cut > x0 && cut < x1) {
    context.fillStyle = "#fff";
    context.fillRect(cut - 1 / scale, y0, 2 / scale, y1 - y0);
  }
  const changes = edits().length;
  canvas.setAttribute("aria-label", `${zoomed ? `Face ${chosen}` : "The photo"}, ${changes ? "changed" : "as it is"}`);
}

// ---- keeping ----

async function save() {
  await attempt(async () => {
    const json = { edits: edits(), view: "photo", format: "png", directions: learned() };
    const { blob } = await picture(`portraits/${photo.id}/render`, json);
    download(blob, `${photo.name}-edited.png`);
    tell(edits().length ? "Saved; the picture says that it was changed." : "Saved as it is: nothing was changed.");
  }, "Making the photo…");
}

async function savePreset() {
  await attempt(async () => {
    const { face, ...edit } = body(chosen);
    for (const own of shared.directions) delete edit.add[own.name];
    const checked = await post("presets", edit);
    download(new Blob([`${JSON.stringify(checked, null, 1)}\n`], { type: "application/json" }), "preset.json");
    tell("Preset saved; `facedial edit --preset` reads it too.");
  });
}

async function loadPreset(file) {
  await attempt(async () => {
    let facts;
    try {
      facts = JSON.parse(await file.text());
    } catch {
      throw new Error(`${file.name} is no preset.`);
    }
    const { set, add, keep, exactly } = await post("presets", facts);
    change(() => states.set(chosen, { set, add, keep }));
    $("exactly").checked = exactly;
    tell("Preset loaded.");
  });
}

async function copyLink() {
  const { seed, number, wanted, exactly } = photo.wish;
  const pairs = (table) => Object.entries(table || {}).map(([name, amount]) => `${name}:${amount}`).join(",");
  const given = new URLSearchParams({ face: `${seed}.${number}` });
  if (pairs(wanted)) given.set("wish", pairs(wanted));
  if (exactly) given.set("exactly", "");
  if (pairs(state(1).set)) given.set("set", pairs(state(1).set));
  history.replaceState(null, "", `#${given}`);
  try {
    await navigator.clipboard.writeText(location.href);
    tell("The link is copied; it restores this face on any computer that runs facedial.");
  } catch {
    tell("The link is in the address bar; it restores this face.");
  }
}

// The face that is open now, for the other tabs.
export function current() {
  return photo ? { portrait: photo.id, face: chosen, name: photo.name } : null;
}
