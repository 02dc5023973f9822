// Comfort only: every page is whole without it.
(() => {
  const ends = new WeakMap();
  let said = null;

  // <span data-left="872" data-word="{} left" data-over="…" hidden>: counts from the server's seconds, so a wrong clock on the phone does no harm.
  function tick() {
    for (const el of document.querySelectorAll("[data-left]")) {
      if (!ends.has(el)) ends.set(el, Date.now() + Number(el.dataset.left) * 1000);
      const left = Math.max(0, Math.round((ends.get(el) - Date.now()) / 1000));
      const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      el.hidden = false;
      el.textContent = left ? el.dataset.word.replace("{}", clock) : el.dataset.over;
      // The ticking itself is silent; a screen reader hears it twice and at the end.
      const aloud = el.closest(".hold")?.querySelector("[role=status]");
      if (aloud && [300, 60, 0].includes(left) && said !== left) {
        said = left;
        aloud.textContent = el.textContent;
      }
    }
  }

  document.addEventListener("click", async (event) => {
    const print = event.target.closest("[data-print]");
    if (print) window.print();
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(new URL(copy.dataset.copy, location.href).href);
      const word = copy.querySelector("[data-copied]");
      if (word) word.textContent = word.dataset.copied;
    }
  });

  for (const el of document.querySelectorAll("[data-needs-js]")) el.hidden = false;
  document.querySelector(".summary-of-errors")?.focus();
  tick();
  setInterval(tick, 1000);
  document.addEventListener("htmx:afterSwap", tick);
})();
