// Listens to podmirror, and shows what it tells.

import { agents, answering, counted } from "./agents.js";
import { at, each, html, say, set } from "./dom.js";
import { History, total } from "./books.js";
import { perSecond } from "./format.js";
import { differences } from "./differences.js";
import { glance } from "./glance.js";
import { Graph } from "./graph.js";
import { last } from "./last.js";
import { attached, books, losses, rates } from "./panels.js";
import { aim } from "./tune.js";
import { verdict } from "./verdict.js";

const SILENCE = 3000; // ms without a message that are worth a word
const AGAIN = 3000; // ms until a refused connection is tried again

const graph = new Graph(at("graph"));
let history = new History();
const reasons = await (await fetch("reasons.json")).json();
let chosen = decodeURIComponent(location.hash.slice(1));
let heard = 0;
let trouble = "";
let restarts = 0;

const link = (text, kind) => {
  say(at("link"), text);
  set(at("link"), "class", kind);
};

const choose = (name) => {
  chosen = name;
  location.replace(`#${encodeURIComponent(name)}`);
  show();
};

const overview = (rules) => {
  at("overview").hidden = rules.length < 2;
  const make = ({ rule }) => {
    const button = html("button", { class: "link", type: "button" }, rule);
    button.addEventListener("click", () => choose(rule));
    return html("tr", {}, html("td", {}, button), ...["", "n", "n", ""].map((name) => html("td", { class: name })));
  };
  each(at("rules"), rules, ({ rule }) => rule, make, (row, { rule }) => {
    const now = history.now(rule);
    if (rule === chosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    const targets = now.targets.map(({ name }) => name).join(", ");
    const cells = [targets, perSecond(now.sent), perSecond(now.lost), now.rule.ledger.verdict?.verdict ?? ""];
    cells.forEach((text, index) => say(row.children[index + 1], text));
  });
};

const show = () => {
  const told = history.last?.books;
  if (!told) return;
  const rules = told.rules;
  if (!rules.some(({ rule }) => rule === chosen)) chosen = rules[0]?.rule ?? "";
  overview(rules);
  say(at("version"), told.version);
  for (const section of document.querySelectorAll("main section:not(#overview, #nodes)")) section.hidden = rules.length === 0;
  agents(history, chosen);
  if (rules.length === 0) return link(`${live(told)}: nothing is mirrored yet`, "live");
  const now = history.now(chosen);
  const points = history.points.get(chosen);
  say(at("rule"), rules.length > 1 ? chosen : "");
  aim(chosen);
  glance(reasons, now);
  graph.show(now);
  note(now);
  verdict(points, now);
  differences(now);
  rates(points, now);
  losses(reasons, now);
  const { requests, replies, segments } = now.rule.ledger;
  last(chosen, total(requests.dropped) + total(replies.failed) + segments.ring_full);
  books(now);
  attached(told, now);
};

const note = ({ rule, rate }) => {
  const left = rate((it) => it.ledger.segments.sampled_out);
  say(at("graph-note"), left > 0 ? `By the sample, the kernel left out ${perSecond(left)} segments per second: requests in them are not seen.` : "");
};

const live = (told) => answering(told) || (restarts ? "live, since a restart" : "live");

const hear = (told) => {
  const before = history.last;
  // A counter that has gone back is another podmirror's; so may the page be.
  if (before && told.version !== before.books.version) return location.reload();
  if (before && told.uptime_seconds < before.at) {
    history = new History();
    restarts += 1;
  } else if (before && counted(told) !== counted(before.books)) {
    // Another agent's counts are in the sum: differences to the sum before are nobody's.
    history = new History();
  }
  [heard, trouble] = [Date.now(), ""];
  history.add(told);
  link(live(told), "live");
  show();
};

const listen = () => {
  const source = new EventSource("events");
  source.addEventListener("books", ({ data }) => hear(JSON.parse(data)));
  source.addEventListener("trouble", ({ data }) => {
    [heard, trouble] = [Date.now(), data];
    link(`podmirror: ${data}`, "gone");
  });
  source.addEventListener("error", () => {
    link("podmirror does not answer: trying again", "gone");
    // It has given up, for it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
};

setInterval(() => {
  const silent = Date.now() - heard;
  if (heard && !trouble && silent > SILENCE && at("link").className === "live") link("no news: what you see is old", "gone");
}, 1000);

addEventListener("hashchange", () => {
  chosen = decodeURIComponent(location.hash.slice(1));
  show();
});

listen();
