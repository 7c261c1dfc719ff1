// Looks at an order again until nothing more happens to it by itself. Without script the page reloads; here only what changed does.
const PAUSE = 1000;

function take(fresh) {
  const shown = document.getElementById("payment"), found = fresh.getElementById("payment");
  if (found === null) return location.reload(); // somebody logged out meanwhile
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part=${part.dataset.part}]`);
    if (shown.dataset.status !== found.dataset.status || !("unsettled" in found.dataset)) {
      part.className = other.className;
      part.innerHTML = other.innerHTML;
    }
  }
  shown.dataset.status = found.dataset.status;
  if ("unsettled" in found.dataset) setTimeout(look, PAUSE);
}

async function look() {
  try {
    const answer = await fetch(location.href);
    if (answer.status >= 500) throw new Error(answer.statusText);
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch (error) {
    setTimeout(look, PAUSE); // the shop, or what stands behind it, is away for a moment
  }
}

setTimeout(look, PAUSE);
