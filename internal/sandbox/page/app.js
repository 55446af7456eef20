// Shows what arrived. The server's /events says how many posts each group has; /timeline gives them, a screenful at a
// time. Whatever a client sent is put into the page as text, never as markup.
"use strict";

const screenful = 200;
const $ = (id) => document.getElementById(id);

let run = "";            // the server's; another one means that it was started anew
let groups = [];         // as /events tells them
let current = "";        // ID of the group that is shown
let highest = -1;           // highest number of a post on the screen
let lowest = 0;          // and the lowest
let live = true;         // the newest are shown, and new ones come by themselves
let unseen = 0;          // came while the reader was further down
const seen = new Map();  // group ID -> how many posts there were when it was last looked at

// ---- small parts -------------------------------------------------------------------------------------------------

function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do { bytes /= 1000; i++; } while (bytes >= 999.5 && i < units.length - 1);
  return `${bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[i]}`;
}

const number = (n) => n.toLocaleString();
const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;
const clock = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function day(at) {
  const date = new Date(at), today = new Date();
  if (date.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return "Yesterday";
  return date.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

function hue(text) {
  let h = 0;
  for (const c of text) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function paintFace(face, group) {
  const words = group.name.match(/[\p{L}\p{N}]+/gu) || ["#"];
  face.textContent = words.slice(0, 2).map((w) => [...w][0].toUpperCase()).join("");
  face.style.setProperty("--hue", hue(group.id));
}

function summary(post) {
  if (post.caption) return post.caption;
  return post.media.length > 1 ? plural(post.media.length, "image", "images") : post.media[0].name;
}

// ---- posts -------------------------------------------------------------------------------------------------------

// Audio and video ask for their file only when they come near the screen: a browser has few connections.
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    target.src = target.dataset.src;
  }
}, { rootMargin: "400px" });

function imageTile(file, all, i) {
  const button = make("button", "tile");
  button.type = "button";
  button.title = `${file.name} · ${size(file.size)}`;
  const image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = file.name;
  image.onerror = () => {
    button.replaceChildren(make("span", "unshown", "This image cannot be shown"));
    button.classList.add("broken");
    button.disabled = true;
  };
  image.src = file.url;
  button.append(image);
  button.onclick = () => openViewer(all, i);
  return button;
}

function albumGrid(files) {
  const most = 12;
  const grid = make("div", "album");
  const tiles = Math.min(files.length, most);
  grid.dataset.wide = tiles === 1 ? 1 : [0, 4, 2][tiles % 3]; // what does not fill rows of three gets more room
  files.slice(0, most).forEach((file, i) => grid.append(imageTile(file, files, i)));
  if (files.length > most) {
    grid.lastChild.append(make("span", "rest", `+${number(files.length - most + 1)}`));
  }
  return grid;
}

function documentLink(file) {
  const link = make("a", "attachment");
  link.href = file.url;
  link.download = "";
  const kind = (file.name.match(/\.([a-z0-9]+)$/i) || ["", "file"])[1].toLowerCase();
  const badge = make("span", "badge", kind.toUpperCase());
  badge.dataset.kind = kind.slice(0, 3);
  badge.setAttribute("aria-hidden", "true");
  const words = make("span", "words");
  const name = make("span", "name", file.name);
  name.dir = "auto";
  words.append(name, make("span", "size", size(file.size)));
  link.append(badge, words);
  return link;
}

function player(tag, file) {
  const p = make(tag, tag);
  p.controls = true;
  p.preload = "metadata";
  p.setAttribute("aria-label", file.name);
  p.dataset.src = file.url;
  p.onerror = () => {
    const link = documentLink(file);
    link.append(make("span", "hint", "this browser cannot play it"));
    p.replaceWith(link);
  };
  nearby.observe(p);
  return p;
}

function mediaOf(post) {
  const file = post.media[0];
  switch (post.type) {
    case "Image": return imageTile(file, post.media, 0);
    case "Album": return albumGrid(post.media);
    case "Audio": return player("audio", file);
    case "Video": return player("video", file);
    default: return documentLink(file);
  }
}

function fileLine(post) {
  if (post.media.length > 1) {
    const details = make("details", "files");
    const total = post.media.reduce((sum, f) => sum + f.size, 0);
    details.append(make("summary", "", `${plural(post.media.length, "image", "images")} · ${size(total)}`));
    const list = make("ul");
    for (const f of post.media) list.append(make("li", "", `${f.name} · ${size(f.size)}`));
    details.append(list);
    return details;
  }
  const line = make("p", "files");
  const name = make("span", "name", post.media[0].name);
  name.dir = "auto";
  line.append(name, make("span", "size", ` · ${size(post.media[0].size)}`));
  return line;
}

