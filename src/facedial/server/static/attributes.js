// Attributes: their groups, their labels, and amounts of them as text.

import { element } from "./dom.js";

const GROUPS = [
  ["mouth", "Expression"],
  ["hair", "Hair"],
  ["person", "Person and age"],
  ["worn", "Worn"],
  ["beard", "Beard"],
  ["eyes", "Eyes and brows"],
  ["shape", "Shape"],
  ["skin", "Skin"],
  ["picture", "Picture"],
];
const OPEN = new Set(["mouth", "hair"]);

// One <details> for each group that has attributes.
export function grouped(attributes, row) {
  return GROUPS.map(([group, title]) => [title, group, attributes.filter((one) => one.group === group)])
    .filter(([, , some]) => some.length)
    .map(([title, group, some]) =>
      element("details", { open: OPEN.has(group), dataset: { group } }, element("summary", { textContent: title }), ...some.map(row)),
    );
}

export function weakness(attribute) {
  if (!attribute.weak) return [];
  const title = `The classifier of this attribute has an AUC of only ${attribute.auc?.toFixed(2)}: edits of it change little.`;
  return [" ", element("span", { className: "weak", title, textContent: "weak" })];
}

export const labelOf = (attributes, name) => attributes.find((one) => one.name === name)?.label ?? name;

// Amounts of attributes as text of a link: "Smiling:1,Male:0".
export const formatAmounts = (amounts) => Object.entries(amounts || {}).map(([name, amount]) => `${name}:${amount}`).join(",");

export function parseAmounts(text) {
  const pairs = (text || "").split(",").filter(Boolean).map((pair) => pair.split(":"));
  return Object.fromEntries(pairs.map(([name, amount]) => [name, Number(amount)]));
}
