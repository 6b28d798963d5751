// Which clips have a word in their texts. What many clips share is looked through once.
const Search = (() => {
  const columns = [];
  let latest = new Map();

  const plain = (text) => text.toLowerCase();
  const wordsOf = (text) => plain(text).split(/\s+/).filter(Boolean);

  // The distinct texts of one kind in one string, and the clips of each.
  function column(read) {
    const found = new Map();
    for (const clip of Data.clips) {
      for (const text of read(clip)) {
        if (text === "" || text === null) continue;
        const users = found.get(text);
        if (users) users.push(clip.n);
        else found.set(text, [clip.n]);
      }
    }
    const texts = [...found.keys()].map((text) => plain(String(text)));
    const ends = new Uint32Array(texts.length);
    texts.reduce((end, text, n) => (ends[n] = end + text.length + 1), 0);
    return { all: texts.join("\n") + "\n", ends, users: [...found.values()] };
  }

  const KINDS = [
    (clip) => [clip.address],
    (clip) => [clip.path],
    (clip) => [clip.message, clip.provider, spoken(clip.state)],
    (clip) => clip.prompt.map((n) => Data.sentences[n]),
    (clip) => clip.tags,
    (clip) => clip.axes,
    (clip) => clip.row.values,
  ];

  // Made while nobody waits, after the first view was painted; who searches sooner makes the rest.
  function prepare(idle) {
    while (columns.length < KINDS.length && idle.timeRemaining() > 0) columns.push(column(KINDS[columns.length]));
    if (columns.length < KINDS.length) requestIdleCallback(prepare);
  }

  function look(word) {
    prepare({ timeRemaining: () => 1 });
    const clips = new Uint8Array(Data.clips.length);
    for (const { all, ends, users } of columns) {
      let n = 0;
      for (let place = all.indexOf(word); place >= 0; place = all.indexOf(word, ends[n])) {
        while (ends[n] <= place) n += 1;
        for (const user of users[n]) clips[user] = 1;
      }
    }
    return clips;
  }

  // Of what is being typed the words before the last stay as they are.
  function clipsWith(word, _, words) {
    latest = new Map([...latest].filter(([known]) => words.includes(known)));
    if (!latest.has(word)) latest.set(word, look(word));
    return latest.get(word);
  }

  // Clips changed: their texts are gathered anew.
  function renew() {
    columns.length = 0;
    latest = new Map();
    requestIdleCallback(prepare);
  }

  addEventListener("load", () => requestIdleCallback(prepare));
  return { wordsOf, clipsWith, renew };
})();
