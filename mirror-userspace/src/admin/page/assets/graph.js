// The graph as Kiali draws it: clients, v1, and a dashed edge to each target.

import { say, set, svg } from "./dom.js";
import { many, number, percent, perSecond, time } from "./format.js";

const NODE = 104; // height of a node with four lines
const CLIENTS = 82; // of that with three
const WIDE = 840;

/** Kiali's thresholds: degraded from 0.1 % of errors, failing from 10 %. */
const health = (errors) => (errors === null ? "" : errors >= 0.1 ? "bad" : errors >= 0.001 ? "warn" : "good");

/** As much of a text as has room; a title is wider, and leaves some to the sign of health. */
const short = (text, width, isTitle) => {
  const room = Math.floor(isTitle ? (width - 42) / 9.2 : (width - 18) / 7.9);
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
};

const node = (x, y, width, lines = 4) => {
  const group = svg("g", { class: "node", transform: `translate(${x} ${y})` });
  group.append(svg("rect", { class: "body", width, height: lines === 4 ? NODE : CLIENTS, rx: 12 }));
  group.append(svg("circle", { class: "health", cx: width - 16, cy: 18, r: 5 }));
  const texts = Array.from({ length: lines }, (_, index) =>
    svg("text", { x: 14, y: 23 + index * 22, class: index === 0 ? "big" : index === lines - 1 ? "soft" : "" }),
  );
  const hint = svg("title");
  group.append(hint, ...texts);
  return { group, texts, hint, width };
};

const fillNode = ({ group, texts, hint, width }, state, lines) => {
  set(group, "class", `node ${state}`);
  say(hint, lines[0]);
  texts.forEach((text, index) => say(text, short(lines[index], width, index === 0)));
};

/** An arrow along these points, with three texts beside its middle. */
const edge = (points, label, mirror) => {
  const [last, before] = [points.at(-1), points.at(-2)];
  const down = last[0] === before[0];
  const [x, y] = last;
  const head = down ? `M${x} ${y}l-6 -10h12z` : `M${x} ${y}l-10 -6v12z`;
  const group = svg("g", { class: "edge" });
  const path = points.map(([px, py], index) => `${index ? "L" : "M"}${px} ${py}`).join("");
  group.append(svg("path", { d: path }), svg("path", { d: head, class: "head" }));
  const [cx, cy, anchor] = label;
  const share = svg("text", { x: cx, y: cy - 14, class: `share ${anchor}` });
  const pill = svg("rect", { class: "pill", x: anchor ? cx - 27 : cx - 6, y: cy - 29, width: 54, height: 21, rx: 10 });
  if (!anchor) share.setAttribute("x", cx + 21), share.setAttribute("class", "share middle");
  const [flow, lag, lost] = ["", "soft", "lost"].map((name, index) =>
    svg("text", { x: cx, y: cy + 20 + index * 17, class: `${name} ${anchor}` }),
  );
  if (mirror) group.append(pill, share);
  group.append(flow, lag, lost);
  return { group, share, flow, lag, lost, mirror };
};

const fillEdge = ({ group, share, flow, lag, lost, mirror }, rate, texts) => {
  set(group, "class", `edge ${mirror ? "mirror" : ""} ${rate > 0 ? "flows" : "idle"}`);
  [share, flow, lag, lost].forEach((text, index) => say(text, texts[index]));
};

const wide = (width, targets) => {
  const [clientsWidth, v1Width, targetWidth] = [150, 216, 236];
  const gap = (width - clientsWidth - v1Width - targetWidth) / 2;
  const step = NODE + 36;
  const height = Math.max(1, targets) * step - 36 + 4;
  const middle = (height - NODE) / 2;
  const v1At = clientsWidth + gap;
  const targetAt = v1At + v1Width + gap;
  const centre = middle + NODE / 2;
  const places = Array.from({ length: targets }, (_, index) => 2 + index * step);
  const turn = v1At + v1Width + 22;
  return {
    height,
    clients: node(1, centre - CLIENTS / 2, clientsWidth, 3),
    v1: node(v1At, middle, v1Width),
    targets: places.map((y) => node(targetAt, y, targetWidth - 2)),
    calls: edge([[clientsWidth + 1, centre], [v1At, centre]], [clientsWidth + gap / 2, centre, "middle"], false),
    mirrors: places.map((y) => {
      const aim = y + NODE / 2;
      const points = [[v1At + v1Width, centre], [turn, centre], [turn, aim], [targetAt, aim]];
      return edge(points, [turn + (targetAt - turn) / 2 - 4, aim, "middle"], true);
    }),
  };
};