function postItem(post, fresh) {
  const at = new Date(post.at);
  const item = make("li", fresh ? "post fresh" : "post");
  item.dataset.n = post.n;
  item.dataset.day = at.toDateString();
  item.append(make("h3", "day", day(post.at)));
  const card = make("article", `card is-${post.type.toLowerCase()}`);
  card.setAttribute("aria-label", `${post.type}: ${summary(post)}`);
  card.append(mediaOf(post));
  const body = make("div", "body");
  if (post.caption) {
    const caption = make("p", "caption", post.caption);
    caption.dir = "auto";
    body.append(caption);
  }
  if (post.type !== "Document") body.append(fileLine(post));
  const foot = make("p", "foot");
  const ref = make("code", "ref", post.ref);
  ref.title = "referenceId";
  const time = make("time", "", clock(at));
  time.dateTime = at.toISOString();
  time.title = at.toLocaleString();
  foot.append(ref, time);
  body.append(foot);
  card.append(body);
  item.append(card);
  return item;
}

// ---- the timeline ------------------------------------------------------------------------------------------------

const group = () => groups.find((g) => g.id === current);

function clearTimeline() {
  nearby.disconnect();
  $("timeline").replaceChildren();
  highest = -1;
  lowest = 0;
  unseen = 0;
}

function showDays() {
  let before = "";
  for (const item of $("timeline").children) {
    item.classList.toggle("first-of-day", item.dataset.day !== before);
    before = item.dataset.day;
  }
}

// place puts posts, newest first, above those on the screen, and takes away what is too much below.
function place(posts, fresh) {
  if (posts.length === 0) return;
  const list = $("timeline");
  list.prepend(...posts.map((p) => postItem(p, fresh)));
  while (list.children.length > screenful) list.lastChild.remove();
  highest = posts[0].n;
  lowest = Number(list.lastChild.dataset.n);
  showDays();
}

async function fetchPosts(query) {
  const answer = await fetch(`/timeline?${new URLSearchParams({ group: current, ...query })}`);
  if (!answer.ok) throw new Error(`timeline: ${answer.status}`);
  return answer.json();
}

let busy = false, again = false;

// catchUp fetches what is newer than the screen. One at a time, and a slow browser is left time to breathe.
async function catchUp() {
  if (busy) { again = true; return; }
  busy = true;
  const began = performance.now();
  try {
    await catchUpOnce();
  } catch (e) {
    console.warn(e); // the next event tries again
  }
  setTimeout(() => {
    busy = false;
    if (again) { again = false; catchUp(); }
  }, 2 * (performance.now() - began));
}

async function catchUpOnce() {
  const g = group();
  if (!g || !live || g.count - 1 <= highest) return;
  const wanted = current, had = highest, first = had < 0;
  const got = await fetchPosts(first ? {} : { after: had });
  if (current !== wanted || !live || highest !== had || got.run !== run) { again = true; return; }
  const posts = got.posts;
  if (!first && posts.length > 0 && posts.at(-1).n > had + 1) clearTimeline(); // more came than fit
  place(posts, !first);
  if (!first && $("scroller").scrollTop > 150) unseen += posts.length;
  if (!first) announce(posts);
  showFrame();
}

function announce(posts) {
  if (posts.length === 0) return;
  $("announcer").textContent = posts.length === 1
    ? `New post: ${posts[0].type}, ${summary(posts[0])}`
    : plural(posts.length, "new post", "new posts");
}

async function turn(query) {
  live = false;
  const wanted = current;
  const got = await fetchPosts(query);
  if (current !== wanted || got.run !== run) return;
  clearTimeline();
  live = got.posts.length === 0 || got.posts[0].n === got.total - 1;
  place(got.posts, false);
  $("scroller").scrollTop = 0;
  $("timeline").focus({ preventScroll: true });
  showFrame();
}

function toNewest() {
  $("scroller").scrollTop = 0;
  unseen = 0;
  if (!live) {
    live = true;
    clearTimeline();
    catchUp();
  }
  $("timeline").focus({ preventScroll: true });
  showFrame();
}

// showFrame brings what surrounds the posts up to date.
function showFrame() {
  const g = group();
  const count = g ? g.count : 0;
  if (g) {
    paintFace($("group-face"), g);
    $("group-name").textContent = g.name;
    $("group-id").textContent = g.id;
  }
  $("group-count").textContent = g ? plural(count, "post", "posts") : "";
  $("empty").hidden = count > 0;
  $("empty-text").textContent = g
    ? "What is posted to this group appears here by itself."
    : "The sandbox was started without groups, so nothing can be posted.";
  $("newer").hidden = live;
  $("older").hidden = count === 0 || lowest === 0;
  const waiting = live ? unseen : Math.max(0, count - 1 - highest);
  $("to-newest").hidden = waiting === 0;
  $("to-newest").textContent = live ? `↑ ${plural(waiting, "new post", "new posts")}` : "↑ Back to the newest";
  document.title = g ? `(${number(count)}) ${g.name} · Sandbox` : "Sandbox";
}

