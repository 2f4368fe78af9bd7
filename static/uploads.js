// Files go one by one, in parts, each with a number of its own (UUID): a part that was sent twice counts once, and after
// a cut line the rest follows. Without this the form sends them whole. On a round they are kept on the device until the
// server has them, so that a photo taken without a line outlives the page; static/rounds.js keeps the answers.

const english = document.documentElement.lang === "en";
const words = english
  ? {
      sent: "sent", stopped: "No connection. It goes on by itself; nothing is lost.", again: "Send again",
      ended: "You are no longer logged in, or may not add here any more. Open the page again.", failed: "The server did not take it. Try again later.",
      leave: "Files are still being sent.", waiting: "kept here, waiting to be sent", discard: "Discard it",
      full: "This device keeps 20 photos or 50 MB at most, and is full: this one is only on this page. Leave it open until it is sent.",
      orphaned: "Another inspector had recorded the same here; photos are added to their entry by them.",
      gone: "What it shows was not taken, or is not there for you any more.",
    }
  : {
      sent: "已上传", stopped: "网络中断，恢复后自动续传，已传部分不会丢。", again: "重新上传",
      ended: "登录已失效，或已无权在此添加。请重新打开页面。", failed: "服务器没有接收，请稍后再试。",
      leave: "文件还在上传。", waiting: "已存本机，等待上传", discard: "删除这张",
      full: "本机最多存20张或50 MB，已经存满：这张只留在本页，传完之前请不要关闭。",
      orphaned: "另一位检查人员已在这里记过同样的结果，照片由他添加。",
      gone: "它所属的记录没有被收下，或已不在您的范围内。",
    };
const PATIENCE = 30_000; // for one part
const WAITS = [1, 2, 4, 8, 15]; // seconds until the next try; the last again and again
let going = 0; // files that are kept nowhere
let unsent = []; // addresses of answers that wait on the device: static/rounds.js tells

// A number of our own; crypto.randomUUID is there only over TLS.
const newNumber = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  return [...bytes].map((it, at) => ([4, 6, 8, 10].includes(at) ? "-" : "") + it.toString(16).padStart(2, "0")).join("");
};

// The same file chosen again for the same thing, also on another day, goes on under its number.
const remembered = (action, file) => `upload ${action} ${file.name} ${file.size} ${file.lastModified}`;
let memory = new Map();
try {
  const { localStorage } = window; // refused by some browsers: then for as long as the page is open
  memory = { get: (key) => localStorage.getItem(key), set: (key, it) => localStorage.setItem(key, it), delete: (key) => localStorage.removeItem(key) };
} catch { /* see above */ }
const numberOf = (key) => {
  const number = memory.get(key) || newNumber();
  memory.set(key, number);
  return number;
};

const digestOf = async (file) => {
  if (!crypto.subtle) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((it) => it.toString(16).padStart(2, "0")).join("");
};

class Refused extends Error {}

// One request, with its progress. Resolves to what the server says, or throws: Refused for good, else try again.
const ask = (address, body, { token, binary, progress }) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.timeout = PATIENCE;
    request.setRequestHeader("X-CSRFToken", token);
    if (binary) request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* a page of ours, or a proxy's */ }
      const { status } = request;
      if (status === 200 && ("come" in said || said.done)) resolve(said);
      else if (status === 404 || status === 410) reject(Object.assign(new Error("gone"), { gone: true }));
      else if (said.refused && status < 500 && status !== 400 && status !== 409) reject(new Refused(said.refused));
      else if (status === 403 || status === 200) reject(new Refused(words.ended));
      else reject(Object.assign(new Error(status), { said: said.refused, astray: status === 409 }));
    });
    for (const wrong of ["error", "timeout", "abort"]) request.addEventListener(wrong, () => reject(new Error(wrong)));
    request.send(body);
  });

const sleep = (seconds) =>
  new Promise((resolve) => {
    const over = new AbortController();
    const wake = () => { clearTimeout(timer); over.abort(); resolve(); };
    const timer = setTimeout(wake, seconds * 1000);
    for (const news of ["online", "saved"]) window.addEventListener(news, wake, { signal: over.signal });
  });

