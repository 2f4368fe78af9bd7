// Charts of the boards: saved as a picture, and walked by arrow keys. Without this they have their tables and links.
// A module (<script type="module">): its names are its own.

// ---- A picture ----------------------------------------------------------------------------------------------------

// What is seen of a figure is painted on a canvas: boxes, words, and drawings as the images that they are.
const SCALE = 2;
const MOST_PIXELS = 2 ** 26; // of one canvas, and
const LONGEST_SIDE = 16384; // beyond which browsers give up
const UNSEEN = ".save, details, .visually-hidden, [hidden]";
const DRAWN = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap",
  "paint-order", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "visibility", "display",
];
const MARGIN = 16;

// An inline drawing as an image: it knows no style sheet, so what that says is written into it.
const imageOf = async (svg) => {
  const copy = svg.cloneNode(true);
  const shapes = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((shape, at) => {
    const style = getComputedStyle(shapes[at]);
    DRAWN.forEach((name) => shape.setAttribute(name, style.getPropertyValue(name)));
  });
  const box = svg.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", box.width * SCALE); // sharp, whatever the canvas is scaled by
  copy.setAttribute("height", box.height * SCALE);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
};

const paintBox = (context, box, style) => {
  const sides = ["Top", "Right", "Bottom", "Left"].map((side) => ({
    width: style[`border${side}Style`] === "none" ? 0 : parseFloat(style[`border${side}Width`]),
    look: style[`border${side}Style`],
    color: style[`border${side}Color`],
  }));
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.width / 2, box.height / 2);
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, radius);
  context.fillStyle = style.backgroundColor;
  context.fill();
  const dash = { dashed: [4, 3], dotted: [1.5, 1.5] };
  const stroke = ({ width, look, color }) => {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.setLineDash(dash[look] || []);
    context.stroke();
  };
  if (sides.every((side) => side.width === sides[0].width && side.color === sides[0].color)) {
    const half = sides[0].width / 2;
    if (!half) return;
    context.beginPath();
    context.roundRect(box.x + half, box.y + half, box.width - 2 * half, box.height - 2 * half, Math.max(radius - half, 0));
    stroke(sides[0]);
    return;
  }
  const [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height];
  const ends = [[left, top, right, top], [right, top, right, bottom], [right, bottom, left, bottom], [left, bottom, left, top]];
  const inwards = [[0, 1], [-1, 0], [0, -1], [1, 0]];
  sides.forEach((side, at) => {
    if (!side.width) return;
    const [x, y] = inwards[at].map((way) => (way * side.width) / 2);
    context.beginPath();
    context.moveTo(ends[at][0] + x, ends[at][1] + y);
    context.lineTo(ends[at][2] + x, ends[at][3] + y);
    stroke(side);
  });
};

const paintWords = (context, words, box, style) => {
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText(words);
  context.fillText(words, box.x, box.y + (box.height - up - down) / 2 + up);
};

// The words of a text where they stand; one that is broken into lines (Chinese anywhere) by its characters.
const paintText = (context, node, style) => {
  const range = document.createRange();
  const boxes = (from, to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    return [...range.getClientRects()].filter((box) => box.width);
  };
  for (const { 0: word, index } of node.data.matchAll(/\S+/g)) {
    const found = boxes(index, index + word.length);
    if (found.length === 1) paintWords(context, word, found[0], style);
    if (found.length < 2) continue;
    let at = index;
    for (const character of word) {
      const [box] = boxes(at, (at += character.length));
      if (box) paintWords(context, character, box, style);
    }
  }
};

const paint = async (context, element) => {
  if (element.matches(UNSEEN)) return;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (style.display === "none" || style.visibility === "hidden") return;
  if (element.matches("svg")) {
    context.drawImage(await imageOf(element), box.x, box.y, box.width, box.height);
    return;
  }
  if (style.display !== "contents" && !element.matches("figure")) paintBox(context, box, style);
  const sign = getComputedStyle(element, "::before"); // an icon is a letter of its own fount
  if (!element.childNodes.length && /^"./.test(sign.content)) paintWords(context, sign.content.slice(1, -1), box, sign);
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) paintText(context, child, style);
    if (child.nodeType === Node.ELEMENT_NODE) await paint(context, child);
  }
};

// What is scrolled away is painted too: `size` asks how far it reaches.
const size = (figure) => {
  const { x, y } = figure.getBoundingClientRect();
  const seen = [figure, ...figure.querySelectorAll("*")].filter((it) => !it.closest(UNSEEN));
  const boxes = seen.map((it) => it.getBoundingClientRect()).filter((box) => box.width && box.height);
  return [Math.max(...boxes.map((box) => box.right)) - x, Math.max(...boxes.map((box) => box.bottom)) - y];
};

