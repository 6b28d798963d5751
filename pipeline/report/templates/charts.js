// Three pictures: what was spent, when the jobs ran, and how much of what was made is usable.
const Charts = (() => {
  const WIDEST = 1400;
  const LEFT = 64;
  // As wide as there is room, so that its letters are as large as the page's.
  let width = WIDEST;
  const TIMELINE_ROWS = 120;

  const clock = (unix) => new Date(unix * 1000).toISOString().slice(5, 16).replace("T", " ");
  const second = (unix) => new Date(unix * 1000).toISOString().slice(11, 19);

  function axis(from, to, height) {
    const told = to - from < 3600 ? second : clock;
    return [0, 0.5, 1].map((share) => {
      const text = draw("text", { x: LEFT + share * (width - LEFT - 10), y: height - 4, "text-anchor": ["start", "middle", "end"][share * 2], class: "axis" });
      text.textContent = told(from + share * (to - from));
      return text;
    });
  }

  function label(text, y, kind) {
    const made = draw("text", { x: LEFT - 6, y, "text-anchor": "end", class: kind || "axis" });
    made.textContent = text;
    return made;
  }

  function picture(title, height, ...parts) {
    return draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, ...parts);
  }

  // The round step, 1, 2 or 5 times a power of ten, that divides an axis into two to five parts.
  function stepOf(top) {
    const power = 10 ** Math.floor(Math.log10(top / 2));
    return [5, 2, 1].map((each) => each * power).find((step) => top / step >= 2);
  }

  // One entry of a legend: the sign of a line and what it stands for are not parted.
  function entry(kind, text) {
    return make("span", { class: "entry" }, make("span", { class: `key ${kind}` }), text);
  }

  function spend() {
    const paid = Data.clips.filter((clip) => !clip.shared && clip.finished && Number(clip.charged) > 0).sort((a, b) => a.finished - b.finished);
    if (!paid.length) return make("p", { class: "quiet" }, "Nothing was charged yet.");
    const estimate = Number(Data.spent.estimate);
    const limit = Data.limit === null ? null : Number(Data.limit);
    const total = paid.reduce((sum, clip) => sum + Number(clip.charged), 0);
    const top = Math.max(estimate, total, limit || 0) * 1.08;
    const step = stepOf(top);
    const [from, to] = [Math.min(...paid.map((clip) => clip.submitted || clip.finished)), paid.at(-1).finished];
    const height = 240;
    const x = (time) => LEFT + ((time - from) / Math.max(1, to - from)) * (width - LEFT - 10);
    const y = (sum) => height - 24 - (sum / top) * (height - 40);
    let sum = 0;
    let path = `M${x(from)} ${y(0)}`;
    for (const clip of paid) {
      path += `H${x(clip.finished).toFixed(1)}`;
      sum += Number(clip.charged);
      path += `V${y(sum).toFixed(1)}`;
    }
    const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, n) => n * step);
    const lines = [["estimate", estimate], ["budget", limit]].filter(([, value]) => value).map(([name, value]) => draw("line", { x1: LEFT, x2: width - 10, y1: y(value), y2: y(value), class: name }));
    const said = `Charged ${dollars(total)}, estimate ${dollars(estimate)}${limit === null ? "" : `, budget ${dollars(limit)}`}`;
    return make("figure", {},
      picture(said, height, ...ticks.map((sum) => draw("line", { x1: LEFT, x2: width - 10, y1: y(sum), y2: y(sum), class: "grid" })), ...ticks.map((sum) => label(sum.toLocaleString("en"), y(sum) + 4)), ...lines, draw("path", { d: path, class: "spent" }), ...axis(from, to, height)),
      make("figcaption", {}, entry("spent", `charged ${dollars(total)}`), entry("estimate", `estimate ${dollars(estimate)}`), ...(limit === null ? [] : [entry("budget", `budget ${dollars(limit)}`)])));
  }

  // What a job does one after the other: what it is called, and from when to when it lasts.
  const PHASES = [
    ["queue", "being sent", (clip) => [clip.submitted, clip.accepted || clip.finished]],
    ["run", "at the provider", (clip) => [clip.accepted, clip.finished]],
    ["fetch", "fetched and verified", (clip) => [clip.finished, clip.fetched]],
  ];
  const seconds = (length) => (length < 60 ? `${length.toFixed(1)} s` : `${(length / 60).toFixed(1)} min`);

  function median(lengths) {
    const sorted = lengths.toSorted((a, b) => a - b);
    return sorted.length ? seconds(sorted[sorted.length >> 1]) : "";
  }

  function jobs() {
    const ran = Data.clips.filter((clip) => !clip.shared && clip.submitted).sort((a, b) => a.submitted - b.submitted);
    if (!ran.length) return make("p", { class: "quiet" }, "Nothing was sent yet.");
    const from = ran[0].submitted;
    const reached = (clip) => clip.fetched || clip.finished || clip.accepted || clip.submitted;
    const isOpen = (clip) => !clip.finished || clip.state === "fetching";
    const to = ran.reduce((last, clip) => Math.max(last, reached(clip)), from);
    // Of thousands a picture shows the shape: several jobs share a line then.
    const rows = Math.min(TIMELINE_ROWS, ran.length);
    const thick = Math.max(3, Math.min(12, 360 / rows));
    const height = rows * thick + 30;
    const x = (time) => (LEFT + ((time - from) / Math.max(1, to - from)) * (width - LEFT - 10)).toFixed(1);
    const paths = { queue: "", run: "", fetch: "", open: "" };
    const lengths = { queue: [], run: [], fetch: [] };
    ran.forEach((clip, n) => {
      const y = (Math.floor((n * rows) / ran.length) * thick + thick / 2 + 2).toFixed(1);
      for (const [name, , read] of PHASES) {
        const [began, ended] = read(clip);
        if (!began || !ended) continue;
        paths[name] += `M${x(began)} ${y}H${x(ended)}`;
        lengths[name].push(Math.max(0, ended - began));
      }
      if (isOpen(clip)) paths.open += `M${x(reached(clip))} ${y}H${x(to)}`;
    });
    const usual = PHASES.map(([name, title]) => [name, lengths[name].length ? `${title}, ${median(lengths[name])} at the median` : title]);
    const said = `${counted(ran.length, "job")} from ${clock(from)} to ${clock(to)} UTC. ${usual.map(([, text]) => text).join("; ")}`;
    return make("figure", {},
      picture(said, height, ...Object.entries(paths).map(([name, d]) => draw("path", { d: d || "M0 0", class: `job ${name}`, "stroke-width": Math.max(1, thick - 1) })), ...axis(from, to, height)),
      make("figcaption", {}, ...usual.map(([name, text]) => entry(name, text)), ...(paths.open ? [entry("open", "no end yet")] : []), make("span", { class: "entry" }, counted(ran.length, "job"))));
  }

  function yieldBy(title, read) {
    const groups = new Map();
    for (const clip of Data.clips) {
      const name = read(clip) || "–";
      if (!groups.has(name)) groups.set(name, Object.fromEntries(Decisions.WORDS.map((word) => [word, 0])));
      groups.get(name)[Decisions.wordOf(clip)] += 1;
    }
    const rows = [...groups].slice(0, 40).map(([name, found]) => {
      const all = Decisions.WORDS.reduce((sum, word) => sum + found[word], 0);
      const decided = found.approved + found.rejected;
      const bar = make("div", { class: "bar", "aria-hidden": "true" }, ...Decisions.WORDS.filter((word) => found[word]).map((word) => make("span", { class: word.replace(" ", "-"), style: `flex-grow:${found[word]}` })));
      return make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "wide" }, bar), ...["approved", "rejected", "waiting"].map((word) => make("td", {}, found[word].toLocaleString("en"))), make("td", {}, decided ? `${Math.round((100 * found.approved) / decided)} %` : "–"), make("td", {}, all.toLocaleString("en")));
    });
    return make("table", { class: "yield" }, make("thead", {}, make("tr", {}, ...[title, "outcome", "approved", "rejected", "waiting", "yield", "clips"].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
  }

  function show() {
    width = Math.min(WIDEST, at("spend-chart").clientWidth || WIDEST);
    at("spend-chart").replaceChildren(spend());
    at("jobs-chart").replaceChildren(jobs());
    const models = new Set(Data.clips.map((clip) => clip.model)).size > 1 ? [yieldBy("Model", (clip) => clip.model)] : [];
    const groups = Data.rows.some((row) => row.group) ? [yieldBy("Row group", (clip) => clip.row.group)] : [];
    // Where each row has a prompt of its own, a list of them tells nothing.
    const few = new Set(Data.clips.map((clip) => Data.promptOf(clip))).size;
    const prompts = few > 1 && few <= 12 ? [yieldBy("Prompt", (clip) => Data.promptOf(clip).slice(0, 60))] : [];
    at("yield-chart").replaceChildren(yieldBy("Shot", (clip) => clip.shot), yieldBy("Provider", (clip) => clip.provider), ...models, ...groups, ...prompts);
  }

  return { show };
})();
