// Begins: asks what the network is, and shows its first block.

import { get } from "./api.js";
import { problem } from "./say.js";
import { set } from "./state.js";
import * as square from "./square.js";
import "./faces.js";
import "./likeness.js";
import "./layers.js";
import "./maps.js";
import "./strip.js";
import "./sum.js";

const $ = (id) => document.getElementById(id);

try {
  const facts = await get("network");
  const layers = facts.blocks.flatMap((block) => block.layers).length;
  $("model").textContent = `${facts.model}: ${layers} layers in ${facts.blocks.length} blocks, images of ${facts.width} × ${facts.height}`;
  $("engine").textContent = facts.engine === "fast"
    ? "The similarity, and what blocks hand on to each other, are of the fast engine (float32); within a block all is float64."
    : "All numbers are of the float64 network.";
  if (facts.synthetic) {
    $("synthetic").textContent = `The weights of this network are made up (${facts.synthetic}). Its numbers are exact, and mean nothing about any face.`;
    $("synthetic").hidden = false;
  }
  for (const side of ["first", "second"]) {
    $(`${side}-upload`).title = facts.detector
      ? "A photograph, whose largest face is found and aligned; or an aligned crop of the network's size"
      : `An aligned crop of ${facts.width} × ${facts.height} pixels`;
  }
  set({ facts });
  square.begin();
  const [first, second] = facts.faces;
  set({ faces: facts.faces, first: first.id, second: second.id, block: 0, layer: facts.blocks[0].layers.at(-1).name });
} catch (error) {
  problem(error);
}