// Announce, then part after part. Whatever is cut: wait, announce again, and go on where the server says.
const send = async (file, action, { token, camera, kept, meanwhile = words.stopped }, show) => {
  const key = remembered(action, file);
  if (kept && !memory.get(key)) memory.set(key, kept.number);
  const sha256 = await digestOf(file);
  let [astray, gone] = [0, 0];
  for (let tries = 0; ; ) {
    const number = numberOf(key);
    const announced = new URLSearchParams({ upload: number, name: file.name, size: file.size, sha256, from_camera: camera, whole: 1 });
    try {
      if (kept?.stuck) throw new Refused(kept.stuck);
      let said = await ask(action, announced, { token, progress: () => {} });
      while (!said.done) {
        const { come, part } = said;
        show(come / file.size);
        const progress = (loaded) => show((come + loaded) / file.size);
        const address = `/uploads/${number}/?start=${come}`;
        said = await ask(address, file.slice(come, come + (part || 2 ** 18)), { token, binary: true, progress });
        said.part = part;
        tries = gone = 0;
      }
      memory.delete(key);
      return;
    } catch (wrong) {
      if (wrong instanceof Refused || kept?.stuck) {
        memory.delete(key);
        throw wrong;
      }
      if (wrong.astray && (astray += 1) > 1) { // the number is of no use any more: from the beginning, with another
        memory.delete(key);
        if (astray > 3) throw new Refused(wrong.said || words.failed);
      }
      // What it shows may not have been sent yet.
      if (wrong.gone && (gone += 1) >= 3 && !unsent.includes(action)) throw new Refused(status ? words.gone : words.ended);
      show(null, wrong.said || meanwhile);
      await sleep(WAITS[Math.min(tries, WAITS.length - 1)]);
      tries += 1;
    }
  }
};

// ---- What the device keeps ----------------------------------------------------------------------------------------

