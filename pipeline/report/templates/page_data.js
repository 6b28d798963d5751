// Reads the data in the page: clips, rows and places. Everything in it is text, never markup.
const Data = (() => {
  const raw = JSON.parse(document.getElementById("data").textContent);
  // Equal values stand once: a column is a list, or the distinct values with an index per clip.
  const column = (packed) => (Array.isArray(packed) ? packed : packed.at.map((n) => packed.of[n]));
  const names = Object.keys(raw.clips);
  const columns = names.map((name) => column(raw.clips[name]));
  const count = columns.length ? columns[0].length : 0;
  const clips = [];
  for (let n = 0; n < count; n += 1) {
    const clip = { n };
    for (let c = 0; c < names.length; c += 1) clip[names[c]] = columns[c][n];
    clip.row = raw.rows[clip.row];
    clip.src = clip.path ? "../" + clip.path.split("/").map(encodeURIComponent).join("/") : "";
    clips.push(clip);
  }

  // A place is what one approved clip is wanted for: a shot for a row in a cell; takes are tries.
  const places = new Map();
  const byColumn = new Map();
  for (const clip of clips) {
    const heading = clip.shot + "\u0000" + clip.cell;
    if (!byColumn.has(heading)) byColumn.set(heading, { shot: clip.shot, cell: clip.cell });
    const name = [clip.row.table, clip.row.key, heading].join("\u0000");
    if (!places.has(name)) places.set(name, { name, column: byColumn.get(heading), clips: [] });
    clip.place = places.get(name);
    clip.place.clips.push(clip);
  }

  return {
    ...raw,
    clips,
    places: [...places.values()],
    byAddress: new Map(clips.map((clip) => [clip.address, clip])),
    promptOf: (clip) => clip.prompt.map((n) => raw.sentences[n]).join(""),
    posterOf: (clip) => (clip.poster ? `posters/${clip.sha256}.jpg` : ""),
  };
})();
