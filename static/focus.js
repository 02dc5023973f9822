// A browser obeys autofocus some moments after the page is there, and what a quick receptionist types before is lost.
document.querySelector("[autofocus]")?.focus();
