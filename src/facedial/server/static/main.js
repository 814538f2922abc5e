// Tabs, the address's hash, and what the tabs share.

import { get, useToken } from "./api.js";
import { $, attempt, tell } from "./dom.js";
import * as edit from "./edit.js";
import * as generate from "./generate.js";
import * as learn from "./learn.js";
import * as morph from "./morph.js";

const TABS = ["edit", "generate", "morph", "learn"];

export function show(name) {
  for (const tab of TABS) {
    const chosen = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
    $(tab).hidden = !chosen;
  }
  tell("");
  window.dispatchEvent(new CustomEvent("facedial:tab", { detail: name }));
}

function startTabs() {
  const list = document.querySelector("[role=tablist]");
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) show(tab.getAttribute("aria-controls"));
  });
  list.addEventListener("keydown", (event) => {
    const at = TABS.findIndex((tab) => $(`tab-${tab}`) === document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = TABS[(next + TABS.length) % TABS.length];
    show(tab);
    $(`tab-${tab}`).focus();
  });
}

// A token comes with the address and leaves it at once: it is for this window alone.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("token")) {
    sessionStorage.setItem("facedial-token", given.get("token"));
    given.delete("token");
    history.replaceState(null, "", given.size ? `#${given}` : location.pathname);
  }
  useToken(sessionStorage.getItem("facedial-token"));
  return given;
}

async function start() {
  const given = takeToken();
  startTabs();
  await attempt(async () => {
    const [version, attributes] = await Promise.all([get("version"), get("attributes")]);
    const shared = { version, attributes, directions: [], show, edit };
    for (const tab of [edit, generate, morph, learn]) tab.start(shared);
    if (given.has("face")) await edit.restore(given);
    else if (given.has("seed")) await generate.restore(given);
    document.documentElement.dataset.ready = "yes";
  });
}

start();
