// The panels of D and of the loss, drawn by uPlot. They stand still while the run plays; only their cursors move.

const LEFT = 52;
const DASHES = [[], [7, 4], [8, 3, 2, 3], [2, 3]];
// Below this step a logarithmic axis is linear, since step 0 has to be on it.
const LINEAR_UP_TO = 10;
// Ticks of a logarithmic axis: 1, 2 and 5 times the powers of ten.
const LOG_AXIS = {
  splits: (_, __, low, high) => {
    const decades = Array.from({ length: 40 }, (_, k) => 10 ** (k - 20));
    return decades.flatMap((power) => [power, 2 * power, 5 * power]).filter((value) => low <= value && value <= high);
  },
  filter: (_, values) => values,
  values: (_, values) => values.map((value) => String(Number(value.toPrecision(1)))),
};
// Steps between two ticks: 1, 2 and 5 times the powers of ten.
const WHOLE = Array.from({ length: 16 }, (_, k) => 10 ** k).flatMap((power) => [power, 2 * power, 5 * power]);
// How strong the curves beside one that is picked out are, all of them together.
const ASIDE = 4;
const NARROW = 560;
// A press that moves by less is a click and brushes nothing.
const CLICK = 4;

class Panel {
  constructor(host, curves, series, levels = []) {
    Object.assign(this, { host, series, levels, isLog: false });
    this.scale = { range: curves.range, isLog: curves.isLog };
    const [x, values] = [unpacked(curves.step), unpacked(curves.values)];
    const lines = curves.names.map((_, k) => Array.from(values.subarray(k * x.length, (k + 1) * x.length), known));
    this.data = [x, ...series.map(({ curve }) => lines[curve])];
  }

  build() {
    this.plot?.destroy();
    const axis = { stroke: variable("--soft"), font: "12px system-ui", grid: { show: false } };
    axis.ticks = { stroke: variable("--axis"), width: 1, size: 5 };
    const options = {
      width: this.host.clientWidth,
      height: this.host.clientHeight,
      padding: [8, this.right(), 0, 0],
      legend: { show: false },
      cursor: { show: false },
      focus: { alpha: Math.min(0.12, ASIDE / this.series.length) },
      scales: {
        x: { time: false, range: (_, low, high) => [low, Math.max(high, low + 1)], ...(this.isLog ? { distr: 4, asinh: LINEAR_UP_TO } : {}) },
        y: { range: this.scale.range, distr: this.scale.isLog ? 3 : 1 },
      },
      axes: [
        { ...axis, size: 28, incrs: WHOLE, values: (_, steps) => steps.map((step) => (step === null ? "" : stepWords(step))) },
        { ...axis, size: LEFT, ...(this.scale.isLog ? LOG_AXIS : {}) },
      ],
      series: [{}, ...this.series.map((each) => ({ ...each, stroke: each.colour(), pxAlign: 0, points: { show: false } }))],
      hooks: { drawClear: [() => this.drawBehind()] },
    };
    this.plot = new uPlot(options, this.data, this.host);
    this.cursor = made("div", "", { class: "cursor" });
    this.plot.over.append(this.cursor);
  }

  right() {
    return this.host.clientWidth < NARROW ? 34 : 128;
  }

  nameLevels() {
    for (const label of this.plot.over.querySelectorAll(".level")) label.remove();
    for (const { place, label, name } of this.levels) {
      const text = made("span", label, { class: "level" });
      if (name) text.append(made("i", `  ${name}`));
      text.style.top = `${this.plot.valToPos(place, "y")}px`;
      this.plot.over.append(text);
    }
  }

  drawBehind() {
    const { ctx, bbox } = this.plot;
    ctx.save();
    ctx.fillStyle = variable("--band");
    for (const { kind, start, end } of PAGE.marks) {
      if (kind !== "jump") continue;
      const [from, to] = [start, end].map((step) => this.plot.valToPos(step, "x", true));
      ctx.fillRect(from - 1, bbox.top, to - from + 2, bbox.height);
    }
    ctx.strokeStyle = variable("--line");
    ctx.lineWidth = devicePixelRatio;
    for (const { value } of this.levels) {
      const y = this.plot.valToPos(value, "y", true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  place(step) {
    this.cursor.style.transform = `translateX(${this.plot.valToPos(step, "x")}px)`;
  }

  shade(steps) {
    const [left, right] = steps ? steps.map((step) => this.plot.valToPos(step, "x")) : [0, 0];
    this.plot.setSelect({ left, width: right - left, top: 0, height: this.plot.over.clientHeight }, false);
  }

  pick(feature) {
    const place = this.series.findIndex(({ curve }) => curve === feature);
    this.plot.setSeries(place < 0 ? null : place + 1, { focus: true });
  }

  // Where a step is on the axis, 0 at its left end and 1 at its right; and back.
  along(step) {
    return this.plot.valToPos(step, "x") / this.plot.over.clientWidth;
  }

  stepAt(along) {
    return this.plot.posToVal(along * this.plot.over.clientWidth, "x");
  }

  // Follow the pointer while it is down: onMove gets each step under it, onBrush the stretch it went over, if any.
  follow(onMove, onBrush) {
    let from = null;
    const position = (event) => {
      const box = this.plot.over.getBoundingClientRect();
      return Math.min(Math.max(event.clientX - box.left, 0), box.width);
    };
    const brush = (x) => {
      const ends = [Math.min(from, x), Math.max(from, x)].map((end) => this.plot.posToVal(end, "x"));
      onMove(this.plot.posToVal(x, "x"));
      onBrush(Math.abs(x - from) < CLICK ? null : ends);
    };
    this.host.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.plot.over.contains(event.target)) return;
      this.host.setPointerCapture(event.pointerId);
      from = position(event);
      brush(from);
    });
    this.host.addEventListener("pointermove", (event) => from !== null && brush(position(event)));
    for (const end of ["pointerup", "pointercancel"]) this.host.addEventListener(end, () => (from = null));
  }
}

function known(value) {
  return Number.isNaN(value) ? null : value;
}

// The curves of D, the faint ones underneath; the features of one colour differ in their strokes, if they are few.
function levelSeries() {
  const seen = {};
  const strokes = PAGE.colours.map((colour) => (seen[colour] = (seen[colour] ?? -1) + 1));
  const areFew = Math.max(...strokes.filter((_, feature) => !PAGE.isFaint[feature]), 0) < DASHES.length;
  const series = PAGE.colours.map((_, feature) => {
    const isFaint = PAGE.isFaint[feature];
    const dash = isFaint || !areFew ? [] : DASHES[strokes[feature]];
    return { curve: feature, dash, width: isFaint ? 0.8 : 1.5, colour: () => featureColour(feature) };
  });
  return series.sort((a, b) => PAGE.isFaint[b.curve] - PAGE.isFaint[a.curve]);
}

// The population loss is bold and lies over that of the minibatches.
function lossSeries() {
  const bold = PAGE.loss.names.length - 1;
  const series = PAGE.loss.names.map((_, curve) => ({
    curve, width: curve ? 1 : 1.8, colour: () => variable(curve ? "--trend" : "--curve"),
  }));
  return bold > 0 ? series.reverse() : series;
}
