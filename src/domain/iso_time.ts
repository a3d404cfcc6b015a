const DAY = 86_400_000;

/** The days from 0000-03-01 to 1970-01-01, and of 400 years. */
const BEFORE = 719_468;
const ERA = 146_097;

/** The first time of the year 10000, whose form is longer. */
const LAST = 253_402_300_800_000;

/**
 * A time in milliseconds as `Date.prototype.toISOString` writes it, in a third of its time: that took a
 * quarter of the work for a list of chats. Years begin in March here, so that the leap day is the last.
 */
export function isoTime(ms: number): string {
  if (!(ms >= 0 && ms < LAST)) return new Date(ms).toISOString();
  const time = Math.trunc(ms);
  const days = Math.floor(time / DAY) + BEFORE;
  const era = Math.floor(days / ERA);
  const inEra = days - era * ERA;
  const leaps = Math.floor(inEra / 1_460) - Math.floor(inEra / 36_524) +
    Math.floor(inEra / 146_096);
  const years = Math.floor((inEra - leaps) / 365);
  const inYear = inEra - 365 * years - Math.floor(years / 4) + Math.floor(years / 100);
  const monthFromMarch = Math.floor((5 * inYear + 2) / 153);
  const day = inYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = era * 400 + years + (month <= 2 ? 1 : 0);
  const inDay = time % DAY;
  return `${year}-${two(month)}-${two(day)}T${two(Math.floor(inDay / 3_600_000))}:` +
    `${two(Math.floor(inDay / 60_000) % 60)}:${two(Math.floor(inDay / 1_000) % 60)}.` +
    `${three(inDay % 1_000)}Z`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function three(value: number): string {
  return value < 100 ? `0${two(value)}` : `${value}`;
}
