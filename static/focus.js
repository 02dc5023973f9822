// A browser obeys autofocus some moments after the page is there, and what a quick receptionist types before is lost.
document.querySelector("[autofocus]")?.focus();

// A menu that is open closes by a click beside it, or by Escape.
const closeMenus = (but) => { for (const menu of document.querySelectorAll(".rooms details[open]")) if (!menu.contains(but)) menu.open = false; };
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenus(null); });
