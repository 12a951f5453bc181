// The page: one step is shown, by the polyhedron, the cursors, the marks and the time line alike.

// The whole run plays in so many seconds.
const SECONDS = 20;
const STEPS = PAGE.frames.step;
const LAST = STEPS.length - 1;

// The page opens with what the run came to.
const state = { frame: LAST, playing: 0, brushed: null, picked: undefined };
const space = new Space(element("space"), pick);
const panels = [
  new Panel(element("levels"), PAGE.dimensionality, levelSeries(), PAGE.levels),
  new Panel(element("loss"), PAGE.loss, lossSeries()),
];
const marks = new Marks((mark) => goTo(mark.start));
const play = element("play");
const time = element("time");
const feature = element("feature");

// While the run plays, a frame may lie between two rows of the page; at rest it is one of them.
function show(frame) {
  state.frame = frame;
  const step = Math.round(stepOf(frame));
  space.show(state.frame);
  for (const panel of panels) panel.place(step);
  const words = `step ${stepWords(step)}`;
  element("step").textContent = words;
  element("step").dataset.step = step;
  element("now").textContent = marks.show(step);
  time.value = 10000 * panels[0].along(step);
  time.setAttribute("aria-valuetext", words);
}

function stepOf(frame) {
  const [from, to] = [STEPS[Math.floor(frame)], STEPS[Math.ceil(frame)]];
  return from + (frame % 1) * (to - from);
}

// The row of the page that is nearest to a step.
function frameAt(step) {
  const before = lastUpTo(STEPS, step);
  return before < LAST && STEPS[before + 1] - step < step - STEPS[before] ? before + 1 : before;
}

function goTo(step) {
  if (step === undefined) return;
  stop();
  show(frameAt(step));
}

function stop() {
  if (!state.playing) return;
  cancelAnimationFrame(state.playing);
  state.playing = 0;
  play.setAttribute("aria-pressed", "false");
  play.setAttribute("aria-label", "Play");
  show(Math.round(state.frame));
}

function start() {
  const [first, last] = state.brushed ? state.brushed.map(frameAt) : [0, LAST];
  if (state.frame < first || state.frame >= last) show(first);
  let [shown, before] = [state.frame, performance.now()];
  const advance = (now) => {
    shown += (Math.max(now - before, 0) / 1000) * (LAST / SECONDS) * Number(element("speed").value);
    before = now;
    if (shown > last && state.brushed) shown = first;
    show(Math.min(shown, last));
    if (shown >= last && !state.brushed) stop();
    else state.playing = requestAnimationFrame(advance);
  };
  state.playing = requestAnimationFrame(advance);
  play.setAttribute("aria-pressed", "true");
  play.setAttribute("aria-label", "Pause");
}

function toggle() {
  if (state.playing) stop();
  else start();
}

function brush(steps) {
  state.brushed = steps;
  for (const panel of panels) panel.shade(steps);
}

function pick(chosen) {
  state.picked = chosen === state.picked ? undefined : chosen;
  space.pick(state.picked);
  panels[0].pick(state.picked);
  feature.value = state.picked ?? "";
}

function rebuild() {
  for (const panel of panels) panel.build();
  // uPlot knows its axes a moment after it was made.
  queueMicrotask(arrange);
}

function arrange() {
  panels[0].nameLevels();
  marks.layOut(panels[0]);
  const { left, width } = panels[0].plot.over.getBoundingClientRect();
  // The thumb's middle lies on the axis.
  time.style.left = `${left - element("line").getBoundingClientRect().left - 8}px`;
  time.style.width = `${width + 16}px`;
  brush(state.brushed);
  if (state.picked !== undefined) panels[0].pick(state.picked);
  show(state.frame);
}

function paint(theme) {
  document.documentElement.dataset.theme = theme;
  element("theme").setAttribute("aria-pressed", String(theme === "dark"));
  space.restyle();
}

const KEYS = {
  " ": toggle,
  ArrowRight: () => goTo(STEPS[Math.min(Math.floor(state.frame) + 1, LAST)]),
  ArrowLeft: () => goTo(STEPS[Math.max(Math.ceil(state.frame) - 1, 0)]),
  Home: () => goTo(STEPS[0]),
  End: () => goTo(STEPS[LAST]),
  n: () => goTo(marks.next(stepOf(state.frame), 1)),
  p: () => goTo(marks.next(stepOf(state.frame), -1)),
  Escape: () => {
    brush(null);
    if (state.picked !== undefined) pick(state.picked);
  },
};

document.addEventListener("keydown", (event) => {
  const isPressed = event.key === " " && event.target.closest("button, summary");
  if (!(event.key in KEYS) || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
  if (isPressed || (event.target.closest("select") && event.key !== "Escape")) return;
  event.preventDefault();
  KEYS[event.key]();
});
time.addEventListener("input", () => goTo(panels[0].stepAt(time.value / 10000)));
play.addEventListener("click", toggle);
feature.append(...PAGE.colours.map((_, k) => made("option", PAGE.names[k], { value: k })));
feature.addEventListener("change", () => pick(feature.value === "" ? undefined : Number(feature.value)));
for (const panel of panels) panel.follow(goTo, brush);
element("log").addEventListener("click", () => {
  for (const panel of panels) panel.isLog = !panel.isLog;
  element("log").setAttribute("aria-pressed", String(panels[0].isLog));
  rebuild();
});
element("theme").addEventListener("click", () => {
  paint(isDark() ? "light" : "dark");
  rebuild();
});

element("caption").textContent = PAGE.caption;
const [bold, thin] = PAGE.loss.names;
element("losses").textContent = thin ? `${bold} (bold); ${thin} (thin)` : (bold ?? "no finite loss was logged");
for (const [name, value] of PAGE.settings) {
  const row = made("tr");
  row.append(made("th", name, { scope: "row" }), made("td", value));
  element("settings").querySelector("tbody").append(row);
}
paint(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
new ResizeObserver(() => {
  space.resize();
  rebuild();
}).observe(document.querySelector("main"));
