// The Morph tab: a latent interpolation from one face to another.

import { call, picture, post, upload } from "./api.js";
import { $, acceptDrops, attempt, connectFileInput, download, element, tell } from "./dom.js";

const STEPS = 24;
const PER_SECOND = 12;
const SIDE = 256;

let shared;
let slots;
let frames = [];
let playing = 0;
let latest = new AbortController();

export function start(given) {
  shared = given;
  slots = ["First face", "Second face"].map(slot);
  $("slots").append(...slots.map((one) => one.place));
  $("morph-position").max = STEPS - 1;
  $("morph-position").addEventListener("input", () => show(Number($("morph-position").value)));
  $("morph-play").addEventListener("click", play);
  $("morph-save").addEventListener("click", save);
  window.addEventListener("facedial:tab", (event) => {
    if (event.detail !== "morph") stop();
    for (const one of slots) one.current.hidden = !shared.edit.current();
  });
}

function slot(title) {
  const choose = element("button", { type: "button", textContent: "Choose a photo" });
  const generated = element("button", { type: "button", textContent: "A new face" });
  const current = element("button", { type: "button", textContent: "The face in Edit", hidden: true });
  const input = element("input", { type: "file", accept: "image/*,.heic", hidden: true });
  input.setAttribute("aria-label", `${title}: photo`);
  const image = element("img", { alt: title, hidden: true });
  const row = element("p", { className: "row center" }, choose, generated, current);
  const place = element("div", { className: "slot" }, element("h2", { textContent: title }), image, row, input);
  const one = { place, image, current, face: null, owned: false };
  const open = ([file]) =>
    attempt(async () => {
      const opened = await upload("portraits", file, shared.version.body_bytes);
      await fill(one, { portrait: opened.id, face: 1 }, true);
    }, `Looking for faces in ${file.name}…`);
  connectFileInput(choose, input, open);
  acceptDrops(place, open);
  generated.addEventListener("click", () =>
    attempt(async () => {
      const opened = await post("portraits/new", { seed: Math.floor(Math.random() * 1e6) });
      await fill(one, { portrait: opened.id, face: 1 }, true);
    }, "Generating a face…"),
  );
  current.addEventListener("click", () => {
    const { portrait, face } = shared.edit.current();
    attempt(() => fill(one, { portrait, face }, false));
  });
  return one;
}

async function fill(one, face, owned) {
  const edits = [{ face: face.face }];
  const { blob } = await picture(`portraits/${face.portrait}/render`, { edits, size: SIDE, format: "webp" });
  if (one.owned) call("DELETE", `portraits/${one.face.portrait}`).catch(() => {});
  if (one.image.src) URL.revokeObjectURL(one.image.src);
  Object.assign(one, { face, owned });
  one.image.src = URL.createObjectURL(blob);
  one.image.hidden = false;
  tell("");
  if (slots.every((other) => other.face)) await morph();
}

const body = (format) => ({ through: slots.map((one) => one.face), steps: STEPS, per_second: PER_SECOND, format });

async function morph() {
  stop();
  latest.abort(); // a newer morph replaces an older one
  latest = new AbortController();
  const { signal } = latest;
  tell("Generating the faces between…");
  ({ frames } = await post("morph", body("frames"), { signal }));
  if (!$("morph").hidden) tell("");
  $("morph-result").hidden = false;
  show(Math.floor(STEPS / 2));
}

function show(step) {
  $("morph-position").value = step;
  $("morph-picture").src = frames[step];
}

function play() {
  if (playing) {
    stop();
    return;
  }
  $("morph-play").textContent = "Stop";
  $("morph-play").setAttribute("aria-pressed", "true");
  let step = Number($("morph-position").value);
  let direction = 1;
  playing = setInterval(() => {
    if (step + direction < 0 || step + direction >= STEPS) direction = -direction;
    step += direction;
    show(step);
  }, 1000 / PER_SECOND);
}

function stop() {
  clearInterval(playing);
  playing = 0;
  $("morph-play").textContent = "Play";
  $("morph-play").setAttribute("aria-pressed", "false");
}

async function save() {
  await attempt(async () => {
    const response = await call("POST", "morph", { json: body("webp") });
    download(await response.blob(), "morph.webp");
    tell("Saved.");
  });
}