// ---- groups ------------------------------------------------------------------------------------------------------

function groupItem(g) {
  const item = make("li");
  const link = make("a", "group");
  link.href = `#${encodeURIComponent(g.id)}`;
  const words = make("span", "words");
  words.append(make("span", "name"), make("span", "last"));
  const side = make("span", "side");
  side.append(make("time"), make("span", "count"));
  link.append(make("span", "face"), words, side);
  link.querySelector(".face").setAttribute("aria-hidden", "true");
  paintFace(link.querySelector(".face"), g);
  link.querySelector(".name").textContent = g.name;
  item.append(link);
  return item;
}

function showGroups() {
  const list = $("groups");
  if (list.children.length !== groups.length) list.replaceChildren(...groups.map(groupItem));
  groups.forEach((g, i) => {
    const link = list.children[i].firstChild;
    const here = g.id === current;
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    if (here || !seen.has(g.id)) seen.set(g.id, g.count);
    const fresh = g.count - seen.get(g.id);
    link.classList.toggle("unread", fresh > 0);
    link.querySelector(".last").textContent = g.last ? summary(g.last) : "No posts yet";
    link.querySelector("time").textContent = g.last ? clock(new Date(g.last.at)) : "";
    const count = link.querySelector(".count");
    count.textContent = number(g.count);
    count.setAttribute("aria-label", plural(g.count, "post", "posts") + (fresh > 0 ? `, ${number(fresh)} new` : ""));
  });
}

function choose() {
  let wanted = "";
  try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { /* no group has such an ID */ }
  const id = (groups.find((g) => g.id === wanted) || group() || groups[0] || { id: "" }).id;
  if (id === current) return false;
  current = id;
  live = true;
  clearTimeline();
  $("scroller").scrollTop = 0;
  return true;
}

function refresh() {
  const chosen = choose();
  showGroups();
  if (chosen) document.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  showFrame();
  catchUp();
}

// ---- one image, large --------------------------------------------------------------------------------------------

let shownFiles = [], shownIndex = 0;

function openViewer(files, i) {
  shownFiles = files;
  showImage(i);
  $("viewer").showModal();
}

function showImage(i) {
  const n = shownFiles.length;
  shownIndex = (i + n) % n;
  const file = shownFiles[shownIndex];
  $("viewer-image").src = file.url;
  $("viewer-image").alt = file.name;
  const place = n > 1 ? `${shownIndex + 1} of ${n} · ` : "";
  $("viewer-text").textContent = `${place}${file.name} · ${size(file.size)}`;
  $("viewer-back").hidden = $("viewer-on").hidden = n < 2;
}

$("viewer-back").onclick = () => showImage(shownIndex - 1);
$("viewer-on").onclick = () => showImage(shownIndex + 1);
$("viewer-close").onclick = () => $("viewer").close();
$("viewer").onclick = (e) => { if (e.target === $("viewer") || e.target.tagName === "FIGURE") $("viewer").close(); };
$("viewer").onkeydown = (e) => {
  if (shownFiles.length < 2) return;
  if (e.key === "ArrowLeft") showImage(shownIndex - 1);
  if (e.key === "ArrowRight") showImage(shownIndex + 1);
};

// ---- the link to the server --------------------------------------------------------------------------------------

function showLink(up) {
  const text = up ? "Live" : "Reconnecting";
  if ($("link").textContent !== text) $("link").textContent = text;
  $("link").classList.toggle("up", up);
}

function connect() {
  const events = new EventSource("/events");
  events.addEventListener("state", (e) => {
    showLink(true);
    const state = JSON.parse(e.data);
    if (state.run !== run) {
      run = state.run;
      seen.clear();
      $("groups").replaceChildren();
      current = "";
    }
    groups = state.groups;
    refresh();
  });
  events.onerror = () => {
    showLink(false);
    if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(connect, 2000);
  };
}

$("older").onclick = () => turn({ before: lowest }).catch(console.warn);
$("newer").onclick = () => turn({ before: highest + 1 + screenful }).catch(console.warn);
$("to-newest").onclick = toNewest;
$("scroller").addEventListener("scroll", () => {
  if (live && unseen > 0 && $("scroller").scrollTop < 40) { unseen = 0; showFrame(); }
}, { passive: true });
window.addEventListener("hashchange", refresh);
connect();
