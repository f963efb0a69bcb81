// Whether v2 does as well as v1: the verdict, what differs, by how much, and how sure that is.

import { at, each, html, say } from "/dom.js";
import { number, percent, time } from "/books.js";
import { band } from "/chart.js";
import { badge } from "/panels.js";

const KINDS = { same: "good", differs: "bad" };

const isTime = ({ question }) => question.startsWith("latency");

const amount = (finding, value) => (isTime(finding) ? time(value) : percent(value));

const signed = (share) => (share > 0 ? "+" : "") + percent(share);

/** The true difference lies in here: of latencies relative, null is not known yet. */
const between = ({ difference: { from, to } }) =>
  from === null || to === null ? "not known yet" : `${signed(from)} to ${signed(to)}`;

const differing = ({ groups }) =>
  Object.entries(groups).flatMap(([group, findings]) =>
    findings.filter(({ verdict }) => verdict === "differs").map((finding) => ({ group, finding })),
  );

const words = (report, groups) => {
  const sure = percent(1 - report.alpha);
  const compared = `${number(report.compared)} requests compared`;
  if (report.verdict === "same") return `v2 does as well as v1, within the margins (${sure} sure, ${compared}).`;
  if (report.verdict !== "differs") return `Too few requests to tell yet (${compared}).`;
  const where = [...new Set(groups.map(({ group }) => group))];
  const worse = (finding) => finding.candidate > finding.baseline;
  const found = [...groups.map(({ finding }) => finding), ...report.findings.filter(({ verdict }) => verdict === "differs")];
  const how = found.every(worse) ? "worse than" : found.some(worse) ? "different from" : "better than";
  return `v2 is ${how} v1${where.length ? ` on ${where.join(", ")}` : ""} (at least ${sure} sure, ${compared}).`;
};

const group = ({ group, finding }) => html("li", {}, html("strong", {}, `${group}: ${finding.question} `), html("span"));

const row = ({ question }) =>
  html("tr", {}, html("td", {}, question), ...["n", "n", "n", ""].map((name) => html("td", { class: name })));

export const verdict = (points, now) => {
  const report = now.rule.ledger.verdict;
  at("verdict").hidden = !report;
  if (!report) return;
  badge("verdict-badge", report.verdict, KINDS[report.verdict] ?? "warn");
  const groups = differing(report);
  say(at("verdict-words"), words(report, groups));
  each(at("verdict-groups"), groups, ({ group, finding }) => `${group} ${finding.question}`, group, (item, { finding }) => {
    const values = [finding.baseline, finding.candidate].map((value) => amount(finding, value));
    say(item.lastElementChild, `${values[0]} at v1, ${values[1]} at v2; the true difference is ${between(finding)}`);
  });
  each(at("findings"), report.findings, ({ question }) => question, row, (item, finding) => {
    const cells = [amount(finding, finding.baseline), amount(finding, finding.candidate), between(finding), finding.verdict];
    cells.forEach((text, index) => say(item.children[index + 1], text));
  });
  chart(points);
};

const chart = (points) => {
  const place = at("verdict-chart");
  if (!place.firstElementChild) {
    place.append(html("p", { class: "soft" }, "Failures at v2 less those at v1, and the range that the true difference is in, over time:"), html("div"));
  }
  const known = points.flatMap(({ at, finding }) => {
    const { from, to } = finding?.difference ?? {};
    const is = typeof from === "number" && typeof to === "number";
    return is ? [{ at, from, to, baseline: finding.baseline, candidate: finding.candidate }] : [];
  });
  place.hidden = known.length < 2;
  if (place.hidden) return;
  const { from, to } = known.at(-1);
  band(place.lastElementChild, known, `Between ${signed(from)} and ${signed(to)} now`, signed);
};
