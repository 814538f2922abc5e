// What leaves the Edit tab: the edited photo, presets, links to a new face.

import { picture, post } from "./api.js";
import { formatAmounts } from "./attributes.js";
import { $, attempt, download, tell } from "./dom.js";
import { allRequests, change, directionIds, editOf, requestOf, state } from "./edit-state.js";

export async function savePhoto() {
  await attempt(async () => {
    const { photo } = state;
    const edits = allRequests();
    const json = { edits, view: "photo", format: "png", directions: directionIds() };
    const { blob } = await picture(`portraits/${photo.id}/render`, json);
    download(blob, `${photo.name}-edited.png`);
    tell(edits.length ? "Saved, with the mark of an edited picture." : "Saved without edits.");
  }, "Rendering the photo…");
}

export async function savePreset() {
  await attempt(async () => {
    const { face, ...edit } = requestOf(state.face);
    const add = { ...edit.add };
    for (const { name } of state.shared.directions) delete add[name]; // a preset has no learned directions
    const checked = await post("presets", { ...edit, add });
    download(new Blob([`${JSON.stringify(checked, null, 1)}\n`], { type: "application/json" }), "preset.json");
    tell("Preset saved; `facedial edit --preset` reads it too.");
  });
}

export async function loadPreset(file) {
  await attempt(async () => {
    let facts;
    try {
      facts = JSON.parse(await file.text());
    } catch {
      throw new Error(`${file.name} is not a preset.`);
    }
    const { exactly, strength: _, ...edit } = await post("presets", facts);
    change(() => state.edits.set(state.face, edit));
    $("exactly").checked = exactly;
    tell("Preset loaded.");
  });
}

// A link that opens the same new face with the same edit, from its seed.
export async function copyLink() {
  const { seed, number, targets, exactly } = state.photo.sampling;
  const given = new URLSearchParams({ face: `${seed}.${number}` });
  const pairs = { targets: formatAmounts(targets), set: formatAmounts(editOf(1).set) };
  for (const [key, text] of Object.entries(pairs)) if (text) given.set(key, text);
  const { hair_colour, hair_amount, lens_darkness } = editOf(1);
  if (hair_colour) given.set("hair", `${hair_colour.slice(1)}:${hair_amount}`);
  if (lens_darkness !== null) given.set("lenses", lens_darkness);
  if (exactly) given.set("exactly", "");
  history.replaceState(null, "", `#${given}`);
  try {
    await navigator.clipboard.writeText(location.href);
    tell("The link is copied; it opens this face on any computer that runs facedial.");
  } catch {
    tell("The link is in the address bar; it opens this face.");
  }
}
