// Two to four clips in step: one timeline, the differences of their prompts marked.
const Comparison = (() => {
  const DRIFT_S = 0.06;
  let clips = [];
  let films = [];
  let isPlaying = false;

  function begin(chosen) {
    hide();
    clips = chosen.filter((clip) => clip && clip.src).slice(0, 4);
    at("comparison-empty").hidden = clips.length > 1;
    at("comparison-clips").hidden = clips.length < 2;
    if (clips.length < 2) return;
    films = clips.map((clip) => film(clip, { preload: "auto", style: clip.width ? `aspect-ratio:${clip.width}/${clip.height}` : null }));
    const [first] = clips.map(Data.promptOf);
    at("side-by-side").style.setProperty("--clips", clips.length);
    at("side-by-side").replaceChildren(...clips.map((clip, n) => make("article", { "aria-label": clip.address },
      films[n],
      make("h3", {}, clip.address),
      make("p", { class: `word ${Decisions.wordOf(clip).replace(" ", "-")}` }, `${Decisions.wordOf(clip)} · ${clip.provider} · ${moneyText(clip)}`),
      make("p", { class: "buttons" },
        button(`${n + 1} Approve`, () => decide(n), { "aria-label": `${n + 1} Approve ${clip.address}` }),
        button("Look", () => Pages.look(clip), { "aria-label": `Look at ${clip.address}` })),
      make("p", { class: "prompt", dir: "auto" }, ...differences(first, Data.promptOf(clip), n === 0)))));
    films[0].ontimeupdate = keepStep;
    start();
  }

  async function decide(n) {
    if (!clips[n]) return;
    if (isReplaced(clips[n], films[n])) {
      begin(clips);
      announce(anotherClip(clips[n]));
      return;
    }
    const isDurable = await Decisions.record(clips[n], "approved");
    at("side-by-side").querySelectorAll(".word").forEach((word, k) => {
      word.textContent = `${Decisions.wordOf(clips[k])} · ${clips[k].provider} · ${moneyText(clips[k])}`;
      word.className = `word ${Decisions.wordOf(clips[k]).replace(" ", "-")}`;
    });
    announce(isDurable ? `${clips[n].address}: ${Decisions.wordOf(clips[n])}` : `The decision is not saved. ${Decisions.faultText()}`);
  }

  const length = () => Math.max(...films.map((video) => video.duration || 0));

  function keepStep() {
    const [master] = films;
    for (const video of films.slice(1)) {
      if (Math.abs(video.currentTime - master.currentTime) > DRIFT_S && master.currentTime <= (video.duration || 0)) video.currentTime = master.currentTime;
    }
    at("comparison-seek").max = length();
    at("comparison-seek").value = master.currentTime;
    at("comparison-time").textContent = `${master.currentTime.toFixed(2)} s`;
    if (master.ended && isPlaying) {
      seek(0);
      start();
    }
  }

  function seek(time) {
    for (const video of films) video.currentTime = Math.min(time, video.duration || time);
  }

  function start() {
    isPlaying = true;
    films.forEach(play);
  }

  function pause() {
    isPlaying = false;
    films.forEach((video) => video.pause());
    seek(films[0].currentTime);
  }

  function step(frames) {
    pause();
    seek(Math.max(0, films[0].currentTime + frames / (clips[0].fps || 24)));
  }

  // Words that the other prompt does not have in this place, by their longest common sequence.
  function differences(first, text, isFirst) {
    const split = (each) => each.split(/(\s+)/).filter(Boolean);
    const [a, b] = [split(first), split(text)];
    if (isFirst || first === text) return [text];
    const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
      }
    }
    const parts = [];
    let [i, j] = [0, 0];
    while (j < b.length) {
      if (i < a.length && a[i] === b[j]) {
        parts.push(b[j]);
        i += 1;
        j += 1;
      } else if (i < a.length && common[i + 1][j] >= common[i][j + 1]) i += 1;
      else {
        parts.push(make("mark", {}, b[j]));
        j += 1;
      }
    }
    return parts;
  }

  function press(event) {
    if (clips.length < 2) return false;
    const n = Number(event.key) - 1;
    if (event.target.closest("#comparison-seek") && event.key.startsWith("Arrow")) return false;
    if (event.key === " " && event.target.closest("button, a")) return false;
    if (event.key === " ") (isPlaying ? pause : start)();
    else if (event.key === ",") step(-1);
    else if (event.key === ".") step(1);
    else if (event.key === "u") Decisions.undo().then(() => begin(clips));
    else if (clips[n]) decide(n);
    else return false;
    return true;
  }

  function hide() {
    isPlaying = false;
    films.forEach(release);
    films = [];
  }

  at("comparison-play").addEventListener("click", () => (isPlaying ? pause : start)());
  at("comparison-seek").addEventListener("input", () => { pause(); seek(Number(at("comparison-seek").value)); });
  return { begin, hide, press };
})();
