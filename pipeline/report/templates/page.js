// The page as a whole: its views, the keys, the address bar, and what is not saved yet.
function announce(text) {
  at("announcement").textContent = text;
}

const Pages = (() => {
  const WAITING_SHOWN = 20;
  const VIEWS = ["overview", "clips", "sitting", "comparison", "charts"];
  const HIDE = { clips: Grid.hide, sitting: Sitting.hide, comparison: Comparison.hide };
  const PRESS = { clips: Grid.press, sitting: Sitting.press, comparison: Comparison.press };
  let view = "";
  let shown = Data.clips;
  let noted = null;
  let compared = [];
  let isFollowing = false;

  const read = () => new URLSearchParams(location.hash.slice(1));

  function write(isNew) {
    const address = new URLSearchParams();
    address.set("view", view);
    Filters.writeAddress(address);
    if (view === "sitting" && noted) address.set("clip", noted.address);
    if (view === "comparison") compared.forEach((clip) => address.append("compare", clip.address));
    const hash = "#" + address;
    if (hash === location.hash) return;
    if (isNew) history.pushState(null, "", hash);
    else history.replaceState(null, "", hash);
  }

  function open(name) {
    if (view !== name) HIDE[view]?.();
    view = name;
    document.body.dataset.view = name;
    for (const each of VIEWS) at(each).hidden = each !== name;
    at("filters").hidden = !["clips", "sitting"].includes(name);
    document.querySelectorAll("nav a").forEach((link) => {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    showCount();
  }

  function showView(name, { clip = null, compare = [] } = {}) {
    open(name);
    // What was decided meanwhile may have left a filter by decisions.
    shown = Filters.matching();
    showCount();
    if (name === "overview") showOverview();
    if (name === "clips") Grid.show(shown);
    if (name === "sitting") Sitting.begin(shown, clip);
    if (name === "comparison") Comparison.begin(compare);
    if (name === "charts") Charts.show();
  }

  function go(name, more = {}) {
    compared = more.compare || compared;
    if (name === "comparison") more = { compare: compared };
    showView(name, more);
    write(true);
    at(name).querySelector("h2")?.focus({ preventScroll: true });
    if (name === "clips") Grid.focus();
  }

  function follow() {
    const address = read();
    const name = VIEWS.includes(address.get("view")) ? address.get("view") : "overview";
    // Opened first: a view that is not there yet has no width to draw its clips in.
    open(name);
    isFollowing = true;
    Filters.readAddress(address);
    isFollowing = false;
    compared = address.getAll("compare").map((each) => Data.byAddress.get(each)).filter(Boolean);
    showView(name, { clip: Data.byAddress.get(address.get("clip")) || null, compare: compared });
  }

  function showCount() {
    at("shown").textContent = shown.length === Data.clips.length ? counted(shown.length, "clip") : `${shown.length.toLocaleString("en")} of ${counted(Data.clips.length, "clip")}`;
  }

  function showOverview() {
    // One that is off spec may be looked at, and waits for nobody: another is made instead.
    const waiting = Data.clips.filter((clip) => Decisions.wordOf(clip) === "waiting");
    const approved = Data.clips.filter((clip) => Decisions.wordOf(clip) === "approved");
    at("waiting-count").textContent = waiting.length.toLocaleString("en");
    at("approved-count").textContent = `${approved.length.toLocaleString("en")} of ${counted(Data.places.length, "place")}`;
    // Of an unknown charge there is no average.
    const perApproved = approved.length && !Data.charges_unknown ? Number(Data.charged_in_all) / approved.length : null;
    at("per-approved").textContent = perApproved === null ? "–" : dollars(perApproved);
    const differing = Data.clips.filter((clip) => Decisions.differing(clip).length);
    at("differing").hidden = !differing.length;
    at("differing").replaceChildren(`${counted(differing.length, "clip")} decided differently by several people: `, ...differing.slice(0, 12).map((clip) => button(clip.address, () => go("sitting", { clip }))));
    at("begin").hidden = !waiting.length;
    const one = [...Map.groupBy(waiting, (clip) => clip.place).values()].map(([first]) => first);
    at("waiting-strip").replaceChildren(...one.slice(0, WAITING_SHOWN).map((clip) => {
      const chosen = button("", () => go("sitting", { clip }), { "aria-label": `look at ${clip.address}` });
      chosen.append(clip.poster ? make("img", { src: Data.posterOf(clip), alt: "" }) : make("span", { class: "mark" }, "▷"));
      return chosen;
    }));
  }

  function showUnsaved() {
    const count = Decisions.unsavedCount();
    at("unsaved").hidden = !count && !Decisions.faultText();
    at("unsaved-text").textContent = Decisions.faultText() || `${counted(count, "decision")} not saved yet: export ${count === 1 ? "it" : "them"} before you leave.`;
    at("send-again").hidden = !(Data.served && count);
  }

  // Shows what changed in the view that is open; nobody's place in it is lost.
  function renew(changed) {
    Filters.renew();
    shown = Filters.matching();
    showCount();
    showOverview();
    if (view === "clips") Grid.renew(shown, changed);
    if (view === "sitting") Sitting.renew(shown, changed);
    if (view === "charts") Charts.show();
  }

  function save() {
    const link = make("a", { href: URL.createObjectURL(new Blob([Decisions.exported()], { type: "application/json" })), download: `${Data.name}.decisions.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    announce("The decisions were exported.");
  }

  async function load(file) {
    try {
      const found = await Decisions.merge(await file.text());
      const lines = [counted(found.taken, "decision") + " taken", `${found.same} the same`, found.gone ? `${found.gone} for clips that are not here` : "", ...found.conflicts.map((each) => `conflict, left as it is: ${each}`)];
      at("import-result").textContent = lines.filter(Boolean).join(" · ");
    } catch (error) {
      at("import-result").textContent = `Not imported: ${error.message}`;
    }
    at("import-result").hidden = false;
    showOverview();
  }

  async function copy(chosen) {
    try {
      await navigator.clipboard.writeText(chosen.dataset.copy);
      chosen.textContent = "Copied";
    } catch {
      chosen.textContent = "Select and copy";
    }
  }

  document.addEventListener("click", (event) => {
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied);
    const link = event.target.closest("a[data-view]");
    if (!link) return;
    event.preventDefault();
    go(link.dataset.view, { clip: Data.byAddress.get(link.dataset.clip) || null });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || at("help").open) return;
    if (event.target.closest(":popover-open")) return;
    if (PRESS[view]?.(event)) event.preventDefault();
    else if (event.key === "/" && !at("filters").hidden) {
      event.preventDefault();
      at("search").focus();
    } else if (event.key === "?") at("help").showModal();
    else if (event.key === "Escape" && ["sitting", "comparison"].includes(view)) go("clips");
  });
  at("search").addEventListener("keydown", (event) => event.key === "Escape" && at("search").blur());
  at("begin").addEventListener("click", () => {
    Filters.only("decision", "waiting");
    go("sitting");
  });
  at("help-button").addEventListener("click", () => at("help").showModal());
  at("export").addEventListener("click", save);
  at("import").addEventListener("change", () => at("import").files[0] && load(at("import").files[0]));
  at("send-again").addEventListener("click", async () => {
    await Decisions.flush();
    showUnsaved();
  });
  Filters.onChange(() => {
    const before = shown;
    shown = Filters.matching();
    showCount();
    if (isFollowing) return;
    if (view) write(false);
    // Of the same clips everything stays where it is.
    if (shown.length === before.length && shown.every((clip, n) => clip === before[n])) return;
    if (view === "clips") Grid.show(shown);
    if (view === "sitting") Sitting.begin(shown, Sitting.current() && shown.includes(Sitting.current()) ? Sitting.current() : null);
  });
  Decisions.onChange(showUnsaved);
  addEventListener("popstate", follow);
  let settled = null;
  addEventListener("resize", () => {
    clearTimeout(settled);
    settled = setTimeout(() => {
      if (view === "clips") Grid.show(shown);
      if (view === "charts") Charts.show();
    }, 150);
  });

  return {
    begin: () => { showUnsaved(); follow(); },
    look: (clip) => go("sitting", { clip }),
    renew,
    compare: (clips) => go("comparison", { compare: clips }),
    note: (clip) => { noted = clip; write(false); },
  };
})();

Pages.begin();
