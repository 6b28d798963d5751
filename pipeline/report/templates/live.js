// The page stays fresh: what changed since it was loaded is asked for, and only that is loaded.
const Live = (() => {
  const EVERY_MS = 2000;
  let { version } = Data;
  let asOf = new Date();
  const gone = new Set();

  const time = () => asOf.toLocaleTimeString("en", { hour12: false });

  async function ask() {
    const answer = await fetch(`../changes?since=${version}`);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    // The server looked before this page's last decision was saved: it is asked for the same again.
    const isOld = told.saved < Decisions.latestSaved();
    if (isOld) delete told.parts.decisions;
    asOf = new Date();
    if (told.version !== version) take(told);
    if (!isOld) version = told.version;
    say();
  }

  function take({ parts, gone: left }) {
    left.forEach((name) => gone.add(name));
    Object.keys(parts).forEach((name) => gone.delete(name));
    const changed = Object.entries(parts).filter(([name]) => name.startsWith("clip ")).map(([, clip]) => Data.take(clip));
    Object.assign(Data, parts.figures);
    if (parts.overview) showOverview(parts.overview);
    Decisions.renew(parts.decisions);
    Pages.renew(changed);
  }

  // The server has made every text in it safe. What is in use within it stays the same element.
  function showOverview(text) {
    const overview = at("overview");
    const opened = new Map([...overview.querySelectorAll("details")].map((each) => [causeOf(each), each.open]));
    const held = overview.contains(document.activeElement) ? document.activeElement : null;
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("overview");
    fresh.querySelectorAll("details").forEach((each) => { each.open = opened.get(causeOf(each)) ?? each.open; });
    fresh.querySelector(".waits").replaceWith(overview.querySelector(".waits"));
    overview.replaceChildren(...fresh.childNodes);
    if (held) (held.isConnected ? held : held.id && at(held.id))?.focus({ preventScroll: true });
  }

  const causeOf = (details) => details.querySelector("summary").textContent.replace(/[\d,]+/, "").trim();

  function say() {
    const { in_flight: inFlight, to_make: toMake } = Data;
    at("live").hidden = !inFlight && !gone.size;
    if (gone.size) {
      const again = button("Load it again", () => location.reload());
      at("live").replaceChildren(`${counted(gone.size, "clip")} of this page ${gone.size === 1 ? "is" : "are"} not asked for any more. `, again);
    } else at("live").textContent = `${counted(inFlight, "clip")} in flight, ${toMake.toLocaleString("en")} still to make · as of ${time()}`;
  }

  async function follow() {
    try {
      // A page that nobody sees is brought up to date when it is seen.
      if (!document.hidden) await ask();
    } catch (error) {
      const why = error instanceof TypeError ? "the server has ended, or does not answer" : error.message;
      at("live").hidden = false;
      at("live").textContent = `Not kept up to date, as of ${time()}: ${why}`;
    }
    setTimeout(follow, EVERY_MS);
  }

  return { begin: follow };
})();

if (Data.served) Live.begin();