const narrow = (width, targets) => {
  const gap = 98;
  const v1At = CLIENTS + gap;
  const step = NODE + gap;
  const trunk = targets > 1;
  const indent = trunk ? 30 : 0;
  const places = Array.from({ length: targets }, (_, index) => v1At + (index + 1) * step);
  return {
    height: v1At + NODE + targets * step + 4,
    clients: node(1, 1, width - 2, 3),
    v1: node(1, v1At, width - 2),
    targets: places.map((y) => node(1 + indent, y, width - 2 - indent)),
    calls: edge([[28, CLIENTS + 1], [28, v1At]], [52, CLIENTS + gap / 2 - 14, ""], false),
    mirrors: places.map((y) => {
      const end = trunk ? [[14, y + NODE / 2], [1 + indent, y + NODE / 2]] : [[28, y]];
      const from = [trunk ? 14 : 28, v1At + NODE];
      return edge([from, ...end], [52, y - gap + 34, ""], true);
    }),
  };
};

export class Graph {
  constructor(place) {
    this.place = place;
    new ResizeObserver(() => this.now && this.show(this.now)).observe(place);
  }

  show(now) {
    this.now = now;
    const width = Math.floor(this.place.clientWidth);
    // Not laid out at the moment: it is told when it is.
    if (width < 200) return;
    const layout = `${width} ${now.targets.length}`;
    if (layout !== this.layout) this.draw(width, now.targets.length), (this.layout = layout);
    const { parts } = this;
    const open = now.rule.ledger.connections.open;
    fillNode(parts.clients, "", ["clients", many(open, "connection"), `${perSecond(now.segments)} segments/s`]);
    const [p50, p99] = now.latency;
    const heard = now.hears ? `p50 ${time(p50)}, p99 ${time(p99)}` : "replies not watched: --replies on";
    const v1Errors = now.hears ? `${percent(now.errors)} errors` : "";
    fillNode(parts.v1, now.hears ? health(now.errors) : "", ["v1", `${perSecond(now.seen)} requests/s seen`, v1Errors, heard]);
    fillEdge(parts.calls, now.segments, ["", `${perSecond(now.seen)}/s`, "", ""]);
    now.targets.forEach((target, index) => {
      const [fast, slow] = target.latency;
      const name = target.name.replace(/^http:\/\//, "");
      const lines = [name, `${perSecond(target.sent)} requests/s`, `${percent(target.errors)} errors`, `p50 ${time(fast)}, p99 ${time(slow)}`];
      fillNode(parts.targets[index], health(target.errors), lines);
      const lost = target.lost > 0 ? `${perSecond(target.lost)}/s lost` : "";
      const lag = target.lag[0] === null ? "" : `lag ${time(target.lag[0])}`;
      fillEdge(parts.mirrors[index], target.sent, [share(target), `${perSecond(target.sent)}/s`, lag, lost]);
    });
    set(this.picture, "aria-label", words(now));
  }

  draw(width, targets) {
    const parts = (width >= WIDE ? wide : narrow)(width, targets);
    this.parts = parts;
    const edges = [parts.calls, ...parts.mirrors];
    const nodes = [parts.clients, parts.v1, ...parts.targets];
    const all = [...edges, ...nodes].map(({ group }) => group);
    this.picture = svg("svg", { viewBox: `0 0 ${width} ${parts.height}`, height: parts.height, role: "img" }, ...all);
    this.place.replaceChildren(this.picture);
  }
}

/** Not all agents may have the same. */
const share = ({ ratio, least }) => `${least < ratio ? "≤\u2009" : ""}${percent(ratio).replace("\u00a0", "\u2009")}`;

const words = (now) => {
  const mirrored = now.targets.map(
    ({ name, ratio, sent, errors }) => `${percent(ratio)} are mirrored to ${name}: ${perSecond(sent)} per second, ${percent(errors)} errors`,
  );
  return [`Clients send v1 requests, of which ${perSecond(now.seen)} per second are seen`, ...mirrored].join("; ");
};
