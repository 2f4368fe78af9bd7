// Better with JavaScript, complete without it.

const alerts = () => document.getElementById("alerts");

// The server says what went wrong; when it cannot be reached, this does, in the line that was tapped.
// Whether the change arrived is not known then. A repeat of the same form is recorded once, so trying again is safe.
const unheard = (event) => {
  const place = event.detail.target.querySelector(".what") || alerts();
  const words = place.querySelector(".unheard") || document.createElement("p");
  words.className = "unheard complaint";
  words.setAttribute("role", "alert");
  words.textContent =
    document.documentElement.lang === "en"
      ? "No answer from the server. Please try again; it counts only once."
      : "网络不通，没有收到回应。请再点一次，不会重复记录。";
  place.append(words);
};
document.addEventListener("htmx:sendError", unheard);
document.addEventListener("htmx:timeout", unheard);

document.addEventListener("htmx:beforeSwap", (event) => {
  const answer = event.detail.xhr;
  if (answer.status >= 500 && !answer.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = false; // not ours: a proxy's page, say
    unheard(event);
  } else if (/^\s*<!doctype/i.test(answer.responseText)) {
    // A whole page where a line was expected, as when the log-in has ended: it is shown as the page.
    event.detail.target = document.body;
    event.detail.swapOverride = "innerHTML";
  }
});

// After a swap the focus stays with the line that was changed: at the value that was wrong, else at the line itself,
// so that a key held too long does nothing more. Words above the list are brought into view.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "alerts") {
    alerts().scrollIntoView({ block: "center" });
    return;
  }
  const line = document.getElementById(event.detail.target.id);
  const next = line && (line.querySelector("[aria-invalid]") || line);
  if (next) next.focus({ preventScroll: true });
});

// A filter that is chosen from a list applies at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("form.filter select")) event.target.form.requestSubmit();
});

// The person's menu closes on Escape and on a tap elsewhere.
const openMenu = () => document.querySelector("details.me-menu[open]");
document.addEventListener("keydown", (event) => {
  const menu = openMenu();
  if (menu && event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  const menu = openMenu();
  if (menu && !menu.contains(event.target)) menu.open = false;
});

// ---- The checklist of a campaign that is set up -------------------------------------------------------------------

// Items are put in order by the buttons of their row, which work without this too, and by dragging. The row moves once
// the server has it; the words about its new place are read out, and the focus stays where it was.
const place = async (row, side, beside) => {
  const form = document.getElementById("order");
  const body = new FormData(form);
  body.append("item", row.dataset.item);
  body.append(side, beside.dataset.item);
  const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer || !answer.ok) {
    window.location.reload(); // somebody else's changes, or the log-in has ended: the page as it is now
    return;
  }
  const held = row.contains(document.activeElement) && document.activeElement;
  beside[side](row);
  if (held) held.focus();
  document.querySelectorAll("tr[data-item]").forEach((line, at) => {
    const nth = line.querySelector(".nth"); // none in a form that is open
    if (nth) nth.textContent = at + 1;
  });
  document.getElementById("moved").textContent = await answer.text();
};
const rowOf = (node) => node && node.closest && node.closest("tr[data-item]");

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[form=order]");
  if (!button) return;
  event.preventDefault();
  const row = rowOf(button);
  const up = button.name === "up";
  const beside = up ? row.previousElementSibling : row.nextElementSibling;
  if (rowOf(beside)) place(row, up ? "before" : "after", beside);
});

let dragged = null; // the row, and where it would be dropped: {row, side, beside}
const aim = (side, beside) => {
  document.querySelectorAll(".drop-before, .drop-after").forEach((it) => it.classList.remove("drop-before", "drop-after"));
  Object.assign(dragged, { side, beside });
  if (beside) beside.classList.add(`drop-${side}`);
};
const drop = (really) => {
  const { row, side, beside } = dragged;
  aim("", null);
  row.classList.remove("dragged");
  dragged = null;
  if (really && beside) place(row, side, beside);
};
document.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.target.closest(".grip")) return;
  event.preventDefault();
  dragged = { row: rowOf(event.target), side: "", beside: null };
  dragged.row.classList.add("dragged");
});
document.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  if (event.clientY < 120) window.scrollBy(0, -12);
  if (event.clientY > window.innerHeight - 60) window.scrollBy(0, 12);
  const over = rowOf(document.elementFromPoint(event.clientX, event.clientY));
  if (!over || over === dragged.row) return aim("", null);
  const box = over.getBoundingClientRect();
  aim(event.clientY < box.top + box.height / 2 ? "before" : "after", over);
});
document.addEventListener("pointerup", () => dragged && drop(true));
document.addEventListener("pointercancel", () => dragged && drop(false));
document.addEventListener("keydown", (event) => dragged && event.key === "Escape" && drop(false));

// A form that was asked for has the focus in its first field, or where something is wrong.
document.addEventListener("htmx:afterSettle", (event) => {
  const form = event.detail.target.id && document.querySelector(`#${event.detail.target.id}.edit`);
  if (form) (form.querySelector("[aria-invalid]") || form.querySelector("input:not([type=hidden])")).focus();
});

// How many are chosen; a section is chosen as a whole.
const chosen = () => {
  const said = document.getElementById("how-many");
  if (!said) return;
  said.textContent = document.querySelectorAll(".line .pick input:checked").length;
  said.form.classList.toggle("some", said.textContent !== "0");
};
document.querySelectorAll("[data-all]").forEach((box) => (box.hidden = false));
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    const boxes = event.target.closest("tbody").querySelectorAll(".line .pick input");
    boxes.forEach((box) => (box.checked = event.target.checked));
  }
  chosen();
});
document.addEventListener("htmx:afterSwap", chosen);
chosen();

// A link to what is folded up unfolds it.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  const part = link && document.getElementById(link.hash.slice(1));
  if (part && part.matches("details")) {
    part.open = true;
    part.querySelector("input:not([type=hidden]), textarea").focus();
  }
});

// The queue of claims: how many are chosen, and the whole page at once.
const looksForm = document.getElementById("looks");
if (looksForm) {
  const boxes = [...looksForm.querySelectorAll(".pick input")];
  const whole = looksForm.querySelector("[data-everything]");
  const said = looksForm.querySelector("[data-chosen]");
  const count = () => {
    const many = boxes.filter((box) => box.checked).length;
    said.textContent = many;
    whole.checked = many === boxes.length;
    whole.indeterminate = many > 0 && many < boxes.length;
  };
  whole.parentElement.hidden = false;
  looksForm.addEventListener("change", (event) => {
    if (event.target === whole) boxes.forEach((box) => (box.checked = whole.checked));
    count();
  });
  window.addEventListener("pageshow", count);
  count();
}
