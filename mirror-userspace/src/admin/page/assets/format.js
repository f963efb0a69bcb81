// Numbers as people read them.

const digits = (most) => new Intl.NumberFormat("en", { maximumFractionDigits: most });
const [whole, tenth, hundredth] = [0, 1, 2].map(digits);

export const number = (value) => whole.format(value);

/** "1 route", "2 routes" */
export const many = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

export const perSecond = (value) => (value >= 100 ? whole : value >= 1 || value === 0 ? tenth : hundredth).format(value);

export const percent = (share) => {
  if (share === null || share === undefined) return "–";
  const value = share * 100;
  return `${(Math.abs(value) >= 10 ? tenth : hundredth).format(value)}\u00a0%`;
};

export const time = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1e-3) return `${whole.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds < 0.01 ? hundredth : tenth).format(seconds * 1e3)} ms`;
  return `${hundredth.format(seconds)} s`;
};
