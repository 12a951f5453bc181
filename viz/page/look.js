"use strict";
// What the other files share: the page's data, arrays, colours, elements.

const PAGE = JSON.parse(document.getElementById("data").textContent);
const ARRAYS = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array, float64: Float64Array };

function element(id) {
  return document.getElementById(id);
}

// Text from the recording only ever becomes text.
function made(tag, text = "", attributes = {}) {
  const node = document.createElement(tag);
  node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function unpacked({ dtype, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return new ARRAYS[dtype](bytes.buffer);
}

function isDark() {
  return document.documentElement.dataset.theme === "dark";
}

function variable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A feature's colour on the present paper: one of its own is lightened on dark paper if it is too dark to be seen.
function featureColour(feature) {
  if (PAGE.isFaint[feature]) return variable("--faint");
  const colour = new THREE.Color(PAGE.colours[feature]);
  const lightness = 0.2126 * colour.r + 0.7152 * colour.g + 0.0722 * colour.b;
  if (isDark() && lightness < 0.25) colour.lerp(new THREE.Color("white"), 0.4 - lightness);
  return colour.getStyle();
}

function stepWords(step) {
  return Math.round(step).toLocaleString("en").replaceAll(",", "\u202f");
}

// The place of the last of some increasing numbers that is no greater than a value.
function lastUpTo(numbers, value) {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