const picture = async (figure) => {
  const scrolled = [...figure.querySelectorAll("*")].filter((it) => it.scrollLeft || it.scrollTop);
  const places = scrolled.map((it) => [it.scrollLeft, it.scrollTop]);
  scrolled.forEach((it) => it.scrollTo(0, 0));
  const [width, height] = size(figure).map((side) => Math.ceil(side) + 2 * MARGIN);
  const scale = Math.min(SCALE, Math.sqrt(MOST_PIXELS / width / height), LONGEST_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const { x, y } = figure.getBoundingClientRect();
  context.setTransform(scale, 0, 0, scale, (MARGIN - x) * scale, (MARGIN - y) * scale);
  await paint(context, figure);
  scrolled.forEach((it, at) => it.scrollTo(...places[at]));
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("too large"))), "image/png"));
};

const today = () => new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 10);

const save = async (button) => {
  const figure = button.closest("figure.chart");
  button.disabled = true;
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await picture(figure));
    link.download = `${figure.dataset.name || figure.id}-${figure.dataset.on || today()}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch {
    const words = document.createElement("p");
    words.className = "alert alert-info";
    words.textContent =
      document.documentElement.lang === "en"
        ? "This browser could not make the picture. Print the page instead."
        : "浏览器没能生成图片，请改用打印。";
    document.getElementById("alerts").append(words);
    words.scrollIntoView({ block: "center" });
  }
  button.disabled = false;
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("figure.chart [data-png]");
  if (button) save(button);
});

// ---- Walking ------------------------------------------------------------------------------------------------------

// In a grid of hundreds of links one is on the way of the Tab key: the last that had the focus. Arrows lead to the others.
const cellsOf = (place) => [...place.querySelectorAll("a.cell[href]")];

// The nearest cell in the line above (-1) or below (1), wherever a row of the grid was broken. Cells of one line need not
// be equally high, but stand side by side.
const beside = (one, other) => one.top < other.bottom - 4 && other.top < one.bottom - 4;
const beyond = (cells, from, way) => {
  const here = from.getBoundingClientRect();
  const middle = (box) => box.x + box.width / 2;
  const there = cells
    .map((cell) => [cell, cell.getBoundingClientRect()])
    .filter(([, box]) => (box.top - here.top) * way > 0 && !beside(box, here))
    .sort((a, b) => Math.abs(a[1].top - here.top) - Math.abs(b[1].top - here.top));
  const line = there.filter(([, box]) => beside(box, there[0][1]));
  return line.sort((a, b) => Math.abs(middle(a[1]) - middle(here)) - Math.abs(middle(b[1]) - middle(here)))[0]?.[0];
};

const goal = (event, place, from) => {
  const cells = cellsOf(place);
  const row = event.ctrlKey ? cells : cellsOf(from.closest("[data-row]") || place);
  switch (event.key) {
    case "ArrowLeft": return cells[cells.indexOf(from) - 1];
    case "ArrowRight": return cells[cells.indexOf(from) + 1];
    case "ArrowUp": return beyond(cells, from, -1);
    case "ArrowDown": return beyond(cells, from, 1);
    case "Home": return row[0];
    case "End": return row[row.length - 1];
    default: return null;
  }
};

document.addEventListener("keydown", (event) => {
  const place = event.target.closest("[data-walk]");
  if (!place || !event.target.matches("a.cell") || event.altKey || event.metaKey || event.shiftKey) return;
  const to = goal(event, place, event.target);
  if (!to) return;
  event.preventDefault();
  to.focus();
});

document.addEventListener("focusin", (event) => {
  const place = event.target.matches("a.cell") && event.target.closest("[data-walk]");
  if (!place) return;
  place.querySelectorAll('a.cell[tabindex="0"]').forEach((cell) => (cell.tabIndex = -1));
  event.target.tabIndex = 0;
});

// What is there, and what comes by itself on a page that follows.
const ready = () => {
  document.querySelectorAll("figure.chart [data-png][hidden]").forEach((button) => (button.hidden = false));
  document.querySelectorAll("[data-walk]").forEach((place) => {
    const cells = cellsOf(place);
    const current = cells.find((cell) => cell.getAttribute("tabindex") === "0") || cells[0];
    cells.forEach((cell) => (cell.tabIndex = cell === current ? 0 : -1));
  });
};
ready();
// What is wider than the screen is first seen at the column of today, right beside the first one, which stays.
document.querySelectorAll(".battle .now").forEach((column) => {
  column.closest(".wide").scrollLeft = column.offsetLeft - column.parentElement.firstElementChild.offsetWidth;
});
new MutationObserver(ready).observe(document.body, { childList: true, subtree: true });
