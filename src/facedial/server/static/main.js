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

// The parameters in the address's hash. The token is removed from it at once, so that no copied address
// has it, and kept for this window.
function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("token")) {
    sessionStorage.setItem("facedial-token", given.get("token"));
    given.delete("token");
    history.replaceState(null, "", given.size ? `#${given}` : location.pathname);
  }
  useToken(sessionStorage.getItem("facedial-token"));
  return given;
}

// On another computer's server, photos do leave this one.
function showPrivacy() {
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  $("privacy").textContent = local ? "Nothing leaves this computer." : `Photos are sent to ${location.host} alone, and kept in memory only.`;
}

async function start() {
  const given = readHash();
  startTabs();
  showPrivacy();
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
