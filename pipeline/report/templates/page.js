"use strict";
// Draws the grid from the data in the page. Everything from the campaign becomes text, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const clips = data.clips.map((values) => Object.fromEntries(data.fields.map((name, n) => [name, values[n]])));
  const at = (id) => document.getElementById(id);
  const spoken = (word) => String(word).replaceAll("_", " ");

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  // What a clip can be filtered by: its own facts, its axes and tags, and its row in the table.
  function facts(clip) {
    const row = data.rows[clip.row] || { values: [] };
    const found = { state: spoken(clip.state), cause: spoken(clip.cause), shot: clip.shot, cell: clip.cell };
    Object.assign(found, { provider: clip.provider, kind: spoken(clip.kind), mode: clip.mode });
    found.take = String(clip.take);
    data.axes.forEach((axis, n) => { found[axis] = clip.axes[n]; });
    (data.tables[row.table] || []).forEach((column, n) => { found[column] = row.values[n]; });
    if (clip.tags.length) found.tag = clip.tags;
    return found;
  }

  for (const clip of clips) {
    clip.facts = facts(clip);
    clip.text = [clip.address, clip.path, clip.message, data.prompts[clip.prompt], ...Object.values(clip.facts)]
      .flat().filter(Boolean).join("\n").toLocaleLowerCase();
  }

  function money(clip) {
    if (clip.shared) return "shared purchase";
    const parts = [];
    if (clip.charged !== "0.00") parts.push(clip.charged + " USD");
    if (clip.reserved !== "0.00") parts.push(clip.reserved + " USD reserved");
    if (clip.possible !== "0.00") parts.push(clip.possible + " USD possible");
    if (!parts.length) parts.push(clip.estimate === null ? "price unknown" : "estimate " + clip.estimate + " USD");
    return parts.join(", ");
  }

  const measures = (clip) => [
    clip.seconds === null ? "" : clip.seconds + " s",
    clip.width ? clip.width + "×" + clip.height : "",
  ].filter(Boolean).join(" · ");

  function film(clip, attributes) {
    return make("video", { src: clip.src, poster: clip.poster, playsinline: "", ...attributes });
  }

  function still(clip) {
    if (!clip.src) return make("span", { class: "mark", "aria-hidden": "true" }, data.marks[clip.state] || "·");
    if (clip.poster) return make("img", { src: clip.poster, alt: "", loading: "lazy", decoding: "async" });
    return film(clip, { preload: "metadata", muted: "" });
  }

  function play(frame, clip) {
    if (!clip.src || frame.querySelector("video[loop]")) return;
    const video = film(clip, { loop: "" });
    video.muted = true;
    frame.append(video);
    video.play().catch(() => video.remove());
  }

  const stop = (frame) => frame.querySelectorAll("video[loop]").forEach((video) => video.remove());

  function tile(clip) {
    const frame = make("span", { class: "frame" }, still(clip));
    const about = make("span", { class: "about" },
      make("span", { class: "state" }, (data.marks[clip.state] || "·") + " " + spoken(clip.state) + (clip.cause && clip.cause !== clip.state ? ": " + spoken(clip.cause) : "")),
      make("span", {}, (data.takes ? "take " + clip.take + " · " : "") + money(clip)),
      measures(clip) ? make("span", { class: "quiet" }, measures(clip)) : null,
      make("span", { class: "path" }, clip.path || clip.message));
    const button = make("button", { type: "button", class: "tile " + clip.state, id: clip.address, "aria-label": clip.address + ", " + spoken(clip.state) }, frame, about);
    button.addEventListener("pointerenter", () => play(frame, clip));
    button.addEventListener("pointerleave", () => stop(frame));
    button.addEventListener("focus", () => play(frame, clip));
    button.addEventListener("blur", () => stop(frame));
    button.addEventListener("click", () => view(clip));
    return button;
  }

  function view(clip) {
    const lines = [
      ["Address", clip.address], ["State", spoken(clip.state) + (clip.unwanted ? ", unwanted: left out after it was submitted" : "")], ["Cause", spoken(clip.cause)], ["Message", clip.message],
      ["Provider", clip.provider + ", " + clip.mode + ", " + spoken(clip.kind)], ["Money", money(clip)],
      ["Measured", measures(clip)], ["Path", clip.path], ["Prompt", data.prompts[clip.prompt]],
      ["Shares the purchase of", clip.shared], ["Written at", clip.origin],
    ].filter(([, value]) => value);
    const list = make("dl", {}, ...lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    if (clip.path) {
      list.append(make("dt", {}, ""), make("dd", {}, make("button", { type: "button", "data-copy": data.root + "/" + clip.path }, "Copy path")));
    }
    at("viewed").replaceChildren(clip.src ? film(clip, { controls: "", loop: "", autoplay: "" }) : make("p", { class: "quiet" }, "There is no clip."), list);
    at("viewer").showModal();
  }

  function sheet(table, rows, columns) {
    const head = make("tr", {}, make("th", { scope: "col" }, table || "Shot"),
      ...[...columns.values()].map((column) => make("th", { scope: "col" }, column.shot, column.cell ? make("span", {}, column.cell) : null)));
    const body = make("tbody", {});
    for (const [row, cells] of rows) {
      const known = data.rows[row] || { key: "", values: [] };
      const said = known.values.filter((value) => value && value !== known.key && value.length < 60).slice(0, 3);
      body.append(make("tr", {},
        make("th", { scope: "row" }, make("b", {}, known.key || "no table"), ...said.map((value) => make("span", {}, value))),
        ...[...columns.keys()].map((key) => make("td", {}, make("div", { class: "takes" }, ...(cells.get(key) || []).map(tile))))));
    }
    return make("div", { class: "sheet" }, make("table", {}, make("thead", {}, head), body));
  }

  function draw(shown) {
    const tables = new Map();
    for (const clip of shown) {
      const table = (data.rows[clip.row] || { table: "" }).table;
      if (!tables.has(table)) tables.set(table, { rows: new Map(), columns: new Map() });
      const { rows, columns } = tables.get(table);
      const column = clip.shot + "\u0000" + clip.cell;
      columns.set(column, { shot: clip.shot, cell: clip.cell });
      if (!rows.has(clip.row)) rows.set(clip.row, new Map());
      const cells = rows.get(clip.row);
      if (!cells.has(column)) cells.set(column, []);
      cells.get(column).push(clip);
    }
    at("grid").replaceChildren(...[...tables].map(([table, { rows, columns }]) => sheet(table, rows, columns)));
    at("shown").textContent = shown.length === clips.length ? "" : shown.length + " of " + clips.length + " shown";
  }

  const holds = (value, wanted) => (Array.isArray(value) ? value.includes(wanted) : value === wanted);

  function filter() {
    const words = at("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const wanted = [...at("choices").querySelectorAll("select")].filter((choice) => choice.value);
    draw(clips.filter((clip) =>
      words.every((word) => clip.text.includes(word)) &&
      wanted.every((choice) => holds(clip.facts[choice.name], choice.value))));
  }

  // One choice per column that tells clips apart; a column of many values is found by searching.
  function offerChoices() {
    const values = new Map();
    for (const clip of clips) {
      for (const [name, value] of Object.entries(clip.facts)) {
        if (!values.has(name)) values.set(name, new Set());
        [value].flat().filter(Boolean).forEach((one) => values.get(name).add(one));
      }
    }
    for (const [name, found] of values) {
      if (found.size < 2 || found.size > 100) continue;
      const options = [...found].sort().map((value) => make("option", { value }, value));
      at("choices").append(make("label", {}, name + " ", make("select", { name }, make("option", { value: "" }, "all"), ...options)));
    }
  }

  async function copy(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  at("filters").addEventListener("input", filter);
  at("filters").addEventListener("reset", () => setTimeout(filter));
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("viewer").addEventListener("close", () => at("viewed").replaceChildren());
  offerChoices();
  draw(clips);
})();
