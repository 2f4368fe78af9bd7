// The wall: pages that turn by themselves, and figures that follow what happens, for weeks without anybody near it.
// One timer beats; it tells the time, turns the page and asks the server, each when its turn has come. Nothing changed
// is an answer of no bytes (304); else only the regions that differ are put in place.

const root = document.documentElement;
const english = root.lang === "en";
const BEAT = 500;
const PATIENCE = 8_000;
const HOLD = 60_000; // after the last touch of mouse or keyboard the pages turn again
const OLD = 600_000; // figures that old are shown in grey
const AWAKE = 3 * 3_600_000; // no page is loaded anew before it stood so long
// One minute between three and four: not all screens at once.
const NIGHT = 3 * 60 + Math.floor(Math.random() * 60);

const seconds = (name) => Number(root.dataset[name]) * 1000;
const pages = [...document.querySelectorAll(".page")];
const buttons = [...document.querySelectorAll("[data-page]")];
const wide = matchMedia("(min-width: 800px)");
const written = new Map(); // region -> as the server wrote it, without what is done to it here
// Milliseconds since the page was loaded: no clock that is set right in between puts off what is due.
const ticks = () => performance.now();

let tag = root.dataset.tag;
let ahead = 0; // by how much the server's clock is ahead of this one
let heard = Date.now(); // when the server last said how things stand,
let heardAt = ticks(); // and that in ticks, as are the following
let asking = false;
let isRenewed = false; // the server has other scripts or styles than this page
let askedAt = -Infinity;
let turnedAt = 0;
let heldAt = -Infinity;

// ---- The time -----------------------------------------------------------------------------------------------------

const zone = { timeZone: root.dataset.zone };
const clock = new Intl.DateTimeFormat(root.lang, { ...zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(root.lang, { ...zone, month: "short", day: "numeric" });
const now = () => Date.now() + ahead;
const write = (element, words) => {
  if (element.textContent !== words) element.textContent = words;
};
const moment = (at) => (day.format(at) === day.format(now()) ? "" : `${day.format(at)} `) + clock.format(at);

// ---- What is said when the figures are not those of now --------------------------------------------------------------

const lost = document.getElementById("lost");
const refused = document.getElementById("refused");
const show = (element, words) => {
  write(element, words);
  element.hidden = !words;
};

const state = (name) => {
  root.dataset.state = name;
  const since = moment(heard);
  show(lost, name !== "lost" ? "" : english ? `No connection since ${since}. These figures are of ${since}; trying again.`
    : `自 ${since} 起连接中断，显示的是 ${since} 的数据，正在自动重连。`);
  show(refused, name !== "refused" ? "" : english ? `This wall may not be shown (any more): its pass was revoked or has run out, or the log-in has ended. Last figures of ${since}.`
    : `本大屏已停止显示：通行地址已停用、到期，或登录已失效。最后数据时间：${since}`);
  root.toggleAttribute("data-old", name === "lost" && ticks() - heardAt > OLD);
};

// ---- Following ----------------------------------------------------------------------------------------------------

const regions = () => document.querySelectorAll("[data-live]");
const sources = (page) => [...page.querySelectorAll("script[src], link[rel=stylesheet]")].map((it) => it.getAttribute("src") || it.getAttribute("href")).join();

const put = (html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.getElementById("wall")) throw new Error("somebody else's page");
  if ([...page.querySelectorAll(".page")].map((it) => it.id).join() !== pages.map((it) => it.id).join()) {
    location.reload(); // a page more or less: the server has just answered
    return;
  }
  isRenewed = sources(page) !== sources(document);
  regions().forEach((old) => {
    const fresh = page.getElementById(old.id);
    if (!fresh || fresh.outerHTML === written.get(old.id)) return;
    written.set(old.id, fresh.outerHTML);
    old.replaceWith(document.adoptNode(fresh));
  });
  fitAll();
};

const ask = async () => {
  asking = true;
  try {
    const answer = await fetch(location.href, {
      headers: { "Readiness-Follows": "1", "If-None-Match": tag },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) {
      state("refused");
      return false;
    }
    if (answer.status === 200) {
      put(await answer.text());
      tag = answer.headers.get("ETag") || "";
    } else if (answer.status !== 304) {
      throw new Error(answer.status);
    }
    ahead = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
    heard = now();
    heardAt = ticks();
    state("");
    return true;
  } catch {
    state("lost");
    return false;
  } finally {
    asking = false;
    askedAt = ticks();
  }
};

// A new release comes with a new page; a browser that shows the full screen for this page would leave it.
const renew = (isAnswered) => {
  const isTime = ticks() > AWAKE && minutes(now()) === NIGHT;
  if (isAnswered && isTime && (isRenewed || !document.fullscreenElement)) location.reload();
};

// ---- Turning ------------------------------------------------------------------------------------------------------

const current = () => Math.max(0, pages.findIndex((page) => page.hasAttribute("data-now")));
const turn = (to) => {
  const next = pages[(to + pages.length) % pages.length];
  pages.forEach((page) => {
    page.toggleAttribute("data-now", page === next);
    page.inert = wide.matches && page !== next;
  });
  buttons.forEach((button) => {
    if (`page-${button.dataset.page}` === next.id) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  });
  turnedAt = ticks();
};

const hold = () => {
  heldAt = ticks();
  root.toggleAttribute("data-held", true);
};

const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
const DO = {
  pause: (button) => {
    const isPaused = root.toggleAttribute("data-paused");
    button.setAttribute("aria-pressed", isPaused);
  },
  theme: () => {
    root.dataset.theme = dark() ? "light" : "dark";
    const address = new URL(location.href);
    address.searchParams.set("theme", root.dataset.theme);
    history.replaceState(null, "", address); // stays when the page is loaded anew
  },
  full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen().catch(() => {})),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.page) turn(pages.findIndex((page) => page.id === `page-${button.dataset.page}`));
  if (button?.dataset.do) DO[button.dataset.do](button);
});
document.addEventListener("keydown", (event) => {
  hold();
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (["ArrowRight", "PageDown"].includes(event.key)) turn(current() + 1);
  if (["ArrowLeft", "PageUp"].includes(event.key)) turn(current() - 1);
  if (event.key === " " && !event.target.closest("button")) document.querySelector("[data-do=pause]").click();
});
// A mouse that was left lying there holds nothing up.
document.addEventListener("pointermove", (event) => (event.movementX || event.movementY) && hold());
document.addEventListener("pointerdown", hold);

