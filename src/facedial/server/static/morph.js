// A walk from one face to another.

import { call, picture, post, upload } from "./api.js";
import { $, attempt, chooses, download, element, takesFiles, tell } from "./dom.js";

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
  $("walk-at").max = STEPS - 1;
  $("walk-at").addEventListener("input", () => at(Number($("walk-at").value)));
  $("walk-play").addEventListener("click", play);
  $("walk-save").addEventListener("click", save);
  window.addEventListener("facedial:tab", (event) => {
    if (event.detail !== "morph") stop();
    for (const one of slots) one.current.hidden = !shared.edit.current();
  });
}

function slot(title) {
  const choose = element("button", { type: "button", textContent: "Choose a photo" });
  const fresh = element("button", { type: "button", textContent: "A new face" });
  const current = element("button", { type: "button", textContent: "The face in Edit", hidden: true });
  const input = element("input", { type: "file", accept: "image/*,.heic", hidden: true });
  input.setAttribute("aria-label", `${title}: photo`);
  const image = element("img", { alt: title, hidden: true });
  const row = element("p", { className: "row center" }, choose, fresh, current);
  const place = element("div", { className: "slot" }, element("h2", { textContent: title }), image, row, input);
  const one = { place, image, current, at: null, own: false };
  const take = ([file]) =>
    attempt(async () => {
      const opened = await upload("portraits", file, shared.version.body_bytes);
      await fill(one, { portrait: opened.id, face: 1 }, true);
    }, `Looking for faces in ${file.name}…`);
  chooses(choose, input, take);
  takesFiles(place, take);
  fresh.addEventListener("click", () =>
    attempt(async () => {
      const opened = await post("portraits/new", { seed: Math.floor(Math.random() * 1e6) });
      await fill(one, { portrait: opened.id, face: 1 }, true);
    }, "Drawing a face…"),
  );
  current.addEventListener("click", () => {
    const { portrait, face } = shared.edit.current();
    attempt(() => fill(one, { portrait, face }, false));
  });
  return one;
}

async function fill(one, at, own) {
  const edits = [{ face: at.face }];
  const { blob } = await picture(`portraits/${at.portrait}/render`, { edits, size: SIDE, format: "webp" });
  if (one.own) call("DELETE", `portraits/${one.at.portrait}`).catch(() => {});
  if (one.image.src) URL.revokeObjectURL(one.image.src);
  Object.assign(one, { at, own });
  one.image.src = URL.createObjectURL(blob);
  one.image.hidden = false;
  tell("");
  if (slots.every((other) => other.at)) await walk();
}

const body = (format) => ({ through: slots.map((one) => one.at), steps: STEPS, per_second: PER_SECOND, format });

async function walk() {
  stop();
  latest.abort(); // of two walks the newer one is shown
  latest = new AbortController();
  const { signal } = latest;
  tell("Drawing the faces between…");
  ({ frames } = await post("morph", body("frames"), { signal }));
  if (!$("morph").hidden) tell("");
  $("walk").hidden = false;
  at(Math.floor(STEPS / 2));
}

function at(step) {
  $("walk-at").value = step;
  $("walk-picture").src = frames[step];
}

function play() {
  if (playing) {
    stop();
    return;
  }
  $("walk-play").textContent = "Stop";
  $("walk-play").setAttribute("aria-pressed", "true");
  let step = Number($("walk-at").value);
  let way = 1;
  playing = setInterval(() => {
    if (step + way < 0 || step + way >= STEPS) way = -way;
    step += way;
    at(step);
  }, 1000 / PER_SECOND);
}

function stop() {
  clearInterval(playing);
  playing = 0;
  $("walk-play").textContent = "Play";
  $("walk-play").setAttribute("aria-pressed", "false");
}

async function save() {
  await attempt(async () => {
    const response = await call("POST", "morph", { json: body("webp") });
    download(await response.blob(), "morph.webp");
    tell("Saved.");
  });
}
