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
