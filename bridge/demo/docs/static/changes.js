// Changes to blocks, and how two that were made at the same time go together: the rules of changes.py.

export function rebase(op, over, overIsEarlier) {
  const end = op.at + op.length;
  const overEnd = over.at + over.length;
  const overFirst = over.at < op.at || (over.at === op.at && overIsEarlier);
  if (overFirst && overEnd <= op.at) return { ...op, at: op.at + over.text.length - over.length };
  if (!overFirst && end <= over.at) return op;
  const rest = Math.max(0, end - overEnd);
  if (overFirst) return { ...op, at: over.at + over.text.length, length: rest };
  return { ...op, length: over.at - op.at + over.text.length + rest, text: op.text + over.text };
}

// Return the one splice that turns one text into another; no surrogate pair is cut.
export function difference(before, after) {
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && before[start] === after[start]) start += 1;
  if (start > 0 && isHigh(before.charCodeAt(start - 1))) start -= 1;
  let tail = 0;
  while (tail < shortest - start && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  if (tail > 0 && isLow(before.charCodeAt(before.length - tail))) tail -= 1;
  return { at: start, length: before.length - start - tail, text: after.slice(start, after.length - tail) };
}

const isHigh = (unit) => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit) => unit >= 0xdc00 && unit <= 0xdfff;

// Where a caret goes when a splice is applied around it.
export function moved(position, splice) {
  if (position <= splice.at) return position;
  if (position >= splice.at + splice.length) return position + splice.text.length - splice.length;
  return splice.at + splice.text.length;
}

// Changes of this side that the server hasn't acknowledged: one in flight, the rest waiting.
export class Pending {
  constructor(client) {
    this.client = client;
    this.count = 0;
    this.queue = [];
    this.flying = false;
  }

  get empty() { return this.queue.length === 0; }

  add(op) {
    const last = this.queue[this.queue.length - 1];
    // What was sent once keeps its text: the server may know it by its id already.
    if (last && !last.sent && last.do === 'splice' && op.do === 'splice' && last.block === op.block
        && op.length === 0 && op.at === last.at + last.text.length) {
      last.text += op.text;
      return;
    }
    this.count += 1;
    this.queue.push({ ...op, id: `${this.client}-${this.count}` });
  }

  // Take a change of someone else; return it as it must be applied here.
  meet(change) {
    let incoming = change;
    if (incoming.do !== 'splice') return incoming;
    this.queue = this.queue.map((mine) => {
      if (mine.do !== 'splice' || mine.block !== incoming.block) return mine;
      const rebased = rebase(mine, incoming, true);
      incoming = rebase(incoming, mine, false);
      return rebased;
    });
    return incoming;
  }

  touches(block) { return this.queue.some((op) => op.block === block); }

  settle(id) {
    if (this.empty || this.queue[0].id !== id) return false;
    this.queue.shift();
    this.flying = false;
    return true;
  }
}
