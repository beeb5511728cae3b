// Writes the vectors of ../data/segment_vectors.jsonl to standard output, counted by sms-segments-calculator.
// Usage: node generate.mjs DIRECTORY, where DIRECTORY/node_modules holds the calculator. See README.md.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const { SegmentedMessage } = require("sms-segments-calculator");
const alphabet = Object.entries(require("sms-segments-calculator/dist/libs/UnicodeToGSM.js").default).map(
  ([code, septets]) => ({ char: String.fromCodePoint(Number(code)), septets: septets.length }),
);

const basic = alphabet.filter((entry) => entry.septets === 1).map((entry) => entry.char);
const extension = alphabet.filter((entry) => entry.septets === 2).map((entry) => entry.char);
assert.deepEqual([basic.length, extension.length], [127, 10]);

// --- What is counted -------------------------------------------------------------------------------------------

const bodies = new Set();
const add = (...parts) => bodies.add(parts.join(""));
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

// Every character alone, and those that are easily taken for one of the alphabet.
for (const char of [...basic, ...extension]) add(char);
for (const code of range(0, 0xff)) add(String.fromCodePoint(code));
for (const code of range(0x391, 0x3c9)) add(String.fromCodePoint(code));
for (const char of "\u2126\u2206\u212b\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u20a0\u20a4\uff5e\uff3b\ufeff\ufffd\uffff") {
  add(char);
  add("plain ", char, " text");
}

// GSM-7: every length around one, two, three and four parts; an escape sequence begun at every septet near a border.
const septetBorders = [153, 160, 306, 459];
for (const border of septetBorders) {
  for (const length of range(border - 2, border + 2)) {
    add("a".repeat(length));
    for (const at of range(border - 3, border + 1)) {
      for (const char of ["{", "€", "\f"]) {
        if (at + 2 <= length) add("a".repeat(at), char, "a".repeat(length - at - 2));
      }
    }
  }
}
for (const count of [...range(75, 82), ...range(151, 155), ...range(227, 231)]) {
  add("|".repeat(count));
  add("x", "|".repeat(count));
}
for (const parts of range(1, 4)) {
  // Each part loses a septet to the sequence that opens the next.
  for (const rest of range(150, 154)) add(`${"a".repeat(152)}^`.repeat(parts), "b".repeat(rest));
}

// UCS-2: the same with surrogate pairs.
const unitBorders = [67, 70, 134, 201];
for (const border of unitBorders) {
  for (const length of range(border - 2, border + 2)) {
    add("ы".repeat(length));
    for (const other of ["ы", "`"]) {
      // One character of the body decides its encoding, be it the first or the last.
      add(other, "a".repeat(length - 1));
      add("a".repeat(length - 1), other);
      add("[".repeat(length - 1), other);
    }
    for (const at of range(border - 3, border + 1)) {
      if (at + 2 <= length) add("ы".repeat(at), "🙂", "ы".repeat(length - at - 2));
      if (at + 2 <= length) add("a".repeat(at), "🙂", "{".repeat(length - at - 2));
    }
  }
}
for (const count of [...range(32, 37), ...range(65, 70), ...range(98, 102)]) {
  add("🙂".repeat(count));
  add("x", "🙂".repeat(count));
}
for (const parts of range(1, 4)) {
  for (const rest of range(64, 68)) add(`${"ы".repeat(66)}🙂`.repeat(parts), "b".repeat(rest));
}

// What readers take for one character, before, across and behind the borders.
const clusters = [
  "👩‍👩‍👧‍👦", // joined by ZWJ
  "👍🏽", // skin tone
  "🏴‍☠️", // ZWJ and variation selector
  "🇨🇺", // regional indicators
  "🏴󠁧󠁢󠁥󠁮󠁧󠁿", // tag sequence
  "1️⃣", // keycap
  "e\u0301", // a letter of the alphabet and a combining mark
  "n\u0303\u0320",
  "क्षि", // Devanagari conjunct
  "각", // Hangul jamo
  "นี้", // Thai marks
  "שָׁ", // Hebrew points
  "لا", // Arabic, right to left
  "\u202eabc\u202c", // an override
];
for (const cluster of clusters) {
  add(cluster);
  for (const at of [...range(58, 71), ...range(124, 135)]) add("x".repeat(at), cluster, "y".repeat(5));
  for (const count of [5, 9, 20]) add(cluster.repeat(count));
  // Two full parts, if the cluster may be cut.
  for (const at of range(57, 66)) add("x".repeat(at), cluster, "ы".repeat(2 * 67 - at - cluster.length));
}

// Line ends, which count one a character.
for (const at of [...range(151, 160), ...range(304, 306)]) add("a".repeat(at), "\r\n", "b".repeat(3));
for (const at of [...range(65, 70), ...range(132, 134)]) add("ы".repeat(at), "\r\n", "b".repeat(3));
for (const body of ["a\r\nb", "a\nb", "a\rb", "\r\n", "\n\r", "\r\n\r\n", "a\tb"]) add(body);

// Mixes, the same on every run: xorshift32.
let state = 0x5eed5eed;
const below = (limit) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
};
const pick = (from) => from[below(from.length)];
const words = [..."etaoin shrdlu 0123456789"];
const pools = [
  [words],
  [words, words, words, extension],
  [words, basic, extension],
  [words, ["ы", "ж", "中", "ק", "ç"]],
  [words, words, words, ["🙂", "𝒳", "👩🏽", "🇨🇺"], extension],
  [["🙂", "ы", "\u200d", "\u0301", "\ufe0f", "\r\n"], words],
];
for (let n = 0; n < 1_150; n++) {
  const pool = pick(pools);
  const length = pick([below(30), below(170), 60 + below(20), 125 + below(40), 290 + below(30)]);
  add(...Array.from({ length }, () => pick(pick(pool))));
}

// Excluded: the empty body. The calculator says one segment; here there is nothing to send (segment.rs says 0).
bodies.delete("");

// --- Counted ---------------------------------------------------------------------------------------------------

// The calculator keeps what readers take for one character (a grapheme cluster) in one part. 3GPP TS 23.040,
// 9.2.3.24.1 only wants escape sequences and characters whole, and no phone can be told where to cut; so the
// calculator's packing is given code points instead. Where that changes its answer the body must hold a cluster.
let clustered = 0;
const count = (body) => {
  const message = new SegmentedMessage(body);
  const own = message.segments.length;
  const points = message._encodeChars([...body]);
  const segments = message._buildSegments(points).length;
  if (own !== segments) {
    assert(own > segments);
    assert.equal(message.encodingName, "UCS-2");
    assert(message.graphemes.some((grapheme) => [...grapheme].length > 1));
    clustered += 1;
  }
  const encoding = { "GSM-7": "gsm7", "UCS-2": "ucs2" }[message.encodingName];
  return { body, encoding, segments, units: points.reduce((sum, point) => sum + point.codeUnits.length, 0) };
};

// What does not show, or joins to its neighbour, is escaped, so that a diff can be read.
const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
const line = (vector) =>
  JSON.stringify(vector).replace(/[\p{C}\p{M}\p{Zl}\p{Zp}\u00a0]/gu, (char) => char.replace(/[^]/g, escape));

for (const body of bodies) {
  const vector = line(count(body));
  assert.equal(JSON.parse(vector).body, body);
  process.stdout.write(`${vector}\n`);
}
process.stderr.write(`${bodies.size} vectors; ${clustered} of them the calculator counts longer, to keep clusters whole\n`);
