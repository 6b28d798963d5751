// Which clips have a word in their texts. What many clips share is looked through once.
const Search = (() => {
  const columns = [];
  let latest = new Map();

  const plain = (text) => text.toLowerCase();
  const wordsOf = (text) => plain(text).split(/\s+/).filter(Boolean);
  const itself = (text) => text;

  // What each clip has of one kind, and how it reads: what is equal is indexed once.
  const KINDS = [
    [(clip) => [clip.n], (n) => `${Data.clips[n].address}\n${Data.clips[n].path || ""}`],
    [(clip) => [clip.message, clip.provider], itself],
    [(clip) => [clip.state], spoken],
    [(clip) => clip.prompt, (n) => Data.sentences[n]],
    [(clip) => clip.tags, itself],
    [(clip) => clip.axes, itself],
    [(clip) => [clip.row], (row) => row.values.join("\n")],
  ];

  // The distinct texts in one string, where each ends, and the clips of each.
  function column([read, textOf]) {
    const found = new Map();
    for (const clip of Data.clips) {
      for (const key of read(clip)) {
        const users = found.get(key);
        if (users) users.push(clip.n);
        else found.set(key, [clip.n]);
      }
    }
    const texts = [...found.keys()].map((key) => plain(textOf(key) || ""));
    const ends = new Uint32Array(texts.length);
    texts.reduce((end, text, n) => (ends[n] = end + text.length + 1), 0);
    return { all: texts.join("\n") + "\n", ends, users: [...found.values()] };
  }

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
