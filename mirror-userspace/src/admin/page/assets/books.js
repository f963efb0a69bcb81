// From the books, which only count, to what happens now: differences between messages.

import { overall, routes } from "./routes.js";

const WINDOW = 5; // seconds of which rates are, at least
const WIDEST = 60; // and at most, where the sum is of agents that are asked by turns
const QUANTILES = 30; // seconds of which quantiles are
const KEPT = 300; // points of a chart

const STATUSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/** Seconds of which rates are: each agent has to have told twice. */
export const span = ({ agents_turn_seconds: turn }) => Math.min(WIDEST, Math.max(WINDOW, turn ?? 0));

export const total = (named) => Object.values(named ?? {}).reduce((sum, count) => sum + count, 0);

/** The count at a path such as ["requests", "dropped", "gap"]; 0 if there is none. */
export const count = (ledger, path) => {
  let value = ledger;
  for (const name of path) value = value?.[name];
  if (typeof value === "number") return value;
  // Of what is not followed: the requests that are known of, or else the connections.
  return value?.connections ?? 0;
};

const quantile = (now, before, q) => {
  const counts = new Map(now);
  for (const [end, times] of before ?? []) counts.set(end, (counts.get(end) ?? 0) - times);
  const buckets = [...counts].filter(([, times]) => times > 0).sort(([a], [b]) => a - b);
  const all = buckets.reduce((sum, [, times]) => sum + times, 0);
  let rank = Math.ceil(all * q);
  for (const [end, times] of buckets) {
    rank -= times;
    if (rank <= 0) return end / 1e9;
  }
  return null;
};

/** Statuses of gRPC that a gateway to HTTP makes a 5xx of: such replies are 2xx by their heads. */
const GRPC_FAILURES = ["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"];

const failures = ({ replies, grpc_status }) =>
  (replies.answered?.["5xx"] ?? 0) + total(replies.failed) + GRPC_FAILURES.reduce((sum, status) => sum + (grpc_status?.[status] ?? 0), 0);

/** What was told so far, by rule. */
export class History {
  constructor() {
    this.told = [];
    this.points = new Map();
  }

  add(books) {
    const rules = new Map(books.rules.map((rule) => [rule.rule, rule]));
    this.told.push({ at: books.uptime_seconds, books, rules });
    const first = this.told.findIndex(({ at }) => at >= books.uptime_seconds - Math.max(QUANTILES, 2 * span(books)));
    this.told.splice(0, Math.max(0, first - 1));
    for (const name of this.points.keys()) if (!rules.has(name)) this.points.delete(name);
    for (const name of rules.keys()) {
      const points = this.points.get(name) ?? [];
      points.push(this.point(this.now(name)));
      points.splice(0, points.length - KEPT);
      this.points.set(name, points);
    }
  }

  point({ at, seen, sent, lost, rule }) {
    const report = rule.ledger.verdict;
    const all = report ? [...routes(report), overall(report)] : [];
    const found = new Map(all.map(({ name, finding }) => [name, finding]));
    return { at, seen, sent, lost, found };
  }

  get last() {
    return this.told.at(-1);
  }

  /** The rule as it was `seconds` ago, or at first. */
  before(name, seconds) {
    const then = this.told.find(({ at, rules }) => at >= this.last.at - seconds - 0.5 && rules.has(name));
    return then && { at: then.at, rule: then.rules.get(name) };
  }

  /** What happens at a rule now. Rates are per second, shares 0 to 1, times in seconds; null is unknown. */
  now(name) {
    const { at, books, rules } = this.last;
    const rule = rules.get(name);
    const recent = this.before(name, span(books));
    const longer = this.before(name, Math.max(QUANTILES, span(books)));
    const passed = at - recent.at;
    const rate = (pick) => (passed > 0 ? Math.max(0, pick(rule) - pick(recent.rule)) / passed : 0);
    // Where nothing happens now, what happened so far is better than nothing.
    const share = (part, whole) => {
      const all = whole(rule) - whole(recent.rule);
      if (all > 0) return Math.min(1, Math.max(0, (part(rule) - part(recent.rule)) / all));
      return whole(rule) > 0 ? part(rule) / whole(rule) : null;
    };
    const quantiles = (now, before) => [0.5, 0.99].map((q) => quantile(now, before, q) ?? quantile(now, null, q));
    const of = (index) => (it) => it.ledger.targets[rule.targets[index].target] ?? { requests: {}, replies: {} };
    const targets = rule.targets.map((target, index) => {
      const old = longer.rule.targets[index];
      const book = of(index);
      return {
        name: target.target,
        ratio: target.sample_ratio,
        least: target.sample_ratio_least ?? target.sample_ratio,
        queued: target.queued,
        sent: rate((it) => book(it).requests.sent ?? 0),
        lost: rate((it) => total(book(it).requests.dropped) + total(book(it).replies.failed)),
        errors: share(
          (it) => failures(book(it)),
          (it) => total(book(it).replies.answered) + total(book(it).replies.failed),
        ),
        latency: quantiles(target.latency, old?.latency),
        lag: quantiles(target.lag, old?.lag),
      };
    });
    const framed = (it) => Math.max(0, ...Object.values(it.ledger.targets).map((target) => target.requests.framed));
    const replies = (it) => STATUSES.reduce((sum, status) => sum + (it.ledger.replies_of_v1[status] ?? 0), 0);
    return {
      at,
      rule,
      targets,
      segments: rate((it) => it.ledger.segments.seen),
      seen: rate(rule.targets.length ? framed : (it) => it.ledger.requests.framed),
      sent: targets.reduce((sum, { sent }) => sum + sent, 0),
      lost: rate((it) => total(it.ledger.requests.dropped) + total(it.ledger.replies.failed) + it.ledger.segments.ring_full),
      errors: share((it) => it.ledger.replies_of_v1["5xx"] ?? 0, replies),
      hears: replies(rule) > 0,
      latency: quantiles(rule.v1_latency, longer.rule.v1_latency),
      rate,
    };
  }
}
