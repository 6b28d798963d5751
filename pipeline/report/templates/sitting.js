// The sitting: one clip after the other, one key per decision; the next one is loaded meanwhile.
const Sitting = (() => {
  const films = new Map();
  let queue = [];
  let clip = null;
  let isChoosing = false;
  let isBusy = false;
  // The last one that waited is decided, and still shown: the next key is meant for another clip.
  let isOver = false;

  const isWaiting = (each) => Decisions.wordOf(each) === "waiting";
  const siblings = (each) => each.place.clips.filter((other) => other.src);

  function begin(clips, wanted) {
    queue = clips.filter((each) => each.src);
    if (wanted && !queue.includes(wanted) && wanted.src) queue.unshift(wanted);
    show(wanted && wanted.src ? wanted : queue.find(isWaiting) || queue[0] || null);
  }

  function nextWaiting(from) {
    const start = queue.indexOf(from) + 1;
    return [...queue.slice(start), ...queue.slice(0, Math.max(0, start - 1))].find(isWaiting) || null;
  }

  function filmOf(each) {
    if (isReplaced(each, films.get(each))) {
      release(films.get(each));
      films.delete(each);
    }
    if (!films.has(each)) films.set(each, film(each, { preload: "auto", loop: true }));
    return films.get(each);
  }

  function show(wanted) {
    isChoosing = false;
    isOver = false;
    clip = wanted;
    const ahead = clip ? [nextWaiting(clip), queue[queue.indexOf(clip) + 1]] : [];
    const near = new Set([clip, ...ahead].filter(Boolean));
    for (const [each, video] of films) {
      if (!near.has(each)) {
        films.delete(each);
        release(video);
      }
    }
    at("sitting-empty").hidden = Boolean(clip);
    at("sitting-clip").hidden = !clip;
    if (!clip) return;
    const video = filmOf(clip);
    // Loaded before it is seen: it only has to begin.
    for (const each of near) filmOf(each).pause();
    at("stage").replaceChildren(video);
    // One that was never played is at its first frame, decoded: to seek it would decode it again.
    if (video.currentTime) video.currentTime = 0;
    play(video);
    video.ontimeupdate = () => showTime(video);
    showTime(video);
    describe();
    Pages.note(clip);
  }

  function showTime(video) {
    const length = video.duration || clip.seconds || 0;
    at("seek").max = length;
    at("seek").value = video.currentTime;
    at("time").textContent = `${video.currentTime.toFixed(2)} / ${length.toFixed(2)} s`;
  }

  function showPlace() {
    const left = queue.filter(isWaiting).length;
    at("sitting-place").textContent = `${queue.indexOf(clip) + 1} of ${queue.length}, ${left} waiting`;
  }

  function describe() {
    showPlace();
    at("sitting-title").textContent = clip.address;
    at("sitting-word").textContent = isReplaced(clip, films.get(clip)) ? "another clip is there by now" : Decisions.textOf(clip);
    at("sitting-word").className = `word ${Decisions.wordOf(clip).replace(" ", "-")}`;
    showReasons();
    at("take-strip").replaceChildren(...(siblings(clip).length > 1 ? siblings(clip).map((other) => {
      const picture = other.poster ? make("img", { src: Data.posterOf(other), alt: "" }) : make("span", {}, "▷");
      const chosen = button("", () => show(other), { class: Decisions.wordOf(other).replace(" ", "-"), "aria-current": other === clip ? "true" : null, "aria-label": `take ${other.take}: ${Decisions.wordOf(other)}` });
      chosen.append(picture, make("span", {}, `take ${other.take}`));
      return chosen;
    }) : []));
    at("references").replaceChildren(...clip.references.map((n) => Data.pictures[n]).map(({ name, href }) => make("figure", {},
      href ? make("img", { src: href, alt: `reference ${name}`, loading: "lazy" }) : null, make("figcaption", {}, name))));
    at("reference-part").hidden = !clip.references.length;
    at("prompt").replaceChildren(...marked(Data.promptOf(clip), clip.row.values));
    const facts = [["State", stateText(clip)], ["Message", clip.message], ["Provider", [clip.provider, clip.model, clip.mode, spoken(clip.kind)].filter(Boolean).join(", ")], ["Money", moneyText(clip)], ["Measured", measures(clip)], ["File", clip.path], ["Written at", clip.origin], ["Shares the purchase of", clip.shared]];
    Data.tables[clip.row.table]?.columns.forEach((name, n) => facts.push([name, clip.row.values[n]]));
    at("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  // The row's own values are what may be wrong with one clip alone: they are marked in the prompt.
  function marked(text, values) {
    const words = [...new Set(values)].filter((value) => value && value.length > 1 && text.includes(value)).sort((a, b) => b.length - a.length);
    if (!words.length) return [text];
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return text.split(new RegExp(`(${escaped.join("|")})`)).filter(Boolean).map((part) => (words.includes(part) ? make("mark", {}, part) : part));
  }

  function showReasons() {
    at("reasons").hidden = !isChoosing;
    if (!isChoosing) return;
    at("reasons").replaceChildren(make("span", {}, "Reject because of:"), ...Data.reasons.slice(0, 9).map((reason, n) =>
      button(`${n + 1} ${reason}`, () => decide("rejected", { reason, note: at("remark").value.trim() }))));
  }

  async function decide(verdict, more) {
    if (!clip || isBusy) return;
    if (isReplaced(clip, films.get(clip))) {
      show(clip);
      announce(anotherClip(clip));
      return;
    }
    const came = isOver && nextWaiting(clip);
    if (came) {
      show(came);
      announce(`${came.address} came meanwhile: look at it, then decide.`);
      return;
    }
    isBusy = true;
    let isDurable = false;
    const decided = clip;
    const note = at("remark").value.trim();
    try {
      // The next clip is shown once this decision is durable.
      isDurable = await Decisions.record(decided, verdict, { note, ...more });
    } finally {
      isBusy = false;
    }
    if (!isDurable) {
      describe();
      announce(`The decision is not saved. ${Decisions.faultText()}`);
      return;
    }
    at("remark").value = "";
    const next = nextWaiting(decided);
    announce(`${decided.address}: ${Decisions.wordOf(decided)}${Data.served ? ", saved" : ""}`);
    if (next) show(next);
    else {
      show(decided);
      isOver = true;
      announce("Nothing waits here any more.");
    }
  }

  async function undo() {
    if (isBusy) return;
    const undone = await Decisions.undo();
    if (!undone) return announce("Nothing to undo.");
    if (!queue.includes(undone)) queue.unshift(undone);
    show(undone);
    return announce(`Undone: ${undone.address}`);
  }

  function step(frames) {
    const video = films.get(clip);
    if (!video.duration) return;
    video.pause();
    video.currentTime = Math.min(video.duration || 0, Math.max(0, video.currentTime + frames / (clip.fps || 24)));
  }

  function toggle() {
    const video = films.get(clip);
    if (video.paused) play(video);
    else video.pause();
  }

  function walk(list, by) {
    const other = list[list.indexOf(clip) + by];
    if (other) show(other);
  }

  function askReason() {
    isChoosing = !isChoosing;
    showReasons();
    if (isChoosing) announce(`Reject because of: ${Data.reasons.slice(0, 9).map((reason, n) => `${n + 1} ${reason}`).join(", ")}`);
  }

  const KEYS = {
    a: () => decide("approved"),
    r: askReason,
    l: () => decide("later"),
    u: undo,
    c: () => Pages.compare(siblings(clip).slice(0, 4)),
    " ": toggle,
    ",": () => step(-1),
    ".": () => step(1),
    ArrowRight: () => walk(queue, 1),
    ArrowLeft: () => walk(queue, -1),
    ArrowDown: () => walk(siblings(clip), 1),
    ArrowUp: () => walk(siblings(clip), -1),
  };

  function press(event) {
    if (!clip && event.key !== "u") return false;
    const reason = isChoosing && Data.reasons[Number(event.key) - 1];
    if (reason) decide("rejected", { reason });
    else if (event.key === "Escape" && isChoosing) askReason();
    else if (event.target.closest("#seek") && event.key.startsWith("Arrow")) return false;
    else if (event.key === " " && event.target.closest("button, a, summary")) return false;
    else if (KEYS[event.key]) KEYS[event.key]();
    else return false;
    return true;
  }

  function hide() {
    for (const video of films.values()) release(video);
    films.clear();
  }

  // Clips that came meanwhile stand in line; the one that is looked at stays as it is.
  function renew(clips, changed) {
    const there = new Set(queue);
    queue.push(...clips.filter((each) => each.src && !there.has(each)));
    if (!clip) begin(clips, null);
    else if (changed.some((each) => each.place === clip.place)) describe();
    else showPlace();
  }

  at("approve").addEventListener("click", KEYS.a);
  at("reject").addEventListener("click", askReason);
  at("later").addEventListener("click", KEYS.l);
  at("undo").addEventListener("click", undo);
  at("compare-takes").addEventListener("click", () => KEYS.c());
  at("play").addEventListener("click", toggle);
  at("previous").addEventListener("click", KEYS.ArrowLeft);
  at("next").addEventListener("click", KEYS.ArrowRight);
  at("seek").addEventListener("input", () => { films.get(clip).currentTime = Number(at("seek").value); });
  return { begin, renew, hide, press, current: () => clip };
})();
