// Comforts only: every page works without this file.
(() => {
  const $ = (query) => document.querySelector(query);

  // The time zone of the reader, where none has been chosen.
  const zone = $("input[name=timezone][data-guess]");
  if (zone) {
    const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (guess) zone.value = guess;
  }

  // Typing finds platforms among all that can be ticked.
  const find = $("input[data-find]");
  if (find) {
    find.closest("[hidden]")?.removeAttribute("hidden");
    const labels = [...document.querySelectorAll(".names label[data-name]")];
    const groups = [...document.querySelectorAll("details.group")];
    const open = new Set(groups.filter((group) => group.open));
    const count = $("[data-found]");
    find.addEventListener("input", () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      for (const label of labels) {
        const meets = words.every((word) => label.dataset.name.includes(word));
        label.hidden = !meets;
        found += meets;
      }
      for (const group of groups) {
        const some = group.querySelector("label:not([hidden])") !== null;
        group.hidden = !some;
        group.open = words.length ? some : open.has(group);
      }
      if (count) count.textContent = words.length ? `${found} found` : "";
    });
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
  }

  // "/" goes to the search; j and k go through a list.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "/") {
      const search = $("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
    // A button of the item that has the focus, by its own key.
    const own = document.activeElement.closest("[data-item]")?.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (own) { event.preventDefault(); own.click(); return; }
    if (event.key === "j" || event.key === "k") {
      const items = [...document.querySelectorAll("[data-item]")];
      if (!items.length) return;
      const at = items.indexOf(document.activeElement.closest("[data-item]") ?? document.activeElement);
      const next = items[Math.min(items.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
      (next.matches("a") ? next : next.querySelector("a, button")).focus();
    }
  });
})();
