// A board that is open follows: it asks again and again whether anything has changed, and puts in place only the regions
// that did. Nothing changed is an answer of no bytes (304).

const EVERY = 10_000; // milliseconds; with the way there and back a change is seen within 15 seconds
const PATIENCE = 8_000;
// Region -> as the server wrote it, before other scripts (static/charts.js) add to it.
const sent = new Map([...document.querySelectorAll("[data-live]")].map((region) => [region.id, region.outerHTML]));
let tag = document.getElementById("lost").dataset.tag; // of what is shown

const english = document.documentElement.lang === "en";
const say = (words) => {
  const lost = document.getElementById("lost");
  lost.textContent = words;
  lost.hidden = !words;
};
const time = () => new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
let heard = time();

// The new regions in place of the old. What is unfolded stays unfolded, and the focus stays on what it was on.
const put = (html) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  document.querySelectorAll("[data-live]").forEach((old) => {
    const fresh = page.getElementById(old.id);
    if (!fresh || fresh.outerHTML === sent.get(old.id)) return;
    const open = [...old.querySelectorAll("details")].map((part) => part.open);
    const held = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    sent.set(old.id, fresh.outerHTML);
    fresh.querySelectorAll("details").forEach((part, at) => (part.open = open[at] ?? part.open));
    old.replaceWith(fresh);
    if (held) fresh.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("board:put", { detail: { region: fresh } }));
  });
};

const follow = async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, {
      headers: { "Readiness-Follows": "1", "If-None-Match": tag },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status === 200) {
      put(await answer.text());
      tag = answer.headers.get("ETag") || "";
    } else if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) {
      say(english ? "You are no longer logged in, or may not see this any more. Open the page again." : "登录已失效，或已无权查看。请重新打开页面。");
      clearInterval(clock);
      return;
    } else if (answer.status !== 304) {
      throw new Error(answer.status);
    }
    heard = time();
    say("");
  } catch {
    say(english ? `No connection. Figures of ${heard}.` : `网络不通，显示的是 ${heard} 的数据。`);
  }
};
const clock = setInterval(follow, EVERY);
document.addEventListener("visibilitychange", follow);
window.addEventListener("online", follow);

// Why a unit has its colour: on hovering the browser shows it; on the keyboard and under a thumb this does. There the
// first tap tells and the second opens.
const thumb = window.matchMedia("(hover: none)").matches;
const told = document.getElementById("why");
let tapped = null;
const tell = (cell, more) => {
  told.textContent = cell ? `${cell.querySelector(".name").textContent} · ${cell.title}${more}` : "";
  told.hidden = !cell;
};
document.addEventListener("click", (event) => {
  const cell = event.target.closest(".heat a.cell");
  if (thumb && cell && cell !== tapped) {
    event.preventDefault();
    tell(cell, english ? ". Tap again to open it." : "。再点一次打开。");
  } else if (!cell) {
    tell(null, "");
  }
  tapped = cell;
});
document.addEventListener("focusin", (event) => {
  const cell = event.target.closest(".heat a.cell");
  if (!thumb) tell(cell && cell.matches(":focus-visible") ? cell : null, "");
});
