// Whether v2 does as well as v1: the verdict, where it differs, by how much, and how sure that is, over time.

import { at, each, html, say, set } from "./dom.js";
import { many, number, percent } from "./format.js";
import { band, spark } from "./chart.js";
import { badge } from "./panels.js";
import { amount, between, differs, inWords, isBetter, isWorse, overall, routes, sureness } from "./routes.js";

const KINDS = { same: "good", differs: "bad" };
const SHOWN = 8; // routes; more are a click away

/** The verdict in a sentence. */
export const sentence = (report) => {
  const sure = percent(1 - report.alpha);
  const of = `${number(report.compared)} requests compared`;
  if (report.verdict === "same") return `v2 does as well as v1, within the margins (${sure} sure, ${of}).`;
  if (report.verdict !== "differs") return `Too few requests to tell yet (${of}).`;
  return `v2 ${claims(report).join("; it ")} (at least ${sure} sure, ${of}).`;
};

/** What of it is so where: "is worse than v1 on GET /pay, one of 3 routes" */
const claims = (report) => {
  const all = routes(report);
  const where = (is) => all.filter(({ findings }) => findings.some((finding) => differs(finding) && is(finding))).map(({ name }) => name);
  const on = (names) => {
    const count = names.length === 1 ? "one" : number(names.length);
    return `${names.slice(0, SHOWN).join(", ")}${all.length > 1 ? `, ${count} of ${number(all.length)} routes` : ""}`;
  };
  const [worse, better] = [where(isWorse), where(isBetter)];
  const others = new Set([...where(({ question }) => question === "contents"), ...report.fields.filter((field) => differs(field) && field.group).map(({ group }) => group)]);
  const said = [];
  if (worse.length) said.push(`is worse than v1 on ${on(worse)}`);
  if (better.length) said.push(`is better on ${on(better)}`);
  if (others.size) said.push(`replies otherwise on ${on([...others])}`);
  if (said.length) return said;
  // Overall, and on no route by itself.
  const overall = report.findings.filter(differs);
  return [overall.some(isWorse) ? "is worse than v1, over all requests" : overall.some(isBetter) ? "is better than v1, over all requests" : "replies otherwise than v1"];
};

const claim = ({ name }) =>
  html("li", {}, html("strong", {}, `${name}: `), html("span"), html("p", { class: "soft" }));

const state = (finding) => (differs(finding) ? (isBetter(finding) ? "good" : isWorse(finding) ? "bad" : "warn") : finding.verdict === "same" ? "good" : "");

const called = (finding) => {
  if (!differs(finding)) return finding.verdict;
  return isWorse(finding) ? "worse" : isBetter(finding) ? "better" : "replies differ";
};

const route = ({ name }) => {
  const title = html("h3", {}, name || "all requests", " ", html("span", { class: "badge" }));
  return html("li", {}, title, html("p"), html("div", { class: "spark" }), html("p", { class: "soft" }));
};

/** How a route's foremost finding was answered at each moment that was looked at. */
const history = (points, { name, finding: { question } }) =>
  points.flatMap(({ at, found }) => {
    const then = found?.get(name);
    const known = then?.question === question && typeof then.difference.from === "number" && typeof then.difference.to === "number";
    return known ? [{ at, ...then.difference, middle: isLatency(question) ? null : then.candidate - then.baseline }] : [];
  });

const isLatency = (question) => question.startsWith("latency");

const tell = (points) => (item, of) => {
  const { finding, compared } = of;
  const [title, words, line, soft] = item.children;
  say(title.lastElementChild, called(finding));
  set(title.lastElementChild, "class", `badge ${state(finding)}`);
  say(words, `${finding.question}: ${amount(finding, finding.baseline)} at v1, ${amount(finding, finding.candidate)} at v2`);
  say(soft, `difference ${between(finding)}, ${many(compared, "request")}`);
  spark(line, history(points, of), `The range of the difference over time, now ${between(finding)}`);
};

export const verdict = (points, now) => {
  const report = now.rule.ledger.verdict;
  at("verdict").hidden = !report;
  if (!report) return;
  badge("verdict-badge", report.verdict, KINDS[report.verdict] ?? "warn");
  say(at("verdict-words"), sentence(report));
  const all = routes(report);
  const bad = all.flatMap(({ name, findings }) => findings.filter(differs).map((finding) => ({ name, finding })));
  each(at("verdict-groups"), bad.slice(0, SHOWN), ({ name, finding }) => `${name} ${finding.question}`, claim, (item, { finding }) => {
    say(item.children[1], inWords(finding));
    say(item.lastElementChild, sureness(finding));
    set(item, "class", state(finding));
  });
  const list = [...all.slice(0, SHOWN), overall(report)];
  each(at("routes"), list, ({ name }) => name, route, tell(points));
  each(at("more-routes"), all.slice(SHOWN), ({ name }) => name, route, tell(points));
  at("more").hidden = all.length <= SHOWN;
  say(at("more").firstElementChild, `${many(Math.max(0, all.length - SHOWN), "more route")}, none of which is worse than these`);
  findings(report);
  chart(points, all[0] && differs(all[0].finding) ? all[0] : overall(report));
};

const row = ({ question }) =>
  html("tr", {}, html("td", {}, question), ...["n", "n", "n", ""].map((name) => html("td", { class: name })));

const findings = (report) =>
  each(at("findings"), report.findings, ({ question }) => question, row, (item, finding) => {
    const cells = [amount(finding, finding.baseline), amount(finding, finding.candidate), between(finding), finding.verdict];
    cells.forEach((text, index) => say(item.children[index + 1], text));
  });

/** Over time, of the worst route. */
const chart = (points, of) => {
  const place = at("verdict-chart");
  if (!place.firstElementChild) place.append(html("p", { class: "soft" }), html("div"));
  const known = history(points, of);
  place.hidden = known.length < 2;
  if (place.hidden) return;
  const { question } = of.finding;
  say(place.firstElementChild, `${of.name || "All requests"}, ${question}: v2's less v1's, and the range that the true difference is in, since this page was opened:`);
  band(place.lastElementChild, known, `${between(of.finding)} now`, (share) => (share > 0 ? "+" : "") + percent(share));
};
