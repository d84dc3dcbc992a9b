// Before anything is drawn, so that no page flashes in the other colours.
try {
  const chosen = localStorage.getItem("floor-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the system's choice counts.
}
