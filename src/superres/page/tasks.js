// The videos that this browser has handed in; a reload or a closed page loses none.
const PLACE = "superres.tasks";
const KEPT = 30;

export function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((task) => typeof task?.id === "string") : [];
  } catch {
    return [];
  }
}

function write(tasks) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(tasks.slice(0, KEPT)));
  } catch { /* a browser without storage: the list lives as long as the page */ }
}

export const keep = (task) => write([task, ...stored().filter((other) => other.id !== task.id)]);
export const forget = (id) => write(stored().filter((task) => task.id !== id));
