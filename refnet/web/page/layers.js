// The layers of the chosen block, in order.

import { element, extents, tell } from "./say.js";
import { layerNamed, on, open, state } from "./state.js";
import { keys } from "./strip.js";

const row = document.getElementById("layers");
const WORDS = {
  Conv: "convolution", BatchNormalization: "normalise", PRelu: "PReLU", Add: "sum", Gemm: "fully connected",
  Sub: "subtract", Mul: "multiply", Identity: "as it is", Dropout: "as it is", Flatten: "flatten", Relu: "ReLU",
};

function shortName(name, title) {
  const bare = name.replace(/^[_./:]+/, "").replace(/_output_0$/, "");
  const short = bare.startsWith(title) && bare.length > title.length ? bare.slice(title.length) : bare;
  return short.replace(/^[_./:]+/, "");
}

export function pick(number) {
  const layer = state.facts.blocks[state.block].layers[number];
  open(layer.name);
  tell(`${layer.name}, ${WORDS[layer.op] ?? layer.op}, ${extents(layer.shape)}`);
}

function draw() {
  const block = state.facts.blocks[state.block];
  row.replaceChildren(...block.layers.map((layer, number) => {
    const button = element("button", {
      type: "button", role: "option", id: `layer-${number}`, className: `layer op-${layer.op}`,
      title: `${layer.name}: ${extents(layer.shape)}`, "aria-selected": String(layer.name === state.layer),
      tabIndex: layer.name === state.layer ? 0 : -1,
    }, element("b", {}, shortName(layer.name, block.title)), element("small", {}, WORDS[layer.op] ?? layer.op));
    button.addEventListener("click", () => pick(number));
    return button;
  }));
}

// What the chosen layer is made from.
function reads() {
  const { layer, block } = layerNamed(state.layer);
  const parts = layer.reads.flatMap((name, i) => {
    const there = layerNamed(name);
    const words = there === null ? "the image" : there.block === block ? shortName(name, block.title) : `${name} (${there.block.title})`;
    const link = there === null ? words : element("button", { type: "button", className: "link" }, words);
    if (there !== null) link.addEventListener("click", () => open(name));
    return i ? [" and ", link] : [link];
  });
  const made = block.residual && layer === block.layers.at(-1) ? "the sum of " : "made from ";
  document.getElementById("reads").replaceChildren(made, ...parts);
  for (const [number, one] of block.layers.entries()) {
    document.getElementById(`layer-${number}`).classList.toggle("read", layer.reads.includes(one.name));
  }
}

row.addEventListener("keydown", (event) => {
  const layers = state.facts.blocks[state.block].layers;
  keys(event, layers.findIndex((layer) => layer.name === state.layer), layers.length - 1, (number) => {
    pick(number);
    document.getElementById(`layer-${number}`).focus();
  });
});

on("facts block layer", () => {
  if (!state.layer) return;
  draw();
  reads();
});