// ---- The heat map fits the screen -----------------------------------------------------------------------------------

// Blocks stand in strips across the screen, in the order in which they came. All cells get about the same room: a strip
// is as high, and a block as wide, as the number of its cells asks for. Of all numbers of strips the one is taken that
// leaves the largest letters.
const NAME = 4.4; // letters that a name shall have room for
const LINES = 2.5; // a name, and below it sign and number
const LARGEST = 3.2; // letters, in rem
const SMALLEST = 0.55; // below this no names are written
const MORE = 1.25; // as much larger are letters at most in one block than in another
const FEWEST = 4; // a block with fewer cells gets room for so many, for the sake of its own name

const grid = (n, width, height) => {
  let best = { size: 0, columns: 1 };
  for (let columns = 1; columns <= n; columns++) {
    const size = Math.min(width / columns / NAME, height / Math.ceil(n / columns) / LINES);
    if (size > best.size) best = { size, columns };
  }
  return best;
};

const strips = (blocks, n) => {
  const all = blocks.reduce((sum, block) => sum + block.weight, 0);
  const found = Array.from({ length: n }, () => []);
  let before = 0;
  blocks.forEach((block) => {
    found[Math.min(n - 1, Math.floor(((before + block.weight / 2) / all) * n))].push(block);
    before += block.weight;
  });
  return found.filter((strip) => strip.length);
};

const plan = (blocks, n, width, height, em) => {
  const rows = strips(blocks, n);
  const all = blocks.reduce((sum, block) => sum + block.weight, 0);
  const gap = 0.4 * em;
  const heads = rows.map((row) => (row.some((block) => block.head) ? 1.7 * em : 0) + 0.6 * em);
  const room = height - heads.reduce((sum, head) => sum + head, 0) - gap * (rows.length - 1);
  const placed = [];
  let top = 0;
  rows.forEach((row, at) => {
    const weight = row.reduce((sum, block) => sum + block.weight, 0);
    const high = heads[at] + (room * weight) / all;
    let left = 0;
    row.forEach((block) => {
      const wide_ = ((width - gap * (row.length - 1)) * block.weight) / weight;
      const inner = high - 0.6 * em - (block.head ? 1.7 * em : 0);
      placed.push({ block, left, top, width: wide_, height: high, ...grid(block.n, wide_ - 0.6 * em, inner) });
      left += wide_ + gap;
    });
    top += high + gap;
  });
  return { placed, size: Math.min(...placed.map((place) => place.size)) };
};

