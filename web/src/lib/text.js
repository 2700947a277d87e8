// Values from outside, made safe and readable for people.
// SPDX-License-Identifier: Apache-2.0

// Characters that hide or reorder text: a file named "gpj.exe" must not look like "exe.jpg".
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Text with every invisible or reordering character written out as ⟨U+202E⟩. */
export function visible(value) {
  return String(value ?? '').replace(
    HIDDEN,
    (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}

/** 1536 -> "1.5 KiB (1,536 bytes)" */
export function bytes(n) {
  if (typeof n !== 'number' || !Number.isFinite(n)) return '';
  const exact = `${n.toLocaleString('en')} ${n === 1 ? 'byte' : 'bytes'}`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = '';
  for (const u of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = u;
  }
  return unit === '' ? exact : `${value.toFixed(value < 10 ? 1 : 0)} ${unit} (${exact})`;
}

/** Moment in the reader's own time zone, with the zone's name. */
export function moment(iso) {
  const at = new Date(iso ?? '');
  if (Number.isNaN(at.getTime())) return '';
  return new Intl.DateTimeFormat(undefined, {
    dateStyle: 'medium',
    timeStyle: 'short',
  }).format(at);
}

/** "in 3 hours", "2 days ago" */
export function relative(iso, now = Date.now()) {
  const at = new Date(iso ?? '').getTime();
  if (Number.isNaN(at)) return '';
  const steps = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ];
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
  for (const [unit, ms] of steps) {
    const n = Math.trunc((at - now) / ms);
    if (n !== 0) return words.format(n, unit);
  }
  return at > now ? 'in less than a minute' : 'just now';
}

/** A digest in groups of eight, easier to compare by eye. */
export function grouped(hex) {
  return visible(hex).match(/.{1,8}/g) ?? [];
}

/** Only web addresses become links; anything else stays text. */
export function webLink(value) {
  try {
    const url = new URL(String(value));
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : '';
  } catch {
    return '';
  }
}

/** "ProductVersion" or "productVersion" -> "Product version" */
export function label(key) {
  const words = visible(key)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[._]/g, ' ')
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}
