// Jumps and regimes: marks along the axis, and a list in words; each leads to where it begins.

const LETTER = 7;

class Marks {
  constructor(onGo) {
    this.marks = PAGE.marks.map((mark) => {
      const tab = made("button", mark.name, { type: "button", title: mark.words, "aria-label": `${mark.kind}: ${mark.words}` });
      const line = made("button", "", { type: "button" });
      line.append(made("b", mark.kind === "jump" ? `jump ${mark.name}` : "regime"), `  ${mark.words}`);
      for (const button of [tab, line]) button.addEventListener("click", () => onGo(mark));
      element(`${mark.kind}s`).append(tab);
      const item = made("li");
      item.append(line);
      element("words").append(item);
      return { ...mark, buttons: [tab, line], tab };
    });
    element("story").hidden = !this.marks.length;
  }

  layOut(panel) {
    const { left, width } = panel.plot.over.getBoundingClientRect();
    const margin = left - element("levels").getBoundingClientRect().left;
    for (const { kind, name, start, end, tab } of this.marks) {
      const [from, to] = [start, end].map((step) => margin + width * panel.along(step));
      const size = kind === "jump" ? 20 : Math.max(to - from - 2, 6);
      // A word that does not fit is left to the list, and to whoever points at the mark.
      if (kind === "regime") tab.textContent = size > LETTER * name.length + 6 ? name : "";
      tab.style.width = `${size}px`;
      tab.style.left = `${kind === "jump" ? (from + to - size) / 2 : from + 1}px`;
    }
  }

  // Mark what goes on at a step, and return it in words.
  show(step) {
    const current = this.marks.filter(({ start, end }) => start <= step && step <= end);
    for (const mark of this.marks) {
      for (const button of mark.buttons) button.setAttribute("aria-current", current.includes(mark));
    }
    return current.map(({ head }) => head).join(". ");
  }

  // The begin of the event after a step, or before it; undefined where there is none.
  next(step, direction) {
    const begins = this.marks.map(({ start }) => start).filter((start) => direction * (start - step) > 0);
    return begins.sort((a, b) => direction * (a - b))[0];
  }
}
