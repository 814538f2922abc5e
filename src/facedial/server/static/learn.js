// The Learn tab: a new direction, and so a slider, from two sets of photos.

import { call, post, upload } from "./api.js";
import { $, acceptDrops, attempt, connectFileInput, download, element, tell } from "./dom.js";

const MIN_FACES = 4; // of each set

let shared;
let sets;

export function start(given) {
  shared = given;
  sets = [set("with", "Photos with it"), set("without", "Photos without it")];
  $("sets").append(...sets.map((one) => one.place));
  $("learn-form").addEventListener("submit", (event) => {
    event.preventDefault();
    learn();
  });
  connectFileInput($("direction-load"), $("direction-file"), ([file]) =>
    attempt(async () => keep(await upload("directions", file, shared.version.body_bytes))),
  );
}

function set(key, title) {
  const choose = element("button", { type: "button", textContent: "Choose photos" });
  const clear = element("button", { type: "button", textContent: "Clear" });
  const input = element("input", { type: "file", accept: "image/*,.heic", multiple: true, hidden: true });
  input.setAttribute("aria-label", title);
  const count = element("p", { className: "count", textContent: "No faces yet" });
  const errorText = element("p", { className: "fine" });
  const row = element("p", { className: "row center" }, choose, clear);
  const place = element("div", { className: "slot" }, element("h2", { textContent: title }), count, row, errorText, input);
  place.id = `set-${key}`;
  const one = { key, place, codes: [], count, errorText, errors: [] };
  const encodeAll = (files) => attempt(() => encode(one, files));
  connectFileInput(choose, input, encodeAll);
  acceptDrops(place, encodeAll);
  clear.addEventListener("click", () => {
    one.codes = [];
    one.errors = [];
    describe(one);
  });
  return one;
}

async function encode(one, files) {
  for (const [number, file] of files.entries()) {
    tell(`Encoding photo ${number + 1} of ${files.length}…`);
    try {
      const { codes } = await upload("codes", file, shared.version.body_bytes);
      one.codes.push(codes[0]); // of the largest face
    } catch (error) {
      if (![413, 415, 422].includes(error.status)) throw error;
      one.errors.push(`${file.name}: ${error.message}`);
    }
    describe(one);
  }
  tell("");
}

function describe(one) {
  const faces = one.codes.length;
  one.count.textContent = faces === 0 ? "No faces yet" : faces === 1 ? "1 face" : `${faces} faces`;
  one.errorText.textContent = one.errors.join(" · ");
  $("learn-submit").disabled = sets.some((other) => other.codes.length < MIN_FACES);
}

async function learn() {
  await attempt(async () => {
    const balance = [$("balance-male").checked && "Male", $("balance-young").checked && "Young"].filter(Boolean);
    const [positives, negatives] = sets.map((one) => one.codes);
    const name = $("learn-name").value.trim();
    keep(await post("learn", { name, with: positives, without: negatives, balance }));
  }, "Learning…");
}

function keep(direction) {
  const same = shared.directions.findIndex((one) => one.name === direction.name);
  if (same >= 0) shared.directions.splice(same, 1);
  shared.directions.push(direction);
  describeAll();
  tell(`${direction.name} is a slider of the Edit tab now, under Learned.`);
}

function describeAll() {
  $("learned").replaceChildren(
    ...shared.directions.map((one) => {
      const file = element("button", { type: "button", textContent: "Save the direction" });
      const remove = element("button", { type: "button", textContent: "Remove" });
      file.addEventListener("click", () =>
        attempt(async () => {
          const response = await call("GET", `directions/${one.id}`);
          download(await response.blob(), `${one.name}.npz`);
        }),
      );
      remove.addEventListener("click", () => {
        shared.directions.splice(shared.directions.indexOf(one), 1);
        describeAll();
      });
      const title = `${one.name}: held-out AUC ${one.report.auc.toFixed(2)}`;
      return element(
        "div",
        { className: "report" },
        element("h3", { textContent: title }),
        element("pre", { textContent: one.report.text }),
        element("p", { className: "row" }, file, remove),
      );
    }),
  );
  window.dispatchEvent(new CustomEvent("facedial:directions"));
}
