// What was decided of each clip: saved by the server, or kept in the browser until it is exported.
const Decisions = (() => {
  // Not by the folder: that is told differently wherever the report was written.
  const storage = `callsheet decisions ${Data.name}`;
  // What is saved of each clip, several words where people differ; and its latest word that is not.
  const saved = new Map();
  const pending = new Map();
  const listeners = [];
  let history = [];
  let unsaved = [];
  // What the browser keeps of other pages: of a campaign of the same name in another folder.
  let others = [];
  // What was decided in this tab: no other one takes it back.
  let own = [];
  const refused = new WeakSet();
  let fault = "";

  const VERDICTS = ["approved", "rejected", "later", "reopened"];
  // What there is to say of a clip, the best first.
  const WORDS = ["approved", "waiting", "off spec", "later", "not needed", "rejected", "no clip"];
  const isFinished = (clip) => Boolean(clip.sha256 && clip.path);
  // What is judged is a clip as the work that it was made for: who shares both shares the decision.
  const judged = ({ key, sha256 }) => `${key} ${sha256}`;
  const isSame = (a, b) => judged(a) === judged(b) && a.verdict === b.verdict && a.at === b.at;
  let sharing = Map.groupBy(Data.clips.filter(isFinished), judged);
  // A word is asked for of every clip at each filter, and changes of a few places at a decision.
  let known = new Array(Data.clips.length);

  function forget(entry) {
    for (const clip of sharing.get(judged(entry)) || []) for (const other of clip.place.clips) known[other.n] = undefined;
  }

  function holds(clip) {
    if (!saved.size && !pending.size) return [];
    const entry = pending.get(judged(clip));
    return entry ? [entry] : saved.get(judged(clip)) || [];
  }

  function differing(clip) {
    const words = holds(clip);
    return new Set(words.map((entry) => entry.verdict)).size > 1 ? words : [];
  }

  function of(clip) {
    const entry = differing(clip).length ? null : holds(clip).at(-1);
    return entry && entry.verdict !== "reopened" ? entry : undefined;
  }

  function wordOf(clip) {
    return (known[clip.n] ??= readWord(clip));
  }

  function readWord(clip) {
    // Also of a clip that is not laid out yet: it is there, and was decided on.
    const entry = clip.sha256 ? of(clip) : undefined;
    if (entry) return entry.verdict;
    if (!isFinished(clip)) return "no clip";
    const approved = clip.place.clips.filter((other) => of(other)?.verdict === "approved").length;
    if (approved >= (Data.wanted[clip.shot] || 1)) return "not needed";
    // It waits for nobody: another is made instead, or it is told under what is not done.
    return clip.state === "off_spec" ? "off spec" : "waiting";
  }

  const told = ({ verdict, reason, note, who }) => [verdict === "reopened" ? "waiting" : verdict, reason, note, who && `saved by ${who}`].filter(Boolean).join(" · ");

  // All that is to be known of a clip's decision; of a conflict what each person said.
  function textOf(clip) {
    const words = differing(clip);
    if (words.length) return `waiting, decided differently: ${[...new Set(words.map(told))].join("; ")}`;
    const entry = of(clip);
    return entry ? told(entry) : wordOf(clip);
  }

  function keep() {
    if (Data.served) return;
    try {
      localStorage.setItem(storage, JSON.stringify([...others, ...unsaved]));
      fault = "";
    } catch {
      fault = "This browser keeps nothing for a page from a folder: export before you leave.";
    }
  }

  // Takes in what the browser keeps: from before, or of a tab beside this one.
  function takeKept(kept) {
    const last = new Map(kept.map((entry) => [judged(entry), entry]));
    const wordsOf = (entry) => saved.get(judged(entry)) || [];
    // Saved is a clip whose last word here is what everybody says of it, whatever was said between.
    const isSaved = (entry) => wordsOf(entry).length > 0 && wordsOf(entry).every(({ verdict }) => verdict === last.get(judged(entry)).verdict);
    others = kept.filter((entry) => !sharing.has(judged(entry)));
    unsaved = kept.filter((entry) => sharing.has(judged(entry)) && !isSaved(entry));
    pending.clear();
    // What was exported may have been taken in, and replaced by a later word since.
    unsaved.filter((entry) => !entry.exported || !wordsOf(entry).some((word) => word.at > entry.at)).forEach((entry) => pending.set(judged(entry), entry));
    known.fill(undefined);
  }

  const tell = (clip) => listeners.forEach((listener) => listener(clip));

  async function send(entry) {
    const answer = await fetch("../decisions", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(entry) });
    const said = await answer.json();
    if (!answer.ok) throw new Refusal(said.error);
    latest = said.saved;
    return said.decision;
  }

  // In the order in which they were made: the server writes each to the disk before it answers.
  let sending = Promise.resolve();
  let underWay = 0;
  // How many decisions the server had saved, this page's last one among them.
  let latest = 0;
  function flush() {
    underWay += 1;
    sending = sending.then(async () => {
      while (unsaved.length) {
        const [entry] = unsaved;
        try {
          const decision = await send(entry);
          saved.set(judged(entry), [decision]);
          fault = "";
        } catch (error) {
          const isRefused = error instanceof Refusal;
          fault = isRefused ? `Not saved of ${entry.address}: ${error.message}` : "The server does not answer: decisions wait here until it does. Export them before you leave.";
          // It may have been written before the answer was lost: the server looks.
          entry.again = true;
          if (!isRefused) return false;
          refused.add(entry);
          history = history.filter((each) => each.entry !== entry);
        }
        unsaved.shift();
        if (pending.get(judged(entry)) === entry) pending.delete(judged(entry));
        forget(entry);
      }
      return true;
    }).finally(() => { underWay -= 1; });
    return sending;
  }

  class Refusal extends Error {}

  // Returns once the decision is durable: true, or false where it is only kept in the page.
  async function record(clip, verdict, { reason = "", note = "" } = {}, isUndone = false) {
    // Whoever imports it elsewhere can tell what this person has seen of others' words.
    const replaces = holds(clip).map((each) => each.id).filter(Boolean);
    const entry = { address: clip.address, take: clip.take, key: clip.key, sha256: clip.sha256, verdict, reason, note, at: new Date().toISOString().replace(/\.\d+/, ""), replaces };
    if (!isUndone) history.push({ clip, entry, before: of(clip) });
    unsaved.push(entry);
    if (!Data.served) own.push(entry);
    pending.set(judged(entry), entry);
    forget(entry);
    keep();
    const isDurable = Data.served ? (await flush()) && !refused.has(entry) : true;
    tell(clip);
    return isDurable;
  }

  async function undo() {
    const last = history.pop();
    if (!last) return null;
    const { clip, before } = last;
    const entry = unsaved.at(-1);
    if (!Data.served && entry && judged(entry) === judged(clip) && !entry.exported) {
      unsaved.pop();
      own = own.filter((each) => !isSame(each, entry));
      const earlier = unsaved.findLast((each) => judged(each) === judged(clip));
      if (earlier) pending.set(judged(clip), earlier);
      else pending.delete(judged(clip));
      forget(clip);
      keep();
      tell(clip);
    } else {
      await record(clip, before ? before.verdict : "reopened", before || {}, true);
    }
    return clip;
  }

  const waiting = () => unsaved.filter((entry) => !entry.exported);

  function exported() {
    const document = { callsheet_decisions: 1, campaign: Data.name, profile: Data.profile, exported_at: new Date().toISOString(), decisions: unsaved.map(({ exported: _, again: __, ...entry }) => entry) };
    unsaved.forEach((entry) => { entry.exported = true; });
    keep();
    tell();
    return JSON.stringify(document, null, 1) + "\n";
  }

  // Takes in what another page exported; says what became of it.
  async function merge(text) {
    const document = JSON.parse(text);
    const isDecision = (entry) => VERDICTS.includes(entry?.verdict);
    if (document.callsheet_decisions !== 1 || !Array.isArray(document.decisions) || !document.decisions.every(isDecision)) throw new Error("this file was not exported by a page like this one");
    if (document.campaign !== Data.name) throw new Error(`these are decisions of “${document.campaign}”, and this is “${Data.name}”`);
    const found = { taken: 0, same: 0, conflicts: [], gone: 0 };
    // Whoever changed their mind means their last word.
    const last = new Map(document.decisions.map((entry) => [judged(entry), entry]));
    for (const entry of last.values()) {
      const clip = Data.byAddress.get(entry.address);
      // A decision whose clip is not there now is history, and decides nothing.
      if (!clip || judged(clip) !== judged(entry)) found.gone += 1;
      else if (differing(clip).length) found.conflicts.push(`${entry.address}: here ${textOf(clip)}, in the file ${entry.verdict}`);
      else if ((of(clip)?.verdict || "reopened") === entry.verdict) found.same += 1;
      else if (of(clip)) found.conflicts.push(`${entry.address}: here ${of(clip).verdict}, in the file ${entry.verdict}`);
      else {
        found.taken += 1;
        await record(clip, entry.verdict, entry);
      }
    }
    return found;
  }

  function read(entries) {
    saved.clear();
    for (const entry of entries) saved.set(judged(entry), [...(saved.get(judged(entry)) || []), entry]);
  }

  // Clips changed. Takes in what holds of them now, whoever said it, where anything else does than
  // before; what this page has not saved yet stays.
  function renew(entries) {
    sharing = Map.groupBy(Data.clips.filter(isFinished), judged);
    known = new Array(Data.clips.length);
    if (!entries) return;
    read(entries);
    tell();
  }

  read(Data.decisions);
  if (!Data.served) {
    try {
      takeKept(JSON.parse(localStorage.getItem(storage) || "[]"));
    } catch {
      fault = "This browser keeps nothing for a page from a folder: export before you leave.";
    }
  }
  // Two tabs of one page keep one list; else the one that decides last would forget the other's.
  addEventListener("storage", (event) => {
    if (Data.served || event.key !== storage || event.newValue === null) return;
    const kept = JSON.parse(event.newValue);
    const missing = own.filter((entry) => !kept.some((each) => isSame(each, entry)));
    takeKept([...kept, ...missing].sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at))));
    if (missing.length) keep();
    tell();
  });
  addEventListener("beforeunload", (event) => {
    if (waiting().length) event.preventDefault();
  });

  return { WORDS, of, wordOf, textOf, differing, record, undo, merge, exported, flush, renew, isFinished, latestSaved: () => latest, isSettled: () => underWay === 0, unsavedCount: () => waiting().length, faultText: () => fault, onChange: (listener) => listeners.push(listener) };
})();
