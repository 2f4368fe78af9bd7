// A button that copies what stands in a field. Where the browser does not let it, the text is marked for Ctrl-C.
document.querySelectorAll("[data-copy]").forEach((button) => {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = field.dataset.copied;
    } catch {
      document.execCommand("copy");
    }
  });
});
