// The Generate tab: new faces by seed and attributes.

import { post } from "./api.js";
import { formatAmounts, grouped, labelOf, parseAmounts, weakness } from "./attributes.js";
import { $, attempt, element, tell } from "./dom.js";

let shared;
let latest = new AbortController();

export function start(given) {
  shared = given;
  buildSelects();
  $("generate-form").addEventListener("submit", (event) => {
    event.preventDefault();
    generate();
  });
  $("random-seed").addEventListener("click", () => {
    $("seed").value = Math.floor(Math.random() * 1e6);
    generate();
  });
  $("targets-clear").addEventListener("click", () => {
    for (const select of $("targets").querySelectorAll("select")) select.value = "";
  });
  window.addEventListener("facedial:tab", (event) => {
    if (event.detail === "generate" && !$("faces").childElementCount) generate();
  });
}

export async function restore(given) {
  $("seed").value = given.get("seed");
  for (const [name, amount] of Object.entries(parseAmounts(given.get("targets")))) {
    const select = $(`targets-${name}`);
    if (select) select.value = String(amount);
  }
  shared.show("generate");
}

function buildSelects() {
  $("targets").replaceChildren(
    ...grouped(shared.attributes, (one) => {
      const select = element(
        "select",
        { id: `targets-${one.name}` },
        element("option", { value: "", textContent: "any" }),
        element("option", { value: "1", textContent: "with" }),
        element("option", { value: "0", textContent: "without" }),
      );
      select.dataset.name = one.name;
      const text = element("label", { htmlFor: select.id }, one.label, ...weakness(one));
      return element("div", { className: "targets" }, text, select);
    }),
  );
}

function targets() {
  const chosen = [...$("targets").querySelectorAll("select")].filter((select) => select.value !== "");
  return Object.fromEntries(chosen.map((select) => [select.dataset.name, Number(select.value)]));
}

async function generate() {
  if (!$("generate-form").reportValidity()) return;
  const sampling = { seed: Number($("seed").value), targets: targets(), exactly: $("targets-exactly").checked };
  // A newer request replaces an older one, whichever is answered first.
  latest.abort();
  latest = new AbortController();
  const { signal } = latest;
  await attempt(async () => {
    const { faces, implied: also } = await post("generate", { ...sampling, count: Number($("count").value) }, { signal });
    $("faces").replaceChildren(
      ...faces.map(({ number, picture }) => {
        const image = element("img", { src: picture, alt: "", width: 256, height: 256 });
        const button = element("button", { type: "button" }, image);
        button.setAttribute("aria-label", `Edit new face ${number + 1}`);
        button.addEventListener("click", () => shared.edit.openNew({ ...sampling, number }));
        return button;
      }),
    );
    if ($("generate").hidden) return; // the status line belongs to another tab now
    const pairs = formatAmounts(sampling.targets);
    history.replaceState(null, "", `#${new URLSearchParams({ seed: sampling.seed, ...(pairs && { targets: pairs }) })}`);
    const names = Object.entries(also).map(([name, amount]) => `${labelOf(shared.attributes, name)} ${amount ? "with" : "without"}`);
    tell(names.length ? `Implied attributes also set: ${names.join(", ")}.` : `${faces.length} new faces.`);
  }, "Generating faces…");
}
