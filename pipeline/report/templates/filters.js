// Which clips are shown: chips with counts, a search, and both in the address bar.
const Filters = (() => {
  const MOST_VALUES = 100;
  const chosen = new Map();
  const listeners = [];
  let words = [];

  const valuesOf = (read) => Data.clips.map(read);
  const cellsOf = (table, n) => valuesOf((clip) => (clip.row.table === table ? clip.row.values[n] || "" : ""));

  // In the order in which a team asks; the decision is apart, as it changes while one looks.
  const first = [["shot", (clip) => clip.shot], ["cell", (clip) => clip.cell], ["provider", (clip) => clip.provider], ["model", (clip) => clip.model], ["status", (clip) => spoken(clip.state)], ["tag", (clip) => clip.tags]];
  const later = [["cause", (clip) => spoken(clip.cause)], ["kind", (clip) => spoken(clip.kind)], ["mode", (clip) => clip.mode], ["take", (clip) => String(clip.take)]];
  let dimensions = [];
  // What tells single rows apart is found by searching; as a filter it comes last.
  const rowsWith = (values) => new Set(Data.clips.filter((clip) => values[clip.n] !== "").map((clip) => clip.row)).size;
  const offer = (name, values, isMore) => {
    const found = new Set(values.flat());
    found.delete("");
    if (found.size > 1 && found.size <= MOST_VALUES && !dimensions.some((other) => other.name === name)) {
      dimensions.push({ name, values, isMore, sorted: [...found].sort((a, b) => a.localeCompare(b, "en", { numeric: true })) });
    }
  };
  function find() {
    dimensions = [];
    first.forEach(([name, read]) => offer(name, valuesOf(read), false));
    Data.axes.forEach((axis, n) => offer(axis, valuesOf((clip) => clip.axes[n]), false));
    for (const isMore of [false, true]) {
      for (const [table, { columns, used }] of Object.entries(Data.tables)) {
        columns.forEach((name, n) => {
          const values = cellsOf(table, n);
          const isLast = !used.includes(name) || new Set(values.filter(Boolean)).size === rowsWith(values);
          if (isLast === isMore) offer(name, values, isMore);
        });
      }
    }
    later.forEach(([name, read]) => offer(name, valuesOf(read), true));
  }

  const has = (value, wanted) => (Array.isArray(value) ? value.some((one) => wanted.has(one)) : wanted.has(value));
  const decisionOf = (clip) => Decisions.wordOf(clip);

  // Which clips miss each condition, and how many conditions each clip misses: so a change costs the
  // condition that it changes, and what another one leaves is known without asking it again.
  const conditions = new Map();
  let missing = new Uint16Array(Data.clips.length);
  let isStale = false;

  function hold(name, isMissed) {
    const before = conditions.get(name);
    if (before) for (let n = 0; n < missing.length; n += 1) missing[n] -= before[n];
    conditions.delete(name);
    if (!isMissed) return;
    const missed = new Uint8Array(missing.length);
    for (let n = 0; n < missing.length; n += 1) {
      missed[n] = isMissed(n) ? 1 : 0;
      missing[n] += missed[n];
    }
    conditions.set(name, missed);
  }

  function holdChosen(name) {
    const wanted = chosen.get(name);
    if (!wanted?.size) hold(name, null);
    else if (name === "decision") hold(name, (n) => !wanted.has(decisionOf(Data.clips[n])));
    else {
      const { values } = dimensions.find((each) => each.name === name) || { values: [] };
      hold(name, (n) => !has(values[n], wanted));
    }
  }

  function holdWords() {
    const found = words.map(Search.clipsWith);
    hold("search", words.length ? (n) => !found.every((clips) => clips[n]) : null);
  }

  function matching(except) {
    const missed = except === undefined ? undefined : conditions.get(except);
    return Data.clips.filter((_, n) => missing[n] === (missed ? missed[n] : 0));
  }

  function tally(clips, read) {
    const found = new Map();
    const count = (value) => found.set(value, (found.get(value) || 0) + 1);
    for (const clip of clips) {
      const value = read(clip);
      if (Array.isArray(value)) value.forEach(count);
      else count(value);
    }
    return found;
  }

  function toggle(name, value) {
    if (!chosen.has(name)) chosen.set(name, new Set());
    const values = chosen.get(name);
    if (!values.delete(value)) values.add(value);
    holdChosen(name);
    changed();
  }

  function changed() {
    showDecisions();
    showChips();
    listeners.forEach((listener) => listener());
  }

  function showDecisions() {
    const found = tally(matching("decision"), decisionOf);
    for (const chip of at("decisions").children) {
      const { value } = chip.dataset;
      const isOn = Boolean(chosen.get("decision")?.has(value));
      chip.setAttribute("aria-pressed", isOn);
      chip.lastChild.textContent = (found.get(value) || 0).toLocaleString("en");
      chip.hidden = !found.get(value) && !isOn;
    }
  }

  function showChips() {
    for (const chip of at("chips").querySelectorAll("[data-dimension]")) {
      const values = [...(chosen.get(chip.dataset.dimension) || [])];
      chip.classList.toggle("on", values.length > 0);
      chip.lastChild.textContent = values.length > 1 ? `${values.length} of them` : values[0] || "";
    }
    at("show-all").hidden = !words.length && ![...chosen.values()].some((values) => values.size);
  }

  function fill(panel, { name, values, sorted }) {
    const found = tally(matching(name), (clip) => values[clip.n]);
    panel.replaceChildren(...sorted.map((value) => {
      const box = make("input", { type: "checkbox", checked: Boolean(chosen.get(name)?.has(value)) });
      box.addEventListener("change", () => toggle(name, value));
      return make("label", {}, box, make("span", {}, value), make("span", { class: "quiet" }, (found.get(value) || 0).toLocaleString("en")));
    }));
  }

  function offerChips() {
    for (const value of ["waiting", "approved", "rejected", "later", "off spec", "not needed", "no clip"]) {
      at("decisions").append(button("", () => toggle("decision", value), { class: `chip ${value.replace(" ", "-")}`, "data-value": value, "aria-pressed": "false" }));
      at("decisions").lastChild.append(make("span", {}, value + " "), make("b", {}));
    }
  }

  function offerDimensions() {
    document.querySelectorAll(".values").forEach((panel) => panel.remove());
    at("chips").replaceChildren();
    at("more").replaceChildren();
    dimensions.forEach((dimension, n) => {
      const panel = make("div", { id: `values-${n}`, class: "values", popover: "auto", role: "group", "aria-label": dimension.name });
      const chip = make("button", { type: "button", class: "chip", popovertarget: panel.id, "data-dimension": dimension.name }, make("span", {}, dimension.name + " "), make("b", {}));
      panel.addEventListener("beforetoggle", ({ newState }) => {
        if (newState !== "open") return;
        fill(panel, dimension);
        const { left, bottom } = chip.getBoundingClientRect();
        panel.style.left = `${Math.max(8, Math.min(left, innerWidth - 288))}px`;
        panel.style.top = `${bottom + 4}px`;
        panel.style.maxHeight = `${innerHeight - bottom - 16}px`;
      });
      panel.addEventListener("toggle", ({ newState }) => {
        if (newState === "open") panel.querySelector("input")?.focus();
        else if (isStale) showDimensions();
      });
      (dimension.isMore ? at("more") : at("chips")).append(chip);
      at("filters").append(panel);
    });
    at("more-button").hidden = !at("more").children.length;
  }

  function readWords() {
    words = Search.wordsOf(at("search").value);
    holdWords();
  }

  function readAddress(address) {
    at("search").value = address.get("q") || "";
    readWords();
    const before = [...chosen.keys()];
    chosen.clear();
    for (const [name, value] of address) {
      if (!name.startsWith("by.")) continue;
      if (!chosen.has(name.slice(3))) chosen.set(name.slice(3), new Set());
      chosen.get(name.slice(3)).add(value);
    }
    new Set([...before, ...chosen.keys()]).forEach(holdChosen);
    changed();
  }

  function writeAddress(address) {
    if (words.length) address.set("q", at("search").value.trim());
    for (const [name, values] of chosen) for (const value of values) address.append("by." + name, value);
  }

  function clear() {
    at("search").value = "";
    words = [];
    chosen.clear();
    conditions.clear();
    missing.fill(0);
    changed();
  }

  function search() {
    readWords();
    changed();
  }

  // Clips changed: what they are filtered by may have other values now.
  function renew() {
    Search.renew();
    find();
    conditions.clear();
    missing = new Uint16Array(Data.clips.length);
    holdWords();
    [...chosen.keys()].forEach(holdChosen);
    showDecisions();
    // A list that is open stays as it is until it is closed.
    isStale = Boolean(document.querySelector(".values:popover-open"));
    if (!isStale) showDimensions();
  }

  function showDimensions() {
    isStale = false;
    const held = document.activeElement.dataset?.dimension;
    offerDimensions();
    showChips();
    if (held) document.querySelector(`[data-dimension="${CSS.escape(held)}"]`)?.focus();
  }

  find();
  offerChips();
  offerDimensions();
  at("search").addEventListener("input", search);
  at("show-all").addEventListener("click", clear);
  at("more-button").addEventListener("click", () => {
    const isOpen = at("more").hidden;
    at("more").hidden = !isOpen;
    at("more-button").setAttribute("aria-expanded", isOpen);
  });
  Decisions.onChange(() => {
    holdChosen("decision");
    showDecisions();
  });
  return { matching, readAddress, writeAddress, renew, clear, search, only: (name, value) => { clear(); toggle(name, value); }, onChange: (listener) => listeners.push(listener) };
})();
