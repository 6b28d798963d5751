// Makes elements and texts. Text of the campaign gets into the page here only, as text.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children.filter(Boolean));
  return element;
}

function button(text, action, attributes) {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

const at = (id) => document.getElementById(id);
const spoken = (word) => String(word).replaceAll("_", " ");
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const dollars = (number) => `${number.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })} USD`;
const isTyping = (target) => target.closest("input:not([type=range]):not([type=checkbox]), textarea, select") !== null;

function stateText(clip) {
  const cause = clip.cause && clip.cause !== clip.state ? ": " + spoken(clip.cause) : "";
  return `${Data.marks[clip.state] || "·"} ${spoken(clip.state)}${cause}`;
}

function moneyText(clip) {
  if (clip.shared) return "shared purchase";
  const parts = [];
  if (clip.charged !== "0.00") parts.push(clip.charged + " USD");
  if (clip.reserved !== "0.00") parts.push(clip.reserved + " USD reserved");
  if (clip.possible !== "0.00") parts.push(clip.possible + " USD possible");
  if (!parts.length) parts.push(clip.estimate === null ? "price unknown" : "estimate " + clip.estimate + " USD");
  return parts.join(", ");
}

const measures = (clip) => [
  clip.seconds === null ? "" : clip.seconds + " s",
  clip.width ? clip.width + "×" + clip.height : "",
].filter(Boolean).join(" · ");

// A browser has few media players: what is out of sight gives its own back.
function film(clip, attributes) {
  const video = make("video", { src: clip.src, poster: Data.posterOf(clip) || null, playsinline: true, tabindex: "-1", "aria-label": clip.address, ...attributes });
  video.muted = true;
  video.dataset.sha256 = clip.sha256;
  return video;
}

// A clip may be made anew while it is looked at: nobody decides on what was not seen.
const isReplaced = (clip, video) => Boolean(video) && video.dataset.sha256 !== clip.sha256;
const anotherClip = (clip) => `There is another clip at ${clip.address} by now: look at it first.`;

function release(video) {
  video.ontimeupdate = null;
  video.pause();
  video.removeAttribute("src");
  video.load();
  video.remove();
}

function play(video) {
  // Whoever leaves before it began has interrupted it: that is no fault.
  return video.play().catch(() => undefined);
}
