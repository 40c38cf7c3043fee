// The list of a directory's documents: what the menus changed is shown.
"use strict";

document.addEventListener("onlyoffice-bridge:changed", async () => {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const table = fresh.querySelector("table");
  if (table) document.querySelector("table")?.replaceWith(document.adoptNode(table));
});
