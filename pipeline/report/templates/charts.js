// Three pictures: what was spent, when the jobs ran, and how much of what was made is usable.
const Charts = (() => {
  const WIDTH = 900;
  const LEFT = 64;
  const TIMELINE_ROWS = 120;
  const OUTCOMES = ["approved", "waiting", "later", "not needed", "rejected", "no clip"];

  const clock = (unix) => new Date(unix * 1000).toISOString().slice(5, 16).replace("T", " ");
  const second = (unix) => new Date(unix * 1000).toISOString().slice(11, 19);

  function axis(from, to, height) {
    const told = to - from < 3600 ? second : clock;
    return [0, 0.5, 1].map((share) => {
      const text = draw("text", { x: LEFT + share * (WIDTH - LEFT - 10), y: height - 4, "text-anchor": ["start", "middle", "end"][share * 2], class: "axis" });
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
    return draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, ...parts);
  }

  function spend() {
    const paid = Data.clips.filter((clip) => !clip.shared && clip.finished && Number(clip.charged) > 0).sort((a, b) => a.finished - b.finished);
    if (!paid.length) return make("p", { class: "quiet" }, "Nothing was charged yet.");
    const estimate = Number(Data.spent.estimate);
    const limit = Data.limit === null ? null : Number(Data.limit);
    const total = paid.reduce((sum, clip) => sum + Number(clip.charged), 0);
    const top = Math.max(estimate, total, limit || 0) * 1.08;
    const [from, to] = [Math.min(...paid.map((clip) => clip.submitted || clip.finished)), paid.at(-1).finished];
    const height = 240;
    const x = (time) => LEFT + ((time - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 10);
    const y = (sum) => height - 24 - (sum / top) * (height - 40);
    let sum = 0;
    let path = `M${x(from)} ${y(0)}`;
    for (const clip of paid) {
      path += `H${x(clip.finished).toFixed(1)}`;
      sum += Number(clip.charged);
      path += `V${y(sum).toFixed(1)}`;
    }
    const lines = [["estimate", estimate], ["budget", limit]].filter(([, value]) => value).map(([name, value]) => draw("line", { x1: LEFT, x2: WIDTH - 10, y1: y(value), y2: y(value), class: name }));
    const said = `Charged ${dollars(total)}, estimate ${dollars(estimate)}${limit === null ? "" : `, budget ${dollars(limit)}`}`;
    return make("figure", {},
      picture(said, height, ...lines, draw("path", { d: path, class: "spent" }), label(top.toFixed(2), y(top) + 12), label("0", y(0)), ...axis(from, to, height)),
      make("figcaption", {}, make("span", { class: "key spent" }), `charged ${dollars(total)} `, make("span", { class: "key estimate" }), `estimate ${dollars(estimate)} `, ...(limit === null ? [] : [make("span", { class: "key budget" }), `budget ${dollars(limit)}`])));
  }

  function jobs() {
    const ran = Data.clips.filter((clip) => !clip.shared && clip.submitted).sort((a, b) => a.submitted - b.submitted);
    if (!ran.length) return make("p", { class: "quiet" }, "Nothing was sent yet.");
    const from = ran[0].submitted;
    const to = Math.max(...ran.map((clip) => clip.finished || clip.accepted || clip.submitted));
    // Of thousands a picture shows the shape: several jobs share a line then.
    const rows = Math.min(TIMELINE_ROWS, ran.length);
    const thick = Math.max(3, Math.min(12, 360 / rows));
    const height = rows * thick + 30;
    const x = (time) => (LEFT + ((time - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 10)).toFixed(1);
    const paths = { queue: "", run: "", open: "" };
    ran.forEach((clip, n) => {
      const y = (Math.floor((n * rows) / ran.length) * thick + thick / 2 + 2).toFixed(1);
      const accepted = clip.accepted || clip.submitted;
      paths.queue += `M${x(clip.submitted)} ${y}H${x(accepted)}`;
      paths[clip.finished ? "run" : "open"] += `M${x(accepted)} ${y}H${x(clip.finished || to)}`;
    });
    const said = `${counted(ran.length, "job")} from ${clock(from)} to ${clock(to)} UTC`;
    return make("figure", {},
      picture(said, height, ...Object.entries(paths).map(([name, d]) => draw("path", { d: d || "M0 0", class: `job ${name}`, "stroke-width": Math.max(1, thick - 1) })), ...axis(from, to, height)),
      make("figcaption", {}, make("span", { class: "key queue" }), "being sent ", make("span", { class: "key run" }), "accepted until settled ", make("span", { class: "key open" }), "no end yet. ", said));
  }

  function yieldBy(title, read) {
    const groups = new Map();
    for (const clip of Data.clips) {
      const name = read(clip) || "–";
      if (!groups.has(name)) groups.set(name, Object.fromEntries(OUTCOMES.map((word) => [word, 0])));
      groups.get(name)[Decisions.wordOf(clip)] += 1;
    }
    const rows = [...groups].slice(0, 40).map(([name, found]) => {
      const all = OUTCOMES.reduce((sum, word) => sum + found[word], 0);
      const decided = found.approved + found.rejected;
      const bar = make("div", { class: "bar", "aria-hidden": "true" }, ...OUTCOMES.filter((word) => found[word]).map((word) => make("span", { class: word.replace(" ", "-"), style: `flex-grow:${found[word]}` })));
      return make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "wide" }, bar), ...["approved", "rejected", "waiting"].map((word) => make("td", {}, found[word].toLocaleString("en"))), make("td", {}, decided ? `${Math.round((100 * found.approved) / decided)} %` : "–"), make("td", {}, all.toLocaleString("en")));
    });
    return make("table", { class: "yield" }, make("thead", {}, make("tr", {}, ...[title, "outcome", "approved", "rejected", "waiting", "yield", "clips"].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
  }

  function show() {
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
