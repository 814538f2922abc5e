// Looks as edits: how much of one the edit of the shown face has, and taking one.

import { GLASSES, currentValue, editOf, release, state, target } from "./edit-state.js";

const LEAST = -0.02; // share below which an edit goes another way than the look

// Share of the way to a look that the edit goes; null where it does not change what the look does.
export function shareOf({ edit: look }) {
  const { set, hair_colour, hair_amount, lens_darkness } = editOf(state.face);
  if (look.hair_colour) return look.hair_colour === hair_colour ? hair_amount : null;
  // Clear glasses and sunglasses differ in their lenses alone.
  if (look.set[GLASSES] > 0.5 && look.lens_darkness > 0.5 !== lens_darkness > 0.5) return null;
  const shares = Object.entries(look.set).map(([name, end]) => share(set[name], currentValue(name), end));
  const same = shares.every((one) => one !== null && Math.abs(one - shares[0]) < 0.02);
  return same && shares[0] > LEAST ? Math.max(0, shares[0]) : null;
}

function share(value, start, end) {
  return value === undefined || end === start ? null : (value - start) / (end - start);
}

// Go that share of the way to a look; by default as far as its preview shows.
export function take({ edit: look }, amount = look.strength) {
  const edit = editOf(state.face);
  if (look.hair_colour) Object.assign(edit, { hair_colour: look.hair_colour, hair_amount: Math.min(1.5, amount) });
  if (GLASSES in look.set && look.lens_darkness > 0.5 !== edit.lens_darkness > 0.5) edit.lens_darkness = look.lens_darkness;
  for (const [name, end] of Object.entries(look.set)) {
    const start = currentValue(name);
    edit.set[name] = target(start + amount * (end - start));
    release(edit.keep, name);
  }
}
