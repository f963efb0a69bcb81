// Lines over time, without axes that nobody reads: the highest value, the lowest, and now.

import { svg } from "./dom.js";

const HEIGHT = 120;
const [TOP, BOTTOM] = [16, 8];

/** A frame in which `lowest` to `highest` fits, and how points are put into it. */
const frame = (place, label, lowest, highest, seconds) => {
  const width = Math.max(200, Math.floor(place.clientWidth));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": label });
  const room = HEIGHT - TOP - BOTTOM;
  const y = (value) => TOP + room * (1 - (value - lowest) / (highest - lowest || 1));
  const x = (ago) => width - (ago / seconds) * width;
  const axis = (value) => svg("path", { class: "axis", d: `M0 ${y(value)}H${width}` });
  const caption = (text, value, side) =>
    svg("text", { class: `soft ${side === "end" ? "end" : ""}`, x: side === "end" ? width : 0, y: y(value) - 4 }, text);
  return { picture, x, y, axis, caption };
};

const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

const span = (points) => Math.max(60, points.at(-1).at - points[0].at);

/** Lines of what each `pick`s from the points. */
export const lines = (place, points, label, picks, format) => {
  const [end, seconds] = [points.at(-1).at, span(points)];
  const highest = Math.max(1, ...points.flatMap((point) => picks.map(({ pick }) => pick(point))));
  const { picture, x, y, axis, caption } = frame(place, label, 0, highest, seconds);
  picture.append(axis(0), axis(highest), caption(format(highest), highest));
  for (const { pick, name, area } of picks) {
    const line = points.map((point) => [x(end - point.at), y(pick(point))]);
    if (area) {
      const ground = `L${line.at(-1)[0]} ${y(0)}L${line[0][0]} ${y(0)}Z`;
      picture.append(svg("path", { class: "area", d: path(line) + ground }));
    }
    picture.append(svg("path", { class: `line ${name}`, d: path(line) }));
  }
  place.replaceChildren(picture);
};

/** The band within which a difference lies, around nothing, over time. */
export const band = (place, points, label, format) => {
  const [end, seconds] = [points.at(-1).at, span(points)];
  const ends = points.flatMap(({ from, to }) => [from, to]);
  const [lowest, highest] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const { picture, x, y, axis, caption } = frame(place, label, lowest, highest, seconds);
  const upper = points.map((point) => [x(end - point.at), y(point.to)]);
  const lower = points.map((point) => [x(end - point.at), y(point.from)]).reverse();
  // Of latencies, what is seen has another unit than the range.
  const middle = points.filter((point) => point.middle !== null).map((point) => [x(end - point.at), y(point.middle)]);
  picture.append(
    svg("path", { class: "band", d: `${path([...upper, ...lower])}Z` }),
    axis(0),
    svg("path", { class: "line v2", d: path(middle) }),
    caption("no difference", 0),
  );
  const last = points.at(-1);
  if (y(0) - y(last.to) > 18) picture.append(caption(format(last.to), last.to, "end"));
  place.replaceChildren(picture);
};

const [WIDTH, LOW] = [150, 30]; // of a spark

/** The same, as small as a word. */
export const spark = (place, points, label) => {
  if (points.length < 2) return place.replaceChildren();
  const [end, seconds] = [points.at(-1).at, span(points)];
  const ends = points.flatMap(({ from, to }) => [from, to]);
  const [lowest, highest] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const x = ({ at }) => WIDTH - ((end - at) / seconds) * WIDTH;
  const y = (value) => 1 + (LOW - 2) * (1 - (value - lowest) / (highest - lowest || 1));
  const upper = points.map((point) => [x(point), y(point.to)]);
  const lower = points.map((point) => [x(point), y(point.from)]).reverse();
  const middle = points.filter((point) => point.middle !== null).map((point) => [x(point), y(point.middle)]);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${LOW}`, width: WIDTH, height: LOW, role: "img", "aria-label": label });
  picture.append(
    svg("path", { class: "band", d: `${path([...upper, ...lower])}Z` }),
    svg("path", { class: "axis", d: `M0 ${y(0)}H${WIDTH}` }),
    svg("path", { class: "line v2", d: path(middle) }),
  );
  place.replaceChildren(picture);
};
