// Numbers as people read them. Values in, text out.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes, in powers of 1000 as disks and networks have them. */
export function bytes(number) {
  if (number === null || number === undefined) return "–";
  let [value, unit] = [number, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** So much of so much, with the unit once where it is the same. */
export function portion(done, total) {
  const [part, whole] = [bytes(done), bytes(total)];
  if (!(total > done)) return part;
  return part.endsWith(whole.slice(whole.indexOf(" "))) ? `${part.slice(0, part.indexOf(" "))} of ${whole}` : `${part} of ${whole}`;
}

/** A number with its thousands apart. */
export function count(number) {
  return number === null || number === undefined ? "–" : Math.round(number).toLocaleString("en");
}

/** One thing or several. */
export function many(number, one, several = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : several}`;
}

/** A span of time. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return seconds <= 0 ? "0 s" : `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  if (minutes < 60 * 48) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 60 / 24)} days`;
}

/** What is left, as a range. */
export function eta(range) {
  if (!range) return "";
  return range.low === range.high ? `${span(range.high)} left` : `${span(range.low)} to ${span(range.high)} left`;
}

/** A percentage that does not claim to be more exact than it is. */
export function percent(progress) {
  if (!progress) return "";
  const number = progress.percent >= 100 ? "100 %" : `${progress.percent.toFixed(progress.percent < 10 ? 1 : 0)} %`;
  return progress.estimate ? `about ${number}` : number;
}

/** A moment: today's by its time alone. */
export function moment(text) {
  if (!text) return "–";
  const at = new Date(text);
  const time = at.toLocaleTimeString("en-GB");
  const today = at.toDateString() === new Date().toDateString();
  return today ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

/** From one moment to another, or to now. */
export function between(from, to) {
  if (!from) return "–";
  return span(Math.max(0, ((to ? new Date(to) : new Date()) - new Date(from)) / 1000));
}

/** `catching_up`, `pre-data` as words. */
export function words(name) {
  return String(name ?? "").replaceAll(/[_-]/g, " ");
}

/** `clone` as the beginning of a sentence. */
export function title(name) {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
