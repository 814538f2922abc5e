// The canvas of the Edit tab: its size, the outlines of faces, and what is painted on it.

import { $, element } from "./dom.js";
import { allRequests, isEdited, state } from "./edit-state.js";

const PREVIEW_SIDE = 384; // pixels of a face's preview at most
const REGION_ALPHA = 0.5;

// The part of the photo that is shown, in its pixels.
function visible() {
  const { photo, zoomed, face } = state;
  return zoomed ? photo.faces[face - 1].close_up : [0, 0, photo.width, photo.height];
}

// Pixels of a face's preview: three quarters of those on the screen suffice while a slider moves.
export function previewSize(face) {
  const [x0, y0, x1, y1] = state.photo.faces[face - 1].close_up;
  const [left, , right] = visible();
  const shown = (Math.max(x1 - x0, y1 - y0) * $("canvas").width) / (right - left);
  return Math.min(PREVIEW_SIDE, 64 * Math.max(2, Math.round((0.75 * shown) / 64)));
}

export function layOut() {
  if (!state.photo || $("edit").hidden) return;
  const [x0, y0, x1, y1] = visible();
  const width = $("shown").clientWidth;
  const height = Math.max(240, window.innerHeight * (window.innerWidth > 832 ? 0.72 : 0.42));
  const scale = Math.min(width / (x1 - x0), height / (y1 - y0), Math.max(4, 512 / (x1 - x0)));
  const canvas = $("canvas");
  const dots = window.devicePixelRatio || 1;
  canvas.width = Math.round((x1 - x0) * scale * dots);
  canvas.height = Math.round((y1 - y0) * scale * dots);
  Object.assign(canvas.style, { width: `${(x1 - x0) * scale}px`, height: `${(y1 - y0) * scale}px` });
  showOutlines();
  paint();
}

// A button over each face, which dispatches `facedial:face`.
function showOutlines() {
  const { photo } = state;
  const alone = photo.faces.length === 1;
  $("outlines").hidden = state.zoomed;
  $("outlines").replaceChildren(
    ...photo.faces.map(({ number, box, close_up }) => {
      const [x0, y0, x1, y1] = box || close_up;
      const button = element("button", { type: "button", className: alone ? "alone" : "" });
      if (!alone) button.append(element("span", { textContent: String(number) }));
      button.dataset.face = number;
      button.setAttribute("aria-pressed", String(number === state.face));
      Object.assign(button.style, {
        left: `${(100 * x0) / photo.width}%`,
        top: `${(100 * y0) / photo.height}%`,
        width: `${(100 * (x1 - x0)) / photo.width}%`,
        height: `${(100 * (y1 - y0)) / photo.height}%`,
      });
      button.addEventListener("click", () =>
        window.dispatchEvent(new CustomEvent("facedial:face", { detail: number })),
      );
      return button;
    }),
  );
  markEdited();
}

// Faces with edits of their own look so, and are named so.
export function markEdited() {
  for (const button of $("outlines").children) {
    const edited = isEdited(Number(button.dataset.face));
    button.classList.toggle("edited", edited);
    button.setAttribute("aria-label", `Face ${button.dataset.face}${edited ? ", edited" : ""}`);
  }
}

// `only`: the part of the photo to paint again, in its pixels; all of it where none is given.
export function paint(only = null) {
  const { photo, full, closeUps, region } = state;
  if (!photo) return;
  const canvas = $("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  const [x0, y0, x1, y1] = visible();
  const scale = canvas.width / (x1 - x0);
  context.setTransform(scale, 0, 0, scale, -x0 * scale, -y0 * scale);
  context.save();
  if (only) clip(context, only);
  context.imageSmoothingQuality = only ? "low" : "high";
  context.drawImage(photo.bitmap, 0, 0, photo.width, photo.height);
  const border = x0 + ((x1 - x0) * $("compare").value) / 100; // the photo before edits lies left of it
  context.save();
  clip(context, [border, y0, x1, y1]);
  if (full) context.drawImage(full, 0, 0, photo.width, photo.height);
  else for (const { bitmap, box } of closeUps.values()) context.drawImage(bitmap, box[0], box[1], box[2] - box[0], box[3] - box[1]);
  context.restore();
  if (region) {
    const [left, top, right, bottom] = region.box;
    context.globalAlpha = REGION_ALPHA;
    context.drawImage(region.bitmap, left, top, right - left, bottom - top);
  }
  context.restore();
  if (border > x0 && border < x1) {
    context.fillStyle = "#fff";
    context.fillRect(border - 1 / scale, y0, 2 / scale, y1 - y0);
  }
  const edited = allRequests().length > 0;
  canvas.setAttribute("aria-label", `${state.zoomed ? `Face ${state.face}` : "The photo"}, ${edited ? "edited" : "unedited"}${region ? ", with the region that may change" : ""}`);
}

function clip(context, [x0, y0, x1, y1]) {
  context.beginPath();
  context.rect(x0, y0, x1 - x0, y1 - y0);
  context.clip();
}
