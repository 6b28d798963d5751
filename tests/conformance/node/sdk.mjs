// Calls @inferencesh/sdk for a test: JSON-RPC, a line a message, on standard input and output.
// `method` is a path from the client (`files.upload`); `{"$blob": base64, "type", "name"}` among
// the arguments is a Blob, or a File where it has a name.
import { createInterface } from "node:readline";
import { Inference } from "@inferencesh/sdk";

const client = new Inference({
  apiKey: process.env.INFERENCE_API_KEY,
  baseUrl: process.env.INFERENCE_BASE_URL,
  pollIntervalMs: 50,
});

const revive = (_, value) => {
  if (!value?.$blob) return value;
  const bytes = [Buffer.from(value.$blob, "base64")];
  return value.name
    ? new File(bytes, value.name, { type: value.type })
    : new Blob(bytes, { type: value.type });
};

// What a caller could watch comes back beside the result.
async function run(params, options) {
  const seen = [];
  const watch = (task) => seen.push(task.status);
  return { task: await client.run(params, { ...options, onUpdate: watch }), seen };
}

async function streamTask(id) {
  const source = await client.streamTask(id);
  return new Promise((resolve, reject) => {
    source.onmessage = (event) => (source.close(), resolve(JSON.parse(event.data)));
    source.onerror = (event) => (source.close(), reject(new Error(event.message ?? "no stream")));
  });
}

const ours = { run, streamTask };

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line, revive);
  const answer = { jsonrpc: "2.0", id };
  try {
    const path = method.split(".");
    const name = path.pop();
    const owner = path.reduce((found, part) => found[part], client);
    answer.result = await (ours[method] ?? owner[name].bind(owner))(...params);
  } catch (error) {
    answer.error = { code: error.statusCode ?? 0, message: error.message, data: error.name };
  }
  console.log(JSON.stringify(answer));
}
