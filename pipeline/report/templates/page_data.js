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
    clip.src = addressOf(clip.path);
    clips.push(clip);
  }

  function addressOf(path) {
    return path ? "../" + path.split("/").map(encodeURIComponent).join("/") : "";
  }

  // A place is what one approved clip is wanted for: a shot for a row in a cell; takes are tries.
  const places = new Map();
  const byColumn = new Map();
  function join(clip) {
    const heading = clip.shot + "\u0000" + clip.cell;
    if (!byColumn.has(heading)) byColumn.set(heading, { shot: clip.shot, cell: clip.cell });
    const name = [clip.row.table, clip.row.key, heading].join("\u0000");
    if (!places.has(name)) places.set(name, { name, column: byColumn.get(heading), clips: [] });
    clip.place = places.get(name);
    clip.place.clips.push(clip);
  }
  clips.forEach(join);
  const byAddress = new Map(clips.map((clip) => [clip.address, clip]));

  // Where a value stands in a list that clips point into; what is new is put at its end.
  function placeIn(list, value, isSame) {
    const found = list.findIndex(isSame);
    return found < 0 ? list.push(value) - 1 : found;
  }

  // Takes in a clip as the server has it now, one that is new too.
  function take(told) {
    const clip = byAddress.get(told.address) || { n: clips.length, prompt: [] };
    const isSent = promptOf(clip) === told.prompt;
    Object.assign(clip, told, {
      row: raw.rows[placeIn(raw.rows, told.row, (row) => row.table === told.row.table && row.key === told.row.key)],
      prompt: isSent ? clip.prompt : [raw.sentences.push(told.prompt) - 1],
      references: told.references.map((each) => placeIn(raw.pictures, each, ({ name, href }) => name === each.name && href === each.href)),
      axes: raw.axes.map((axis) => told.axes[axis] || ""),
      src: addressOf(told.path),
    });
    if (!byAddress.has(clip.address)) {
      clips.push(clip);
      byAddress.set(clip.address, clip);
      join(clip);
      Data.places = [...places.values()];
    }
    return clip;
  }

  function promptOf(clip) {
    return clip.prompt.map((n) => raw.sentences[n]).join("");
  }

  return {
    ...raw,
    clips,
    places: [...places.values()],
    byAddress,
    promptOf,
    take,
    posterOf: (clip) => (clip.poster ? `posters/${clip.sha256}.jpg` : ""),
  };
})();
