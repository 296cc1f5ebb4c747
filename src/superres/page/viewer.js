// Before and after in one frame: a slider between them, zoom and pan, for pointer, touch and keys.
const MOST = 32; // screen pixels per picture pixel
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Viewer {
  constructor(stage, handle, onZoom) {
    Object.assign(this, { stage, handle, onZoom });
    this.after = stage.querySelector("#after img");
    this.before = stage.querySelector("#before img");
    this.width = this.height = 1;
    this.split = 50; // per cent of the picture's visible part
    this.zoom = 0; // 0: fit
    this.x = this.y = 0;
    this.pointers = new Map();
    new ResizeObserver(() => this.draw()).observe(stage);
    this.#listen();
  }

  /** Show a result over what it was made from; without a result the original alone. */
  async show(original, result) {
    const [before, after] = await Promise.all([load(this.before, original), load(this.after, result)]);
    const shown = after ? this.after : this.before;
    this.stage.classList.toggle("single", !(before && after));
    if (before && !after) this.after.src = original;
    if (!before && !after) return false;
    [this.width, this.height] = [shown.naturalWidth, shown.naturalHeight];
    this.stage.style.aspectRatio = `${this.width} / ${this.height}`;
    for (const image of [this.before, this.after]) {
      image.style.width = `${this.width}px`;
      image.style.height = `${this.height}px`;
    }
    this.fit();
    return Boolean(after);
  }

  get #fitting() {
    const { clientWidth, clientHeight } = this.stage;
    return Math.min(clientWidth / this.width, clientHeight / this.height, 4);
  }

  get #scale() { return this.zoom || this.#fitting; }

  fit() { this.zoom = 0; this.draw(); }

  one(at) { this.zoomTo(1 / devicePixelRatio, at); }

  zoomBy(factor, at) { this.zoomTo(this.#scale * factor, at); }

  zoomTo(wanted, at = [this.stage.clientWidth / 2, this.stage.clientHeight / 2]) {
    const old = this.#scale;
    const least = Math.min(this.#fitting, 1 / devicePixelRatio);
    const scale = clamp(wanted, least, Math.max(MOST / devicePixelRatio, this.#fitting));
    this.x = at[0] - ((at[0] - this.x) * scale) / old;
    this.y = at[1] - ((at[1] - this.y) * scale) / old;
    this.zoom = scale;
    this.draw();
  }

  move(dx, dy) { this.x += dx; this.y += dy; this.draw(); }

  setSplit(percent) {
    this.split = clamp(percent, 0, 100);
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width) return;
    const scale = this.#scale;
    const place = (offset, room, size) => (size <= room ? (room - size) / 2 : clamp(offset, room - size, 0));
    this.x = place(this.x, width, this.width * scale);
    this.y = place(this.y, height, this.height * scale);
    for (const image of [this.before, this.after]) {
      image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${scale})`;
    }
    const left = Math.max(0, this.x);
    this.visible = [left, Math.min(width, this.x + this.width * scale)];
    const at = left + ((this.visible[1] - left) * this.split) / 100;
    this.stage.style.setProperty("--split", `${at}px`);
    this.stage.classList.toggle("zoomed", this.#isLarger);
    this.handle.setAttribute("aria-valuenow", Math.round(this.split));
    this.handle.setAttribute("aria-valuetext", `${Math.round(this.split)} % before`);
    this.onZoom(`${Math.round(scale * devicePixelRatio * 100)} %`);
  }

  get #isLarger() {
    const scale = this.#scale;
    return this.width * scale > this.stage.clientWidth + 1 || this.height * scale > this.stage.clientHeight + 1;
  }

  #at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left - this.stage.clientLeft, event.clientY - box.top - this.stage.clientTop];
  }

  #splitAt(event) {
    const [left, right] = this.visible;
    this.setSplit(((this.#at(event)[0] - left) / (right - left)) * 100);
  }

  #listen() {
    const { stage, handle } = this;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#moved(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => {
        this.pointers.delete(event.pointerId);
        if (!this.pointers.size) { this.mode = ""; stage.classList.remove("moving"); }
      });
    }
    stage.addEventListener("dblclick", (event) => {
      if (!handle.contains(event.target)) this.zoom ? this.fit() : this.one(this.#at(event));
    });
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page must scroll
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 240), this.#at(event));
    }, { passive: false });
    handle.addEventListener("keydown", (event) => this.#handleKey(event));
    stage.addEventListener("keydown", (event) => this.#stageKey(event));
  }

  #down(event) {
    if (event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.#at(event));
    if (this.pointers.size === 2) { this.mode = "pinch"; return; }
    const isSplit = this.handle.contains(event.target) || !this.#isLarger;
    this.mode = isSplit ? "split" : "pan";
    this.stage.classList.toggle("moving", !isSplit);
    if (isSplit) { this.#splitAt(event); this.handle.focus({ preventScroll: true, focusVisible: false }); }
  }

  #moved(event) {
    const old = this.pointers.get(event.pointerId);
    if (!old) return;
    const now = this.#at(event);
    if (this.mode === "split") this.#splitAt(event);
    if (this.mode === "pan") this.move(now[0] - old[0], now[1] - old[1]);
    if (this.mode === "pinch") {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const gap = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
        const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
        this.zoomBy(gap(now, other) / Math.max(1, gap(old, other)), middle);
        this.move((now[0] - old[0]) / 2, (now[1] - old[1]) / 2);
      }
    }
    this.pointers.set(event.pointerId, now);
  }

  #handleKey(event) {
    const step = event.shiftKey ? 10 : 2;
    const to = {
      ArrowLeft: this.split - step, ArrowDown: this.split - step, ArrowRight: this.split + step, ArrowUp: this.split + step,
      PageDown: this.split - 10, PageUp: this.split + 10, Home: 0, End: 100,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.setSplit(to);
  }

  #stageKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: () => this.fit(), 1: () => this.one(),
      ArrowLeft: () => this.move(60, 0), ArrowRight: () => this.move(-60, 0), ArrowUp: () => this.move(0, 60), ArrowDown: () => this.move(0, -60),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** Resolve to whether the browser can show the picture. */
function load(image, url) {
  if (!url) { image.removeAttribute("src"); return false; }
  image.src = url;
  return image.decode().then(() => true, () => false);
}
