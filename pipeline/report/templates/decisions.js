// What was decided of each clip: saved by the server, or kept in the browser until it is exported.
const Decisions = (() => {
  const WORDS = { approve: "approved", reject: "rejected", later: "later" };
  const storage = `callsheet decisions ${Data.root} ${Data.made_for || Data.name}`;
  const current = new Map();
  const listeners = [];
  let history = [];
  let unsaved = [];
  let fault = "";

  const isFinished = (clip) => Boolean(clip.sha256 && clip.path);
  const isFor = (entry, clip) => clip !== undefined && entry.sha256 === clip.sha256;

  function accept(entry) {
    const clip = Data.byAddress.get(entry.address);
    // A decision whose clip is not there now is history, and decides nothing.
    if (!isFor(entry, clip)) return;
    if (entry.decision === "reopen") current.delete(entry.address);
    else current.set(entry.address, entry);
  }

  const of = (clip) => current.get(clip.address);

  function wordOf(clip) {
    const entry = of(clip);
    if (entry) return WORDS[entry.decision] || entry.decision;
    if (!isFinished(clip)) return "no clip";
    return clip.place.clips.some((other) => of(other)?.decision === "approve") ? "not needed" : "waiting";
  }

  function keep() {
    if (Data.served) return;
    try {
      localStorage.setItem(storage, JSON.stringify(unsaved));
      fault = "";
    } catch {
      fault = "This browser keeps nothing for a page from a folder: export before you leave.";
    }
  }

  const tell = (clip) => listeners.forEach((listener) => listener(clip));

  async function send(entry) {
    const answer = await fetch("../decisions", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(entry) });
    const said = await answer.json();
    if (!answer.ok) throw new Refusal(said.error);
    return said.decision;
  }

  // In the order in which they were made: the server writes each to the disk before it answers.
  let sending = Promise.resolve();
  function flush() {
    sending = sending.then(async () => {
      while (unsaved.length) {
        const [entry] = unsaved;
        try {
          accept(await send(entry));
          fault = "";
        } catch (error) {
          const isRefused = error instanceof Refusal;
          fault = isRefused ? `Not saved: ${error.message}` : "The server does not answer: decisions wait here until it does. Export them before you leave.";
          if (!isRefused) return false;
          current.delete(entry.address);
        }
        unsaved.shift();
      }
      return true;
    });
    return sending;
  }

  class Refusal extends Error {}

  // Returns once the decision is durable: true, or false where it is only kept in the page.
  async function record(clip, decision, { reason = "", note = "" } = {}) {
    const entry = { address: clip.address, take: clip.take, key: clip.key, sha256: clip.sha256, decision, reason, note, at: new Date().toISOString() };
    history.push({ clip, before: of(clip) });
    unsaved.push(entry);
    accept(entry);
    keep();
    const isDurable = Data.served ? await flush() : true;
    tell(clip);
    return isDurable;
  }

  async function undo() {
    const last = history.pop();
    if (!last) return null;
    const { clip, before } = last;
    const entry = unsaved.at(-1);
    if (!Data.served && entry && entry.address === clip.address && !entry.exported) {
      unsaved.pop();
      current.delete(clip.address);
      if (before) accept(before);
      keep();
      tell(clip);
    } else {
      await record(clip, before ? before.decision : "reopen", before || {});
      history.pop();
    }
    return clip;
  }

  const waiting = () => unsaved.filter((entry) => !entry.exported);

  function exported() {
    const document = { callsheet_decisions: 1, campaign: Data.name, profile: Data.profile, exported_at: new Date().toISOString(), decisions: unsaved.map(({ exported: _, ...entry }) => entry) };
    unsaved = unsaved.map((entry) => ({ ...entry, exported: true }));
    keep();
    tell();
    return JSON.stringify(document, null, 1) + "\n";
  }

  // Takes in what another page exported; says what became of it.
  async function merge(text) {
    const document = JSON.parse(text);
    if (document.callsheet_decisions !== 1 || !Array.isArray(document.decisions)) throw new Error("this file was not exported by a page like this one");
    if (document.campaign !== Data.name) throw new Error(`these are decisions of “${document.campaign}”, and this is “${Data.name}”`);
    const found = { taken: 0, same: 0, conflicts: [], gone: 0 };
    for (const entry of document.decisions) {
      const clip = Data.byAddress.get(entry.address);
      if (!isFor(entry, clip)) found.gone += 1;
      else if (of(clip)?.decision === entry.decision) found.same += 1;
      else if (of(clip)) found.conflicts.push(`${entry.address}: here ${of(clip).decision}, in the file ${entry.decision}`);
      else {
        found.taken += 1;
        await record(clip, entry.decision, entry);
      }
    }
    return found;
  }

  Data.decisions.forEach(accept);
  if (!Data.served) {
    try {
      const left = JSON.parse(localStorage.getItem(storage) || "[]");
      const saved = (entry) => Data.decisions.some((known) => known.address === entry.address && known.sha256 === entry.sha256 && known.decision === entry.decision);
      unsaved = left.filter((entry) => isFor(entry, Data.byAddress.get(entry.address)) && !saved(entry));
      unsaved.forEach(accept);
    } catch {
      fault = "This browser keeps nothing for a page from a folder: export before you leave.";
    }
  }
  addEventListener("beforeunload", (event) => {
    if (waiting().length) event.preventDefault();
  });

  return { of, wordOf, record, undo, merge, exported, flush, isFinished, unsavedCount: () => waiting().length, faultText: () => fault, onChange: (listener) => listeners.push(listener) };
})();
