// What was found out about each route: which differs most, by how much, and how sure that is.

import { number, percent, time } from "./format.js";

const DIFFERS = "differs";

const isTime = ({ question }) => question.startsWith("latency");

/** Whether this is more of something that nobody wants more of, or less. Other contents are neither. */
export const isWorse = ({ question, baseline, candidate }) => question !== "contents" && candidate > baseline;
export const isBetter = ({ question, baseline, candidate }) => question !== "contents" && candidate < baseline;

export const differs = (finding) => finding.verdict === DIFFERS;

/** Infinite evidence has no number in JSON. */
const evidence = ({ e_value: value }) => (value === null ? Infinity : value);

/** Those that differ first, worse before better, then by evidence; nothing found out is last. */
const byWeight = (a, b) => weight(b) - weight(a) || evidence(b) - evidence(a);
const weight = (finding) => (differs(finding) ? (isWorse(finding) ? 3 : 2) : finding.verdict === "same" ? 0 : 1);

/** The finding that says most. Of those that say nothing, the first is about failures. */
const foremost = (findings) => [...findings].sort((a, b) => weight(b) - weight(a) || (differs(a) ? evidence(b) - evidence(a) : 0))[0];

const compared = ({ neither, both, only_baseline, only_candidate }) => neither + both + only_baseline + only_candidate;

/** Each group of requests with its foremost finding, the worst first. */
export const routes = (report) =>
  Object.entries(report.groups)
    .filter(([, findings]) => findings.length > 0)
    .map(([name, findings]) => ({ name, finding: foremost(findings), findings, compared: compared(report.counts.groups[name].failures) }))
    .sort((a, b) => byWeight(a.finding, b.finding));

/** Of all requests, in the same form. */
export const overall = (report) => ({
  name: "",
  finding: foremost(report.findings),
  findings: report.findings,
  compared: report.compared,
});

export const amount = (finding, value) => (value === null ? "not known" : isTime(finding) ? time(value) : percent(value));

const signed = (share) => (share > 0 ? "+" : "") + percent(share);

/** The true difference lies in here: of latencies relative, null is not known yet. */
export const between = ({ difference: { from, to } }) => (from === null || to === null ? "not known yet" : `${signed(from)} to ${signed(to)}`);

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** How seldom equal versions would look so different, however often one looks: at most once in this many runs (Ville). */
export const seldom = (finding) => {
  const times = evidence(finding);
  if (times < 1e6) return number(Math.floor(times));
  const power = Math.floor(Math.log10(Math.min(times, 1e300)));
  return `10${[...String(power)].map((digit) => RAISED[digit]).join("")}`;
};

const what = (finding) => {
  const { question } = finding;
  if (question === "failures") return (value) => `${value} of requests fail`;
  if (question === "client errors") return (value) => `${value} of requests are answered with 4xx`;
  if (question === "contents") return (value) => `${value} of replies differ`;
  return (value) => `${question} is ${value}`;
};

/** "100 % of requests fail at v2, 0 % at v1; the true difference is +89.2 % to +100 %" */
export const inWords = (finding) => {
  const [v1, v2] = [finding.baseline, finding.candidate].map((value) => amount(finding, value));
  return `${what(finding)(v2)} at v2, ${v1} at v1; the true difference is ${between(finding)}`;
};

/** "Were both equal, this would be seen at most once in 10²¹ runs." */
export const sureness = (finding) => `Were both equal, one would see this at most once in ${seldom(finding)} runs.`;
