// The row of looks: previews on the person's own face, one click to take one, a slider for its strength.

import { call, get } from "./api.js";
import { $, element, warn } from "./dom.js";
import { clearHair, COLOURS, fillHair } from "./edit-hair.js";
import { shareOf, take } from "./edit-look.js";
import { cancelPrefetch, schedulePrefetch } from "./edit-render.js";
import { GLASSES, change, editOf, onMove, release, state } from "./edit-state.js";

const PRESSED = 0.04; // share of a look from which on it counts as taken

let loading = new AbortController(); // of the face that is shown
let shown = null; // the look whose strength is shown: the one taken last

export function startLooks() {
  onMove($("look-strength"), (value) => shown && take(shown, Number(value)));
  $("looks").addEventListener("keydown", moveFocus);
}

export function clearLooks() {
  loading.abort();
  loading = new AbortController();
  shown = null;
  state.looks = [];
  $("looks-box").hidden = false; // its place is kept, so that sliders do not move when the list comes
  $("looks").replaceChildren();
}

// Lists the looks of the face that is shown, then fetches their previews, one after the other.
export async function loadLooks() {
  const { photo, face } = state;
  const { signal } = loading;
  try {
    const found = await get(`portraits/${photo.id}/looks?face=${face}`);
    if (signal.aborted) return;
    state.looks = found;
    const some = found.filter((one) => one.unavailable === null);
    $("looks").replaceChildren(...some.map(button));
    $("looks-box").hidden = some.length === 0;
    if ($("looks").firstElementChild) $("looks").firstElementChild.tabIndex = 0;
    fillHair();
    refreshLooks();
    for (const one of some) await showPreview(one, photo, face, signal);
  } catch (error) {
    if (!signal.aborted) $("looks-box").hidden = $("looks").childElementCount === 0;
    // Nothing depends on previews: that a photo has expired is told when it is edited.
    if (!signal.aborted && ![404, 503].includes(error.status)) warn(error);
  }
}

async function showPreview(one, photo, face, signal) {
  const image = $("looks").querySelector(`[data-look="${one.name}"] img`);
  // The server makes previews when it has nothing else to do.
  const response = await call("GET", `portraits/${photo.id}/looks/${one.name}?face=${face}`, { signal, priority: "low" });
  const url = URL.createObjectURL(await response.blob());
  image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  image.src = url;
}

export function refreshLooks() {
  for (const button of $("looks").children) {
    const one = state.looks.find((look) => look.name === button.dataset.look);
    button.setAttribute("aria-pressed", String((shareOf(one) ?? 0) >= PRESSED));
  }
  const share = shown && shareOf(shown);
  if (share === null) shown = null;
  $("look-strength-box").hidden = shown === null;
  if (shown === null) return;
  $("look-strength-label").textContent = `Strength: ${shown.label}`;
  $("look-strength-value").textContent = share.toFixed(2);
  $("look-strength").value = share;
}

function button(one) {
  const made = element(
    "button",
    { type: "button", tabIndex: -1, dataset: { look: one.name } },
    element("img", { alt: "", width: 72, height: 72 }),
    element("span", { textContent: one.label }),
  );
  made.setAttribute("aria-pressed", "false");
  const [first] = Object.entries(one.edit.set);
  const prefetch = () => first && schedulePrefetch(state.face, ...first);
  made.addEventListener("click", () => change(() => toggle(one)));
  made.addEventListener("pointerenter", prefetch);
  made.addEventListener("focus", prefetch);
  made.addEventListener("pointerleave", cancelPrefetch);
  return made;
}

function toggle(one) {
  const edit = editOf(state.face);
  const taken = (shareOf(one) ?? 0) >= PRESSED;
  if (one.is_hair_colour) {
    clearHair(edit);
    release(edit.keep, ...COLOURS.keys());
  }
  for (const name of Object.keys(one.edit.set)) delete edit.set[name];
  if (GLASSES in one.edit.set) edit.lens_darkness = null;
  shown = taken ? null : one;
  if (!taken) take(one);
}

// One stop of the Tab key for the whole row; arrows move within it.
function moveFocus(event) {
  const all = [...$("looks").children];
  const at = all.indexOf(document.activeElement);
  const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  const to = all[(next + all.length) % all.length];
  all[at].tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}