const px = (number) => `${Math.floor(number * 10) / 10}px`;
const fit = () => {
  const field = document.querySelector(".blocks");
  if (!wide.matches) field.querySelectorAll("[style]").forEach((it) => it.removeAttribute("style"));
  if (!wide.matches || !field.querySelector(".block")) return;
  const em = parseFloat(getComputedStyle(root).fontSize);
  const blocks = [...field.querySelectorAll(".block")].map((element) => {
    const n = element.querySelectorAll("li").length;
    return { element, n, weight: Math.max(n, FEWEST), head: Boolean(element.querySelector("h3")) };
  });
  let best = { size: -1 };
  for (let n = 1; n <= blocks.length; n++) {
    const tried = plan(blocks, n, field.clientWidth, field.clientHeight, em);
    if (tried.size > best.size) best = tried;
  }
  field.classList.toggle("tight", best.size < SMALLEST * em);
  best.placed.forEach(({ block, left, top, width, height, columns, size }) => {
    const { style } = block.element;
    const letters = Math.max(Math.min(size, MORE * best.size, LARGEST * em), SMALLEST * em);
    [style.left, style.top, style.width, style.height] = [left, top, width, height].map(px);
    const list = block.element.querySelector("ul");
    list.style.height = px(height - 0.6 * em - (block.head ? 1.7 * em : 0));
    list.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    list.style.gridTemplateRows = `repeat(${Math.ceil(block.n / columns)}, minmax(0, 1fr))`;
    list.style.fontSize = px(letters);
    const most = (width - 0.6 * em) / columns - 0.25 * em - 0.6 * letters;
    list.querySelectorAll(".name").forEach((name) => {
      const long = [...name.textContent].length * letters;
      if (long > most) name.style.fontSize = px((letters * most) / long);
    });
  });
};

// The places of the ranking share the height, in as many columns as the style gives them.
const fitPlaces = () => {
  const list = document.querySelector(".ranking");
  if (!list) return;
  if (!wide.matches) return list.removeAttribute("style");
  const { fontSize } = getComputedStyle(root);
  const rows = Math.ceil(list.children.length / (parseInt(getComputedStyle(list).columnCount, 10) || 1));
  list.style.setProperty("--row", px(Math.min((list.clientHeight - 1) / rows, 4.4 * parseFloat(fontSize))));
};
const fitAll = () => {
  fit();
  fitPlaces();
};

// ---- The beat -------------------------------------------------------------------------------------------------------

const time = document.getElementById("clock");
const minute = new Intl.DateTimeFormat("en", { ...zone, hour: "numeric", minute: "numeric", hourCycle: "h23" });
const minutes = (at) => {
  const [hour, past] = minute.format(at).split(":").map(Number);
  return hour * 60 + past;
};

const beat = () => {
  const here = ticks();
  write(time, clock.format(now()));
  if (root.hasAttribute("data-held") && here > heldAt + HOLD) root.removeAttribute("data-held");
  if (!root.matches("[data-held], [data-paused]") && here > turnedAt + seconds("turn") && wide.matches) turn(current() + 1);
  if (asking || document.hidden) return;
  if (here > askedAt + seconds(root.dataset.state === "refused" ? "slow" : "every")) ask().then(renew);
};

regions().forEach((region) => written.set(region.id, region.outerHTML));
document.querySelectorAll("header nav, .tools").forEach((part) => (part.hidden = false));
root.classList.add("turns");
turn(0);
fitAll();
window.addEventListener("resize", () => {
  turn(current());
  fitAll();
});
const soon = () => (askedAt = -Infinity);
// Where the browser lets it, the screen does not go to sleep.
const wake = () => !document.hidden && navigator.wakeLock?.request("screen").catch(() => {});
document.addEventListener("visibilitychange", soon);
document.addEventListener("visibilitychange", wake);
window.addEventListener("online", soon);
wake();
setInterval(beat, BEAT);
beat();
