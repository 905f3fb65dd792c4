// The lines by which two texts differ.

export interface Row {
  sign: " " | "-" | "+";
  text: string;
}

/** By the longest common subsequence of what is between their common beginning and end. */
export function diff(before: string, after: string): Row[] {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const left = old.slice(start, old.length - end);
  const right = now.slice(start, now.length - end);
  if (left.length * right.length > 1e6) return [...left.map((text) => row("-", text)), ...right.map((text) => row("+", text))];
  return walk(left, right);
}

const row = (sign: Row["sign"], text: string): Row => ({ sign, text });

function walk(left: string[], right: string[]): Row[] {
  const common = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      common[i]![j] =
        left[i] === right[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
  const rows: Row[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length)
    if (i < left.length && j < right.length && left[i] === right[j]) {
      rows.push(row(" ", left[i]!));
      i++, j++;
    } else if (j >= right.length || (i < left.length && common[i + 1]![j]! >= common[i]![j + 1]!)) rows.push(row("-", left[i++]!));
    else rows.push(row("+", right[j++]!));
  return rows;
}