const MOST = 20;
const MOST_BYTES = 50 << 20;
const status = document.getElementById("line"); // on rounds only
const person = Number(status?.dataset.person);
const opened = new Promise((done, fail) => {
  if (!status) fail();
  const asked = indexedDB.open("readiness-photos", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore("photos", { keyPath: "number" });
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => fail(asked.error);
});
opened.catch(() => {}); // nothing can be kept here: photos are sent as other files are
const stored = async (mode, act) => {
  const database = await opened;
  return new Promise((done, fail) => {
    const change = database.transaction("photos", mode, { durability: "strict" });
    const asked = act(change.objectStore("photos"));
    change.oncomplete = () => done(asked.result);
    change.onabort = change.onerror = () => fail(change.error);
  });
};
const all = () => stored("readonly", (photos) => photos.getAll()).catch(() => []);
const waiting = new Map(); // those kept that this page sends, by number: they know their line on the page
const mine = async () => (await all()).filter((it) => it.by === person).map((it) => waiting.get(it.number) || it);
const put = (it) => stored("readwrite", (photos) => photos.put({ ...it, show: null }));

// Nothing if the device is full or keeps nothing.
const keep = async (file, action, camera) => {
  const there = await all();
  const bytes = there.reduce((sum, it) => sum + it.file.size, file.size);
  if (there.length >= MOST || bytes > MOST_BYTES) return null;
  const it = { number: newNumber(), action, camera, file, by: person, round: Number(status.dataset.round) };
  return put(it).then(() => it, () => null);
};
const tell = async () => document.dispatchEvent(new CustomEvent("photos", { detail: await mine() }));
const drop = async ({ number }) => {
  waiting.delete(number);
  await stored("readwrite", (photos) => photos.delete(number)).catch(() => {});
  await tell();
};

// Where what became of a file is told: at the answer that it belongs to, or above all.
const formOf = (action) => document.querySelector(`form[data-uploads][action="${action}"]`);
const placeOf = (action) => formOf(action)?.querySelector(".sending") || document.getElementById("photos");

// Not tried any more by this page: it says why, and can be discarded.
const refuse = (kept, why) => {
  Object.assign(kept, { stuck: why, ended: why === words.ended });
  kept.show?.(null, why, true);
  kept.show?.undo(words.discard, () => drop(kept));
  return tell();
};

const sendKept = async (kept) => {
  if (kept.stuck) return;
  try {
    await send(kept.file, kept.action, { token: status.dataset.token, camera: kept.camera, kept, meanwhile: words.waiting }, kept.show);
    kept.show(1, words.sent);
    await drop(kept);
  } catch (wrong) {
    if (!kept.stuck) await refuse(kept, wrong instanceof Refused ? wrong.message : words.failed);
  }
  const form = formOf(kept.action);
  if (form) await renew(form);
};

let last = Promise.resolve();
const inTurn = (act) => (last = last.then(act, act)); // one after another: the line is weak
const queue = (kept, show = line(placeOf(kept.action), kept.file)) => {
  waiting.set(kept.number, Object.assign(kept, { show }));
  show(0, words.waiting);
  if (kept.stuck) refuse(kept, kept.stuck);
  else inTurn(() => sendKept(kept));
};

if (status) {
  const each = (act) => async (event) => {
    for (const it of await mine()) if (it.action === event.detail) await act(it);
    window.dispatchEvent(new Event("saved")); // the one that is being sent stops
  };
  document.addEventListener("discarded", each((it) => { it.stuck = words.discard; it.show?.remove(); return drop(it); }));
  document.addEventListener("orphaned", each(async (it) => { await refuse(it, words.orphaned); await put(it).catch(() => {}); }));
  document.addEventListener("entries", (event) => (unsent = event.detail));
  // An answer that waits has got its place on the page.
  document.addEventListener("placed", ({ detail }) => waiting.forEach((it) => it.action === detail && it.show.move(placeOf(detail))));
  mine().then((found) => {
    found.forEach((it) => queue(it));
    tell();
  });
}

// ---- On the page --------------------------------------------------------------------------------------------------

const line = (list, file) => {
  const item = document.createElement("li");
  const name = document.createElement("bdi");
  const bar = document.createElement("progress");
  const told = document.createElement("span");
  name.textContent = file.name;
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  item.append(name, bar, told);
  list.append(item);
  list.closest("details")?.setAttribute("open", "");
  const show = (share, said = "", wrong = false) => {
    if (share !== null) bar.value = share;
    told.textContent = said;
    told.className = wrong ? "complaint" : "";
    bar.hidden = wrong;
  };
  show.remove = () => item.remove();
  show.move = (to) => {
    to.append(item);
    to.closest("details")?.setAttribute("open", "");
  };
  show.undo = (label, act) => {
    item.querySelector("button")?.remove();
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-outline-secondary";
    button.textContent = label;
    button.addEventListener("click", () => { item.remove(); act(); });
    item.append(button);
  };
  return show;
};

// What is there now, in place of what was: the rest of the page, and what is typed in it, stays.
const renew = async (form) => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const here = form.closest(".proofs"); // one of several, where a page shows several things
  const place = [...here.children].find((child) => child.contains(form));
  const there = page.getElementById(here.id);
  for (const part of [".files", ".hint:not(.gone)", ".unproven"]) {
    const [old, fresh] = [here, there].map((section) => section?.querySelector(`:scope > ${part}`));
    if (old && fresh) old.replaceWith(fresh);
    else if (old) old.remove();
    else if (fresh) place.before(fresh);
  }
  if (!page.querySelector(".facts .unproven")) document.querySelector(".facts .unproven")?.remove();
};

const sendAll = async (form) => {
  const inputs = [...form.querySelectorAll("input[type=file]")];
  const files = inputs.flatMap((input) => [...input.files].map((file) => [file, input.name === "camera"]));
  inputs.forEach((input) => (input.value = ""));
  if (!files.length) return;
  const list = form.querySelector(".sending");
  const lines = files.map(([file]) => line(list, file));
  const action = form.getAttribute("action");
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const [at, [file, camera]] of files.entries()) {
    const show = lines[at];
    const kept = status && (await keep(file, action, camera));
    if (kept) {
      queue(kept, show);
      continue;
    }
    going += 1;
    if (status) show(0, words.full);
    inTurn(async () => {
      try {
        await send(file, action, { token, camera, meanwhile: status ? words.full : words.stopped }, show);
        show(1, words.sent);
      } catch (wrong) {
        show(null, wrong instanceof Refused ? wrong.message : words.failed, true);
      }
      going -= 1;
      await renew(form);
    });
  }
  if (status) await tell();
};

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-uploads]")) return;
  event.preventDefault();
  sendAll(event.target);
});
// Chosen is sent: one tap less.
document.addEventListener("change", (event) => {
  const form = event.target.matches("input[type=file]") && event.target.closest("form[data-uploads]");
  if (form) sendAll(form);
});
window.addEventListener("beforeunload", (event) => {
  if (going) event.preventDefault();
});
