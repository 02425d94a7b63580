// Questions to the server. An error is a sentence for the person.

export class Refused extends Error {}

async function answer(response) {
  const kind = response.headers.get("content-type") ?? "";
  const said = kind.includes("json") ? await response.json() : { error: await response.text() };
  if (!response.ok) throw new Refused(said.error || `the explorer answered ${response.status}`);
  return said;
}

async function asked(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("The explorer does not answer. Is `refnet explore` still running?");
  }
  return answer(response);
}

function query(values) {
  const there = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(there.map(([name, value]) => [name, String(value)])).toString();
}

export const get = (path, values = {}) => asked(`api/${path}?${query(values)}`);
export const post = (path, values, body) =>
  asked(`api/${path}?${query(values)}`, { method: "POST", body, headers: { "Content-Type": "application/octet-stream" } });
export const pictureOf = (face) => `api/face.png?${query({ face })}`;

// Of many calls, one runs at a time, and of those that wait only the newest.
export function newest(work) {
  let running = false;
  let waiting = null;
  return async function call(...values) {
    if (running) {
      waiting = values;
      return;
    }
    running = true;
    try {
      await work(...values);
    } finally {
      running = false;
      if (waiting !== null) {
        const next = waiting;
        waiting = null;
        call(...next);
      }
    }
  };
}
