// Before the first paint, so that a chosen theme does not flash. Not a module: modules run later.
try {
  const theme = localStorage.getItem("sluice-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* Storage may be closed; the system's theme then. */ }
