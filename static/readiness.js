// Better with JavaScript, complete without it.

// The server says what went wrong; when it cannot be reached, this does.
document.addEventListener("htmx:sendError", () => {
  const alerts = document.getElementById("alerts");
  const words = document.createElement("p");
  words.className = "alert alert-warning";
  words.setAttribute("role", "alert");
  words.textContent =
    document.documentElement.lang === "en"
      ? "No connection. Nothing was saved; please try again."
      : "网络不通，没有保存，请再试一次。";
  alerts.replaceChildren(words);
  alerts.scrollIntoView({ block: "nearest" });
});

// A filter that is chosen from a list applies at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("form.filter select")) event.target.form.requestSubmit();
});

// The person's menu closes on Escape and on a tap elsewhere.
const menu = document.querySelector("details.me-menu");
document.addEventListener("keydown", (event) => {
  if (menu && menu.open && event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  if (menu && menu.open && !menu.contains(event.target)) menu.open = false;
});

// After a swap the focus stays with the line that was changed.
document.addEventListener("htmx:afterSwap", (event) => {
  const line = document.getElementById(event.detail.target.id);
  const next = line && line.querySelector("form button, a");
  if (next) next.focus({ preventScroll: true });
});
