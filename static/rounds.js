// What an inspector saw is kept on the device until the server has it: of each entry its own number, the round, the task
// and its name, the result, the remark, when, and whose it is. Sent once the line is back; a repeat is answered alike and counts once.
// Without this script, or where a browser keeps nothing, the forms of the page are sent as forms are.

const EVERY = 15_000; // milliseconds between tries while something waits
const PATIENCE = 20_000;
const AT_ONCE = 50;
const english = document.documentElement.lang === "en";
const line = document.getElementById("line");
const person = Number(line.dataset.person);
const here = Number(line.dataset.round) || 0; // 0: the list of rounds
const WORDS = {
  holds: english ? "holds" : "属实",
  fails: english ? "does not hold" : "不属实",
  unseen: english ? "could not be seen" : "看不到",
};

// ---- What the device keeps ----------------------------------------------------------------------------------------

const opened = new Promise((done, fail) => {
  const asked = indexedDB.open("readiness-rounds", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore("checks", { keyPath: "event" });
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => fail(asked.error);
});
const stored = async (mode, act) => {
  const database = await opened;
  return new Promise((done, fail) => {
    const change = database.transaction("checks", mode, { durability: "strict" });
    const asked = act(change.objectStore("checks"));
    change.oncomplete = () => done(asked.result);
    change.onabort = change.onerror = () => fail(change.error);
  });
};
const keep = (entry) => stored("readwrite", (checks) => checks.put(entry));
const drop = (event) => stored("readwrite", (checks) => checks.delete(event));
// Another person's entries on the same device are left alone: they wait until that person is logged in again.
const mine = async () => (await stored("readonly", (checks) => checks.getAll())).filter((it) => it.by === person);

// crypto.randomUUID is missing where a page comes without TLS.
const fresh = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

// ---- Sending ------------------------------------------------------------------------------------------------------

let waiting = []; // entries that the server does not have yet, or refused
let trouble = ""; // why nothing gets through, in words
let sending = false;
let again = false;
let photos = []; // kept by static/uploads.js; stuck: why one is not sent any more
let leaving = ""; // where to go once nothing waits any more

const takeIn = async (entry, answer) => {
  if (answer.status === 200) {
    await drop(entry.event);
    settle(entry, answer.proofs);
    if (!answer.proofs) tell("orphaned", entry);
    window.dispatchEvent(new Event("saved"));
  } else {
    await keep({ ...entry, refused: answer.said || String(answer.status), status: answer.status });
  }
};

const post = async (round, some) => {
  for (const entry of some) await keep({ ...entry, tried: true });
  const answer = await fetch(`/rounds/${round}/checks/`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": line.dataset.token },
    body: JSON.stringify(some.map(({ event, task, result, remark, at, by }) => ({ event, task, result, remark, at, by }))),
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (answer.status === 403 || answer.type === "opaqueredirect") {
    trouble = english
      ? "Your log-in has ended. Log in again and open this page: what is kept here is sent then."
      : "登录已失效。请重新登录并打开本页，留在本机的记录会接着上传。";
  } else if (answer.status === 404) {
    const said = english ? "This round is not there for you (any more)." : "这次检查不存在，或已不在您的范围内。";
    for (const entry of some) await keep({ ...entry, tried: true, refused: said });
  } else if (!answer.ok) {
    throw new Error(answer.status);
  } else {
    const answers = new Map((await answer.json()).answers.map((it) => [it.event, it]));
    for (const entry of some) {
      if (answers.has(entry.event)) await takeIn({ ...entry, tried: true }, answers.get(entry.event));
    }
    trouble = "";
  }
};

const send = async () => {
  if (sending) {
    again = true;
    return;
  }
  sending = true;
  again = false;
  try {
    const unsent = (await mine()).filter((it) => !it.refused);
    if (navigator.onLine) {
      for (const round of new Set(unsent.map((it) => it.round))) {
        const of = unsent.filter((it) => it.round === round);
        for (let at = 0; at < of.length; at += AT_ONCE) await post(round, of.slice(at, at + AT_ONCE));
      }
    }
  } catch {
    trouble = english ? "No answer from the server; it is tried again by itself." : "网络不通，稍后自动重试。";
  } finally {
    sending = false;
    await show();
  }
  if (again) send();
};

// ---- What the page says -------------------------------------------------------------------------------------------

const cardOf = (task) => document.querySelector(`.check[data-task="${task}"]`);
const titleOf = (task) => cardOf(task)?.querySelector("h2").textContent || `#${task}`;
const written = (tag, words, className) => {
  const made = document.createElement(tag);
  made.textContent = words;
  if (className) made.className = className;
  return made;
};

// Photos of an answer, also of one that waits; static/uploads.js keeps and sends them.
const proofsOf = (entry) => `/checks/${entry.event}/proofs/`;
const say = (what, detail) => document.dispatchEvent(new CustomEvent(what, { detail }));
const tell = (what, entry) => say(what, proofsOf(entry));
const boxOf = (entry) => document.getElementById(`proofs-${entry.event}`);
const addPhotos = (entry) => {
  if (boxOf(entry) || !document.getElementById("add-photo")) return;
  const address = proofsOf(entry);
  const box = written("div", "", "proofs of-check");
  box.id = `proofs-${entry.event}`;
  box.append(document.getElementById("add-photo").content.cloneNode(true));
  box.querySelector("form").action = address;
  box.querySelector("[name=next]").value = `/rounds/${here}/#task-${entry.task}`;
  box.querySelector(".visually-hidden").textContent = ` ${titleOf(entry.task)}`;
  cardOf(entry.task).querySelector(".said-here").append(box);
  tell("placed", entry);
};

// The server has it: the card says so, and takes a decision where there was none.
const settle = (entry, proofs) => {
  const card = cardOf(entry.task);
  if (!card || entry.round !== here) return;
  card.querySelector(".waits")?.remove();
  const said = written("p", "", "check-line");
  said.append(written("span", WORDS[entry.result], `state result-${entry.result}`), " ", written("span", english ? "saved" : "已保存"));
  if (entry.remark) said.append(" ", written("q", entry.remark));
  card.querySelector(".said-here").append(said);
  if (boxOf(entry)) card.querySelector(".said-here").append(boxOf(entry));
  if (proofs) addPhotos(entry);
  const form = card.querySelector("form.look");
  if (!form) return;
  if (entry.result !== "unseen") form.remove();
  else {
    form.hidden = false;
    form.elements.event.value = fresh();
    form.elements.remark.value = "";
  }
};

// What waits on the device stands in its card; what has none (the round is over, say, or others go on it) in a list above all.
const put = (entry) => {
  const box = written("div", "", "waits");
  const said = written("p", "", "check-line");
  said.append(written("span", WORDS[entry.result], `state result-${entry.result}`), " ");
  said.append(written("span", entry.refused ? (english ? "not taken" : "未收下") : english ? "kept here, not sent yet" : "已存本机，未上传"));
  if (entry.remark) said.append(" ", written("q", entry.remark));
  box.append(said);
  if (entry.refused) box.append(written("p", entry.refused, "complaint"));
  if (entry.refused || !entry.tried) {
    const undo = written("button", entry.refused ? (english ? "Discard it" : "删除这条") : english ? "Take it back" : "撤回", "btn btn-outline-secondary");
    undo.type = "button";
    undo.addEventListener("click", async () => {
      await drop(entry.event);
      boxOf(entry)?.remove();
      tell("discarded", entry);
      const form = cardOf(entry.task)?.querySelector("form.look");
      if (form) form.elements.event.value = fresh();
      await show();
    });
    box.append(undo);
  }
  const card = entry.round === here && cardOf(entry.task);
  const form = card && card.querySelector("form.look");
  if (form) {
    form.hidden = true;
    if (!entry.refused) addPhotos(entry);
    const photo = boxOf(entry);
    if (photo) photo.before(box);
    else card.querySelector(".said-here").append(box);
  } else {
    const place = written("li", entry.title || titleOf(entry.task));
    place.append(box);
    document.getElementById("kept").append(place);
  }
};

// A photo that only the end of a log-in stopped is sent after the next one, unless the round is over by then.
const photosWait = () => photos.some((it) => it.round === here && (!it.stuck || it.ended));
const show = async () => {
  waiting = await mine();
  const unsent = waiting.filter((it) => !it.refused).length;
  const refused = waiting.length - unsent;
  const lost = photos.filter((it) => it.stuck).length;
  const unsentPhotos = photos.length - lost;
  const said = [];
  say("entries", waiting.filter((it) => !it.refused).map(proofsOf));
  if (unsent) said.push(english ? `${unsent} not sent yet` : `未上传 ${unsent} 条`);
  if (refused) said.push(english ? `${refused} not taken: look below` : `${refused} 条未收下，请看下面`);
  if (unsentPhotos) said.push(english ? `${unsentPhotos} photo${unsentPhotos > 1 ? "s" : ""} not sent yet` : `照片未上传 ${unsentPhotos} 张`);
  if (lost) said.push(english ? `${lost} photo${lost > 1 ? "s" : ""} not taken: look below` : `${lost} 张照片未收下，请看下面`);
  if (!said.length) said.push(english ? "All is saved" : "已保存");
  if (trouble && unsent) said.push(trouble);
  line.textContent = said.join(english ? "; " : "；");
  line.classList.toggle("is-waiting", waiting.length + photos.length > 0);
  line.hidden = !here && !waiting.length && !photos.length;
  document.querySelectorAll("li[data-round]").forEach((card) => {
    card.querySelector(".complaint")?.remove();
    const n = waiting.filter((it) => it.round === Number(card.dataset.round)).length;
    if (n) card.append(written("p", english ? `${n} kept on this device` : `本机还有 ${n} 条`, "complaint"));
  });
  document.querySelectorAll(".waits").forEach((box) => (box.closest("#kept li") || box).remove());
  document.querySelectorAll("form.look").forEach((form) => (form.hidden = false));
  // Of other rounds what was refused, unless their card leads to it: their own page may be out of sight.
  const led = (it) => document.querySelector(`li[data-round="${it.round}"]`);
  waiting.filter((it) => it.round === here || (it.refused && !led(it))).forEach(put);
  document.getElementById("kept").hidden = !document.querySelector("#kept li");
  if (!here) return;
  if (leaving && !photosWait() && !waiting.some((it) => it.round === here)) location.assign(leaving);
  leaving = trouble ? "" : leaving;
  document.getElementById("looked").textContent = [...document.querySelectorAll(".check")].filter((card) =>
    card.querySelector(".said-here").childElementCount).length;
};

// ---- Tapping ------------------------------------------------------------------------------------------------------

const complain = (form, words) => {
  form.querySelector(".complaint")?.remove();
  const said = written("p", words, "complaint");
  said.setAttribute("role", "alert");
  said.id = `${form.elements.remark.id}-wrong`;
  form.prepend(said);
  form.elements.remark.setAttribute("aria-invalid", "true");
  form.elements.remark.setAttribute("aria-describedby", said.id);
  form.elements.remark.focus();
};

const take = async (form, result) => {
  const remark = form.elements.remark.value.trim();
  if (result !== "holds" && !remark) {
    complain(form, english ? "Say what does not hold, or why it could not be seen." : "请写明哪里不属实，或者为什么看不到。");
    return;
  }
  const entry = { event: form.elements.event.value, round: here, task: Number(form.elements.task.value), result, remark };
  entry.title = `${document.querySelector("h1").textContent}: ${titleOf(entry.task)}`; // for where it has no card
  form.hidden = true; // a second tap finds nothing
  try {
    await keep({ ...entry, at: new Date().toISOString(), by: person });
  } catch {
    form.hidden = false;
    complain(form, english ? "This device keeps nothing more. Free some space and try again." : "本机存不下了，请腾出空间再试。");
    return;
  }
  await show();
  cardOf(entry.task).focus({ preventScroll: true });
  send();
};

document.addEventListener("photos", (event) => {
  photos = event.detail;
  opened.then(show, () => {});
});
opened.then(
  () => {
    document.addEventListener("submit", (event) => {
      if (!event.target.matches("form.look") || !event.submitter) return;
      event.preventDefault();
      take(event.target, event.submitter.value);
    });
    // The round is not ended over entries that are still here: first they are sent.
    document.getElementById("finish")?.addEventListener("click", (event) => {
      if (!photosWait() && !waiting.some((it) => it.round === here && !it.refused)) return;
      event.preventDefault();
      line.scrollIntoView({ block: "center" });
      if (navigator.onLine) leaving = event.currentTarget.href;
      send();
    });
    addEventListener("beforeunload", (event) => waiting.some((it) => !it.refused) && event.preventDefault());
    addEventListener("online", send);
    document.addEventListener("visibilitychange", () => document.hidden || send());
    setInterval(() => waiting.some((it) => !it.refused) && send(), EVERY);
    // What was refused for want of a right is tried anew whenever a page is opened: the right person may be logged in.
    mine()
      .then((all) => Promise.all(all.filter((it) => it.status === 403).map((it) => keep({ ...it, refused: "", status: 0 }))))
      .then(show)
      .then(send);
  },
  () => {}, // nothing can be kept here: forms are sent as forms are
);
