// Loaded before an official client (`node --import ./shim.mjs`), which itself stays as it is:
// leads its hosts to the sandbox, lets nothing else out, and finds modules as a bundler would.
import { register } from "node:module";
import { File } from "node:buffer";

globalThis.File ??= File; // Node 18 has it in a module only

const places = JSON.parse(process.env.SANDBOX_HOSTS ?? "{}"); // origin → the sandbox's address
const send = globalThis.fetch;

globalThis.fetch = (input, init) => {
  const asked = new URL(input instanceof Request ? input.url : input);
  const place = places[asked.origin];
  if (place) return send(place + asked.pathname + asked.search, init);
  if (asked.hostname === "127.0.0.1") return send(input, init);
  throw new TypeError(`${asked.origin} is not the sandbox`);
};

// The SDK's own imports leave out `.js`; Node does not guess, bundlers do.
const guess = `export async function resolve(name, context, next) {
  try { return await next(name, context); }
  catch (error) { if (!name.startsWith(".")) throw error; return next(name + ".js", context); }
}`;
register(`data:text/javascript,${encodeURIComponent(guess)}`);
