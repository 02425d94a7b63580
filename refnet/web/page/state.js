// What is chosen, in one place. Parts of the page listen for the names they depend on.

export const state = {
  facts: null, // of the network
  faces: [], // {id, title, notes}
  first: null, // ids of faces
  second: null,
  square: null, // {left, top, size} or null
  seen: false, // whether the maps see the square
  block: 0, // number
  layer: null, // name
  look: null, // {tensor, place, kept}: the number that is written out
  trail: [], // of such numbers: those that links were followed from
};

const listeners = [];

export function on(names, listener) {
  listeners.push([names.split(" "), listener]);
}

export function set(changes) {
  const changed = Object.keys(changes).filter((name) => state[name] !== changes[name]);
  Object.assign(state, changes);
  for (const [names, listener] of listeners) {
    if (names.some((name) => changed.includes(name))) listener(changed);
  }
}

export const squareText = (square) => (square ? `${square.left},${square.top},${square.size}` : null);
export const squareInWords = ({ left, top, size }) => `grey square, ${left} from the left, ${top} from the top, ${size} pixels`;
export const seenSquare = () => (state.seen ? squareText(state.square) : null);

export function layerNamed(name) {
  for (const [number, block] of state.facts.blocks.entries()) {
    const layer = block.layers.find((one) => one.name === name);
    if (layer) return { number, block, layer };
  }
  return null;
}

// Shows a tensor and keeps the number at a place of it; `trail` is the way back.
function show({ tensor, place }, trail) {
  set({ block: layerNamed(tensor).number, layer: tensor, look: { tensor, place, kept: true }, trail });
}

export function open(tensor) {
  set({ block: layerNamed(tensor).number, layer: tensor, look: null, trail: [] });
}

export const goTo = (tensor, place) => show({ tensor, place }, state.look ? [...state.trail, state.look] : state.trail);
export const goBack = () => show(state.trail.at(-1), state.trail.slice(0, -1));
