// The grey square: dragged by mouse, finger or keys.

import { on, set, squareInWords, state } from "./state.js";

const $ = (id) => document.getElementById(id);
const box = $("square");
const stage = $("stage");
const slider = $("square-size");
let kept = null; // the square while it is taken off

function put(left, top, size) {
  const { width, height } = state.facts;
  const side = Math.max(1, Math.min(size, Number(slider.max)));
  const clamp = (value, most) => Math.max(0, Math.min(most, Math.round(value)));
  set({ square: { left: clamp(left, width - side), top: clamp(top, height - side), size: side } });
}

function resize(size) {
  const { left, top, size: before } = state.square;
  const grown = (Math.max(1, Math.min(size, Number(slider.max))) - before) / 2;
  put(left - Math.trunc(grown), top - Math.trunc(grown), size);
}

function draw() {
  const square = state.square;
  box.hidden = square === null;
  $("square-on").checked = square !== null;
  slider.disabled = square === null;
  if (square === null) return;
  const { width, height } = state.facts;
  Object.assign(box.style, {
    left: `${(square.left / width) * 100}%`, top: `${(square.top / height) * 100}%`,
    width: `${(square.size / width) * 100}%`, height: `${(square.size / height) * 100}%`,
  });
  box.setAttribute("aria-label", squareInWords(square));
  slider.value = String(square.size);
  $("square-size-said").textContent = `${square.size} px`;
}

box.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  box.focus();
  box.setPointerCapture(event.pointerId);
  const room = stage.getBoundingClientRect();
  const scale = state.facts.width / room.width;
  const { left, top, size } = state.square;
  const [startX, startY] = [event.clientX, event.clientY];
  const move = (moved) => put(left + (moved.clientX - startX) * scale, top + (moved.clientY - startY) * scale, size);
  const end = () => {
    box.removeEventListener("pointermove", move);
    box.removeEventListener("pointerup", end);
    box.removeEventListener("pointercancel", end);
  };
  box.addEventListener("pointermove", move);
  box.addEventListener("pointerup", end);
  box.addEventListener("pointercancel", end);
});

// A click beside the square brings it there.
stage.addEventListener("click", (event) => {
  if (event.target === box || state.square === null) return;
  const room = stage.getBoundingClientRect();
  const scale = state.facts.width / room.width;
  const { size } = state.square;
  put((event.clientX - room.left) * scale - size / 2, (event.clientY - room.top) * scale - size / 2, size);
});

box.addEventListener("keydown", (event) => {
  const { left, top, size } = state.square;
  const far = event.shiftKey ? 8 : 1;
  const moves = {
    ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far],
  };
  if (event.key in moves) put(left + moves[event.key][0], top + moves[event.key][1], size);
  else if (event.key === "+" || event.key === "=") resize(size + 2);
  else if (event.key === "-" || event.key === "_") resize(size - 2);
  else return;
  event.preventDefault();
});

slider.addEventListener("input", () => resize(Number(slider.value)));

$("square-on").addEventListener("change", (event) => {
  if (event.target.checked) set({ square: kept ?? middle() });
  else {
    kept = state.square;
    set({ square: null });
  }
});

$("square-seen").addEventListener("change", (event) => set({ seen: event.target.checked }));

function middle() {
  const { width, height } = state.facts;
  const size = Math.round(width / 4);
  return { left: Math.round((width - size) / 2), top: Math.round(height * 0.32), size };
}

export function begin() {
  slider.max = String(Math.floor(Math.min(state.facts.width, state.facts.height) * 0.75));
  set({ square: middle() });
}

on("square", draw);
