// New faces by seed and wishes.

import { post } from "./api.js";
import { $, attempt, element, grouped, tell, weakness } from "./dom.js";

let shared;
let latest = new AbortController();

export function start(given) {
  shared = given;
  buildWishes();
  $("wish").addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  $("dice").addEventListener("click", () => {
    $("seed").value = Math.floor(Math.random() * 1e6);
    draw();
  });
  $("wish-clear").addEventListener("click", () => {
    for (const select of $("wishes").querySelectorAll("select")) select.value = "";
  });
  window.addEventListener("facedial:tab", (event) => {
    if (event.detail === "generate" && !$("faces").childElementCount) draw();
  });
}

export async function restore(given) {
  $("seed").value = given.get("seed");
  for (const pair of (given.get("wish") || "").split(",").filter(Boolean)) {
    const [name, amount] = pair.split(":");
    const select = document.getElementById(`wish-${name}`);
    if (select) select.value = amount;
  }
  shared.show("generate");
}

function buildWishes() {
  $("wishes").replaceChildren(
    ...grouped(shared.attributes, (one) => {
      const select = element(
        "select",
        { id: `wish-${one.name}` },
        element("option", { value: "", textContent: "open" }),
        element("option", { value: "1", textContent: "with" }),
        element("option", { value: "0", textContent: "without" }),
      );
      select.dataset.name = one.name;
      const text = element("label", { htmlFor: select.id }, one.label, ...weakness(one));
      return element("div", { className: "wish" }, text, select);
    }),
  );
}

function wanted() {
  const chosen = [...$("wishes").querySelectorAll("select")].filter((select) => select.value !== "");
  return Object.fromEntries(chosen.map((select) => [select.dataset.name, Number(select.value)]));
}

async function draw() {
  if (!$("wish").reportValidity()) return;
  const wish = { seed: Number($("seed").value), wanted: wanted(), exactly: $("wish-exactly").checked };
  // Of two wishes the newer one wins, whichever is drawn first.
  latest.abort();
  latest = new AbortController();
  const { signal } = latest;
  await attempt(async () => {
    const { faces, also_set: also } = await post("generate", { ...wish, count: Number($("count").value) }, { signal });
    $("faces").replaceChildren(
      ...faces.map(({ number, picture }) => {
        const image = element("img", { src: picture, alt: "", width: 128, height: 128 });
        const button = element("button", { type: "button" }, image);
        button.setAttribute("aria-label", `New face ${number + 1}: change it`);
        button.addEventListener("click", () => shared.edit.openNew({ ...wish, number }));
        return button;
      }),
    );
    if ($("generate").hidden) return; // whoever went on to another tab reads that one's messages
    const pairs = Object.entries(wish.wanted).map(([name, amount]) => `${name}:${amount}`).join(",");
    history.replaceState(null, "", `#${new URLSearchParams({ seed: wish.seed, ...(pairs && { wish: pairs }) })}`);
    const names = Object.entries(also).map(([name, amount]) => `${labelOf(name)} ${amount ? "with" : "without"}`);
    tell(names.length ? `Also wanted, as it goes with that: ${names.join(", ")}.` : `${faces.length} new faces.`);
  }, "Drawing faces…");
}

const labelOf = (name) => shared.attributes.find((one) => one.name === name)?.label ?? name;
