// The network as a strip: a bar for each block, as high as its maps are large.

import { element, extents, tell } from "./say.js";
import { on, open, state } from "./state.js";

const strip = document.getElementById("strip");

function sizeOf(block) {
  return block.layers.at(-1).shape;
}

function groups(blocks) {
  const found = [];
  for (const [number, block] of blocks.entries()) {
    const key = block.residual ? extents(sizeOf(block)) : block.title;
    if (found.at(-1)?.key !== key || !block.residual) found.push({ key, blocks: [] });
    found.at(-1).blocks.push({ number, block });
  }
  return found;
}

function bar(number, block) {
  const shape = sizeOf(block);
  const side = shape.length === 3 ? shape[1] : 1;
  const button = element("button", {
    type: "button", role: "option", id: `block-${number}`, tabIndex: -1,
    title: `${block.title}: ${extents(shape)}`, "aria-label": `${block.title}, ${extents(shape)}`,
    className: block.residual ? "unit" : "plain",
  });
  button.style.setProperty("--side", `${8 + 8 * Math.log2(side + 1)}px`);
  button.addEventListener("click", () => choose(number));
  return button;
}

export function choose(number) {
  const block = state.facts.blocks[number];
  open(block.layers.at(-1).name);
  tell(`${block.title}, ${block.layers.length} layers`);
}

function draw() {
  strip.replaceChildren(
    ...groups(state.facts.blocks).map((group) => {
      const first = group.blocks[0].block;
      const shape = sizeOf(first);
      const words = first.residual ? `${group.blocks.length} unit${group.blocks.length > 1 ? "s" : ""}` : first.title;
      return element("div", { className: "stage", role: "group", "aria-label": `${words}, ${extents(shape)}` },
        element("div", { className: "bars" }, ...group.blocks.map(({ number, block }) => bar(number, block))),
        element("p", { className: "quiet" }, element("b", {}, words), element("br"), extents(shape)));
    }),
  );
  mark();
}

function mark() {
  for (const button of strip.querySelectorAll("button")) {
    const chosen = button.id === `block-${state.block}`;
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    if (chosen) {
      const { left, right } = button.getBoundingClientRect();
      const room = strip.getBoundingClientRect();
      if (left < room.left) strip.scrollLeft -= room.left - left + 40;
      if (right > room.right) strip.scrollLeft += right - room.right + 40;
    }
  }
}

export function keys(event, current, last, pick) {
  const to = { ArrowLeft: current - 1, ArrowUp: current - 1, ArrowRight: current + 1, ArrowDown: current + 1,
    Home: 0, End: last, PageUp: current - 10, PageDown: current + 10 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  pick(Math.max(0, Math.min(last, to)));
}

strip.addEventListener("keydown", (event) => {
  keys(event, state.block, state.facts.blocks.length - 1, (number) => {
    choose(number);
    document.getElementById(`block-${number}`).focus();
  });
});

on("facts", draw);
on("block", mark);
