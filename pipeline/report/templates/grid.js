// The grid, rows × cells: only what is in sight is in the page, and one clip plays at a time.
const Grid = (() => {
  const GAP = 10;
  const CAPTION = 66;
  const HEAD = 46;
  const LABEL = 46;
  const NARROW = 700;
  const SIDE = 168;
  const TILE = 220;
  const WIDEST_TILE = 420;
  const MOST_DRAWN = 128;
  let lines = [];
  let height = 0;
  let position = { line: 0, x: 0 };
  let playing = null;
  const rendered = new Map();
  const takes = new Map();
  const compared = new Set();

  const box = () => at("grid");
  const rank = (clip) => Decisions.WORDS.indexOf(Decisions.wordOf(clip));
  const best = (clips) => clips.reduce((found, clip) => (rank(clip) < rank(found) ? clip : found));

  function clipOf(cell) {
    const name = cell.clips[0].place.name;
    return cell.clips.find((clip) => clip.take === takes.get(name)) || best(cell.clips);
  }

  function sections(shown) {
    const found = new Map();
    for (const clip of shown) {
      const { table } = clip.row;
      if (!found.has(table)) found.set(table, { table, columns: new Set(), rows: new Map() });
      const section = found.get(table);
      const { column } = clip.place;
      section.columns.add(column);
      let cells = section.rows.get(clip.row);
      if (!cells) section.rows.set(clip.row, (cells = new Map()));
      const cell = cells.get(column);
      if (cell) cell.clips.push(clip);
      else cells.set(column, { clips: [clip] });
    }
    return [...found.values()];
  }

  function measure(section, room) {
    const isNarrow = room < NARROW;
    const side = isNarrow ? 0 : SIDE;
    const columns = [...section.columns];
    // Few columns leave room: rows stand side by side there, and the tiles fill what is left.
    const bands = isNarrow ? 1 : Math.max(1, Math.min(section.rows.size, Math.floor(room / (side + columns.length * (TILE + GAP)))));
    const fit = Math.floor((room / bands - side) / columns.length) - GAP;
    const tile = isNarrow ? Math.floor(room / Math.min(2, columns.length)) - GAP : Math.max(TILE - 40, Math.min(WIDEST_TILE, fit));
    const frame = Math.round(tile * Math.min(1.1, Math.max(0.5625, middleRatio(section) || 1)));
    const band = side + columns.length * (tile + GAP);
    return { columns, side, tile, frame, band, bands, label: isNarrow ? LABEL : 0, height: frame + CAPTION + GAP + (isNarrow ? LABEL : 0) };
  }

  // Of thousands of clips there are few shapes: the shapes are sorted, not the clips.
  function middleRatio({ rows }) {
    const counts = new Map();
    let all = 0;
    for (const cells of rows.values()) {
      for (const { clips } of cells.values()) {
        const sized = clips.find((clip) => clip.width);
        if (!sized) continue;
        const ratio = sized.height / sized.width;
        counts.set(ratio, (counts.get(ratio) || 0) + 1);
        all += 1;
      }
    }
    let before = 0;
    return [...counts.keys()].sort((a, b) => a - b).find((ratio) => (before += counts.get(ratio)) * 2 > all);
  }

  function arrange(shown) {
    const style = getComputedStyle(box());
    const room = box().clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    lines = [];
    let top = 0;
    let widest = 0;
    const push = (line, size) => {
      lines.push({ ...line, top, size });
      top += size;
    };
    for (const section of sections(shown)) {
      const size = measure(section, room);
      widest = Math.max(widest, size.band * size.bands);
      push({ kind: "head", section, size: HEAD, layout: size }, HEAD);
      const rows = [...section.rows];
      for (let n = 0; n < rows.length; n += size.bands) {
        push({ kind: "rows", section, rows: rows.slice(n, n + size.bands), layout: size }, size.height);
      }
    }
    height = top;
    at("canvas").style.height = `${top + GAP}px`;
    at("canvas").style.width = `${Math.max(widest, 1)}px`;
    box().setAttribute("aria-rowcount", lines.length);
    for (const element of rendered.values()) element.remove();
    rendered.clear();
    position = { line: Math.max(0, lines.findIndex((line) => line.kind === "rows")), x: 0 };
    render();
  }

  function firstIn(y) {
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle].top <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function render() {
    if (!lines.length) return;
    const { scrollTop, clientHeight } = box();
    const from = Math.max(0, firstIn(scrollTop) - 1);
    let to = firstIn(scrollTop + clientHeight) + 1;
    to = Math.min(lines.length - 1, to);
    for (const [n, element] of rendered) {
      if (n < from || n > to) {
        if (playing && element.contains(playing)) stop();
        element.remove();
        rendered.delete(n);
      }
    }
    for (let n = from; n <= to; n += 1) {
      if (rendered.has(n)) continue;
      const element = lines[n].kind === "head" ? headOf(lines[n], n) : rowOf(lines[n], n);
      rendered.set(n, element);
      const next = [...rendered.keys()].filter((other) => other > n).sort((a, b) => a - b)[0];
      at("canvas").insertBefore(element, next === undefined ? null : rendered.get(next));
    }
    forgetDrawn();
  }

  function headOf({ section, layout, top }, n) {
    const cells = [];
    for (let band = 0; band < layout.bands; band += 1) {
      const corner = layout.side ? section.table || "shot" : make("span", { class: "unseen" }, section.table || "shot");
      if (layout.side || band === 0) cells.push(make("span", { role: "columnheader", class: "corner", style: `left:${band * layout.band}px;width:${layout.side || 0}px` }, corner));
      layout.columns.forEach(({ shot, cell }, c) => {
        cells.push(make("span", { role: "columnheader", style: `left:${band * layout.band + layout.side + c * (layout.tile + GAP)}px;width:${layout.tile}px` }, make("b", {}, shot), cell ? " " + cell : ""));
      });
    }
    return make("div", { role: "row", class: "head", "aria-rowindex": n + 1, style: `top:${top}px;height:${HEAD}px` }, ...cells);
  }

  function rowOf(line, n) {
    const { layout, section, top } = line;
    const cells = [];
    line.rows.forEach(([row, found], band) => {
      const left = band * layout.band;
      const said = row.values.filter((value) => value && value !== row.key && value.length < 60).slice(0, layout.side ? 3 : 1);
      cells.push(make("div", { role: "rowheader", class: "row-name", style: `left:${left}px;width:${layout.side ? layout.side - GAP : layout.band - GAP}px;height:${layout.side ? layout.height - GAP : LABEL}px` }, make("b", {}, row.key || "no table"), ...said.map((value) => make("span", {}, value))));
      layout.columns.forEach((column, c) => {
        const place = `left:${left + layout.side + c * (layout.tile + GAP)}px;top:${layout.label}px;width:${layout.tile}px;height:${layout.frame + CAPTION}px`;
        const cell = found.get(column);
        const element = make("div", { role: "gridcell", class: "cell", style: place });
        if (cell) fillCell(element, cell, { line: n, x: band * layout.columns.length + c, layout });
        else element.setAttribute("aria-label", `${column.shot}: not asked for`);
        cells.push(element);
      });
    });
    return make("div", { role: "row", class: "line", "aria-rowindex": n + 1, style: `top:${top}px;height:${line.size}px` }, ...cells);
  }

  function fillCell(element, cell, where) {
    const clip = clipOf(cell);
    const word = Decisions.wordOf(clip);
    const frame = make("span", { class: "frame", style: `height:${where.layout.frame}px` }, still(clip, where.layout.tile));
    const said = Decisions.differing(clip).length ? "decided differently" : word;
    const title = Decisions.isFinished(clip) ? said : stateText(clip);
    const about = make("span", { class: "about" },
      make("span", { class: "unseen" }, clip.address + ": "),
      make("span", { class: "state" }, Decisions.isFinished(clip) && !["done", title].includes(spoken(clip.state)) ? `${title}, ${spoken(clip.state)}` : title),
      make("span", { class: "quiet" }, moneyText(clip)));
    const isHere = where.line === position.line && where.x === position.x;
    const tile = make("button", { type: "button", class: `tile ${clip.state} ${word.replace(" ", "-")}${compared.has(clip) ? " compared" : ""}`, "data-address": clip.address, tabindex: isHere ? "0" : "-1" }, frame, about);
    tile.addEventListener("pointerenter", () => start(frame, clip));
    tile.addEventListener("pointerleave", stop);
    tile.addEventListener("focus", () => { position = { line: where.line, x: where.x }; start(frame, clip); });
    tile.addEventListener("blur", stop);
    tile.addEventListener("click", () => Pages.look(clip));
    const others = cell.clips.length > 1 ? make("span", { class: "takes" }, ...cell.clips.map((take) => button(String(take.take), () => {
      takes.set(clip.place.name, take.take);
      refresh(where.line);
      focusTile();
    }, { class: Decisions.wordOf(take).replace(" ", "-"), tabindex: "-1", "aria-pressed": take === clip, "aria-label": `take ${take.take}: ${Decisions.wordOf(take)}` }))) : null;
    element.replaceChildren(...[tile, others].filter(Boolean));
  }

  // A browser keeps what it decoded of some thousand pictures, at their full size, in hundreds of
  // megabytes: a poster is drawn once at the size of its tile, and its picture is let go.
  const drawn = new Map();
  const sight = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      paint(target);
    }
  }, { root: box(), rootMargin: "64px" });

  function still(clip, tile) {
    if (!clip.poster) return signOf(clip);
    let canvas = drawn.get(clip);
    drawn.delete(clip);
    if (canvas?.dataset.tile !== String(tile) || canvas.dataset.src !== Data.posterOf(clip)) {
      canvas = make("canvas", { class: "poster", "aria-hidden": "true", "data-tile": tile, "data-src": Data.posterOf(clip) });
      sight.observe(canvas);
    }
    drawn.set(clip, canvas);
    return canvas;
  }

  // What was passed by is given back at once: to the collector a canvas is small, and it can wait.
  function forgetDrawn() {
    for (const [clip, canvas] of drawn) {
      if (drawn.size <= MOST_DRAWN) return;
      if (canvas.isConnected) continue;
      if ("drawn" in canvas.dataset) canvas.getContext("bitmaprenderer").transferFromImageBitmap(null);
      drawn.delete(clip);
    }
  }

  const signOf = (clip) => make("span", { class: "mark", "aria-hidden": "true" }, clip.src ? "▷" : Data.marks[clip.state] || "·");

  async function paint(canvas) {
    const picture = new Image();
    const loaded = new Promise((done, fail) => { picture.onload = done; picture.onerror = fail; });
    picture.src = canvas.dataset.src;
    try {
      await loaded;
      const { width, height } = canvas.getBoundingClientRect();
      const scale = Math.min(1, devicePixelRatio * Math.min(width / picture.naturalWidth, height / picture.naturalHeight));
      // Whoever scrolled on has passed it by; when it is seen again it is loaded again.
      if (!scale) {
        sight.observe(canvas);
        return;
      }
      const size = { resizeWidth: Math.ceil(picture.naturalWidth * scale), resizeHeight: Math.ceil(picture.naturalHeight * scale), resizeQuality: "medium" };
      const bitmap = await createImageBitmap(picture, size);
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
      canvas.dataset.drawn = "";
    } catch {
      canvas.replaceWith(make("span", { class: "mark", "aria-hidden": "true" }, "▷"));
    }
  }

  function start(frame, clip) {
    if (!clip.src || (playing && frame.contains(playing))) return;
    stop();
    playing = film(clip, { loop: true });
    frame.append(playing);
    play(playing);
  }

  function stop() {
    if (playing) release(playing);
    playing = null;
  }

  function refresh(n) {
    const old = rendered.get(n);
    if (!old) return;
    stop();
    const held = old.contains(document.activeElement) ? document.activeElement.dataset.address : "";
    const element = rowOf(lines[n], n);
    old.replaceWith(element);
    rendered.set(n, element);
    if (held) hold(element, held);
  }

  // Whoever had a clip chosen has it still, although it was drawn anew.
  function hold(within, address) {
    [...within.querySelectorAll(".tile")].find((tile) => tile.dataset.address === address)?.focus({ preventScroll: true });
  }

  // Shows clips that changed; all of them anew only where others are to be shown than before.
  function renew(shown, changed) {
    const there = lines.flatMap(({ rows }) => (rows || []).flatMap(([, cells]) => [...cells.values()].flatMap(({ clips }) => clips)));
    const before = new Set(there);
    if (before.size === shown.length && shown.every((clip) => before.has(clip))) {
      const rows = new Set(changed.map((clip) => clip.row));
      for (const n of [...rendered.keys()]) if (lines[n].rows?.some(([row]) => rows.has(row))) refresh(n);
      return;
    }
    const { scrollTop } = box();
    const held = document.activeElement.closest?.(".tile")?.dataset.address;
    arrange(shown);
    box().scrollTop = scrollTop;
    render();
    if (held) hold(at("canvas"), held);
  }

  function cellAt(line, x) {
    const { layout, rows } = lines[line];
    const row = rows[Math.floor(x / layout.columns.length)];
    return row && row[1].get(layout.columns[x % layout.columns.length]);
  }

  function focusTile() {
    const line = lines[position.line];
    if (!line || line.kind !== "rows") return;
    const { scrollTop, clientHeight } = box();
    if (line.top < scrollTop) box().scrollTop = line.top;
    else if (line.top + line.size > scrollTop + clientHeight) box().scrollTop = line.top + line.size - clientHeight;
    render();
    const cell = cellAt(position.line, position.x);
    if (!cell) return;
    const tiles = [...rendered.get(position.line).querySelectorAll(".tile")];
    at("canvas").querySelectorAll('.tile[tabindex="0"]').forEach((tile) => tile.setAttribute("tabindex", "-1"));
    const tile = tiles.find((each) => each.dataset.address === clipOf(cell).address);
    tile.setAttribute("tabindex", "0");
    tile.focus({ preventScroll: true });
    tile.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function move(down, right) {
    let { line, x } = position;
    const width = (n) => lines[n].rows.length * lines[n].layout.columns.length;
    for (;;) {
      if (right) {
        x += right;
        if (x < 0 || x >= width(line)) {
          line = next(line, right);
          if (line === null) return;
          x = right > 0 ? 0 : width(line) - 1;
        }
      } else {
        line = next(line, down);
        if (line === null) return;
        x = Math.min(x, width(line) - 1);
      }
      if (cellAt(line, x)) break;
    }
    position = { line, x };
    focusTile();
  }

  function next(line, step) {
    let n = line + step;
    while (lines[n] && lines[n].kind !== "rows") n += step;
    return lines[n] ? n : null;
  }

  function mark(clip) {
    if (!clip || !clip.src) return;
    if (!compared.delete(clip) && compared.size < 4) compared.add(clip);
    at("compare-chosen").hidden = compared.size < 2;
    at("compare-chosen").textContent = `Compare ${compared.size}`;
    document.querySelectorAll("#canvas .tile").forEach((tile) => tile.classList.toggle("compared", [...compared].some((each) => each.address === tile.dataset.address)));
  }

  const MOVES = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };

  function press(event) {
    if (!event.target.closest(".tile, .takes")) return false;
    const cell = cellAt(position.line, position.x);
    if (MOVES[event.key]) move(...MOVES[event.key]);
    else if (event.key === "PageDown" || event.key === "PageUp") for (let n = 0; n < 3; n += 1) move(event.key === "PageDown" ? 1 : -1, 0);
    else if (event.key === "Home" || event.key === "End") {
      const last = lines.length - 1;
      position = event.key === "Home" ? { line: next(-1, 1), x: 0 } : { line: last, x: lines[last].rows.length * lines[last].layout.columns.length - 1 };
      if (cellAt(position.line, position.x)) focusTile();
      else move(0, -1);
    } else if (event.key === "c" && cell) mark(clipOf(cell));
    else if (event.key === "t" && cell && cell.clips.length > 1) {
      const clip = clipOf(cell);
      takes.set(clip.place.name, cell.clips[(cell.clips.indexOf(clip) + 1) % cell.clips.length].take);
      refresh(position.line);
      focusTile();
    } else return false;
    return true;
  }

  let pending = false;
  box().addEventListener("scroll", () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; render(); });
  });
  Decisions.onChange(() => {
    // Out of sight nothing is drawn anew: the view is arranged when it is shown.
    if (!at("clips").hidden) [...rendered.keys()].filter((n) => lines[n].kind === "rows").forEach(refresh);
  });
  at("compare-chosen").addEventListener("click", () => Pages.compare([...compared]));
  return { show: arrange, renew, hide: stop, press, focus: focusTile };
})();
