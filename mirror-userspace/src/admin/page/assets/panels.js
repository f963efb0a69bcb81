// The panels beside the graph: what was lost and why, the books, and what is attached to.

import { at, each, html, prose, say, set } from "./dom.js";
import { count, total } from "./books.js";
import { many, number, perSecond, percent } from "./format.js";
import { lines } from "./chart.js";

/** All reasons that have a count, those that grow first. */
export const counted = (rows, now) => {
  const ledger = now.rule.ledger;
  const reasons = rows.flatMap(({ path, reasons }) =>
    reasons.map(({ name, what, helps, loss }) => {
      const way = [...path.split("."), name];
      const key = way.join(".");
      return { key, what, helps, loss, count: count(ledger, way), rate: now.rate((it) => count(it.ledger, way)) };
    }),
  );
  for (const name of Object.keys(ledger.requests.filtered)) {
    const way = ["requests", "filtered", name];
    const what = "The request was refused by this filter.";
    reasons.push({ key: way.join("."), what, helps: "", loss: false, count: count(ledger, way), rate: now.rate((it) => count(it.ledger, way)) });
  }
  const some = reasons.filter(({ count }) => count > 0);
  return some.sort((a, b) => (b.rate > 0) - (a.rate > 0) || b.count - a.count);
};

const reason = ({ key, what, helps }) => {
  const title = html("h3", {}, html("span", {}, key), html("span", { class: "count" }));
  const parts = [title, html("p", {}, ...prose(what))];
  if (helps) parts.push(html("p", { class: "helps soft" }, ...prose(helps)));
  return html("li", {}, ...parts);
};

const tell = (item, { key, count, rate }) => {
  const unit = key.startsWith("bytes_lost") ? " bytes" : "";
  const now = rate > 0 ? `, ${perSecond(rate)}/s now` : "";
  say(item.querySelector(".count"), number(count) + unit + now);
  set(item, "class", rate > 0 ? "now" : "");
};

export const losses = (rows, now) => {
  const all = counted(rows, now);
  const lost = all.filter(({ loss }) => loss);
  each(at("lost"), lost, ({ key }) => key, reason, tell);
  each(at("left-out"), all.filter(({ loss }) => !loss), ({ key }) => key, reason, tell);
  at("lost-none").hidden = lost.length > 0;
  const { requests, replies } = now.rule.ledger;
  const requestsLost = total(requests.dropped) + total(replies.failed);
  const whole = Math.max(1, requests.framed);
  badge("lost-badge", lost.length ? `${number(requestsLost)} requests, ${percent(requestsLost / whole)}` : "nothing", lost.length ? "bad" : "good");
};

export const badge = (id, text, kind) => {
  say(at(id), text);
  set(at(id), "class", `badge ${kind}`);
};

const ENDS = [
  ["sent", "sent"],
  ["observed", "looked at"],
  ["filtered", "filtered"],
  ["sampled_out", "sampled out"],
  ["dropped", "dropped"],
  ["pending", "under way"],
];

export const books = (now) => {
  const { requests, balanced } = now.rule.ledger;
  // Counters are read one after another: while something moves they need not add up.
  const still = now.segments === 0;
  if (balanced) badge("balanced", "balanced", "good");
  else if (still) badge("balanced", "not balanced", "bad");
  else badge("balanced", "being counted", "");
  const value = (name) => (typeof requests[name] === "number" ? requests[name] : total(requests[name]));
  const shown = ENDS.map(([name, title]) => ({ name, title, count: value(name) })).filter(({ name, count }) => count > 0 || name === "sent");
  const bar = at("bar");
  each(bar, shown, ({ name }) => name, ({ name }) => html("i", { class: name }), (part, { count }) => {
    part.style.flexGrow = String(count);
  });
  set(bar, "aria-label", shown.map(({ title, count }) => `${number(count)} ${title}`).join(", "));
  const mark = (name) => (name === "framed" ? [] : [html("i", { class: name })]);
  const row = ({ name, title }) => html("div", {}, html("dt", {}, ...mark(name), title), html("dd", {}));
  const framed = { name: "framed", title: "requests framed", count: requests.framed };
  each(at("books"), [framed, ...shown], ({ name }) => name, row, (item, { count }) => say(item.lastElementChild, number(count)));
};

export const rates = (points, now) => {
  const place = at("rates");
  if (!place.firstElementChild) {
    const key = (name, text) => html("span", { class: `k-${name}` }, text);
    place.append(html("div"), html("p", { class: "legend" }, key("v1", "seen at v1"), key("v2", "sent"), key("lost", "lost")));
  }
  const picks = [
    { name: "v1", pick: ({ seen }) => seen, area: true },
    { name: "v2", pick: ({ sent }) => sent },
    { name: "lost", pick: ({ lost }) => lost },
  ];
  const label = `Now ${perSecond(now.seen)} requests per second seen, ${perSecond(now.sent)} sent, ${perSecond(now.lost)} lost`;
  lines(place.firstElementChild, points, label, picks, (value) => `${perSecond(value)}/s`);
};

export const attached = (told, now) => {
  const { attachments, rule } = now.rule;
  const pods = told.pods.filter((pod) => pod.rule === rule);
  const interfaces = many(attachments, "interface");
  say(at("attached"), pods.length ? `${interfaces}, of ${many(pods.length, "pod")}:` : interfaces);
  const make = () => html("li", {}, html("span", { class: "state" }));
  each(at("pods"), pods, ({ node, namespace, pod }) => `${node} ${namespace}/${pod}`, make, (item, { node, namespace, pod, state }) => {
    say(item.firstElementChild, `${namespace}/${pod}`);
    set(item.firstElementChild, "class", `state ${state}`);
    set(item, "title", `${state.replace("_", " ")}${node ? `, on ${node}` : ""}`);
  });
  const broken = told.watches.filter(({ up }) => !up).map(({ kind }) => `${kind} can't be watched: what is mirrored stays as it is`);
  const stopped = told.rules_stopped.map((name) => `the rule ${name} is stopped: a part of its mirror panicked (see the log)`);
  const refused = told.documents_refused.map(({ namespace, reason, count }) => `${number(count)} documents of ${namespace || "no namespace"} refused: ${reason}`);
  const nobodys = told.unclaimed_records > 0 ? [`${number(told.unclaimed_records)} captured records belonged to no rule (see the log)`] : [];
  each(at("troubles"), [...broken, ...stopped, ...refused, ...nobodys], (text) => text, (text) => html("li", {}, text), () => {});
};
