// Where a patient is at a moment: seen, inferred, or (between legs) unknown.

export function position(legs, now) {
  let held = null;
  for (const leg of legs) {
    const last = leg.t.length - 1;
    if (now < leg.t[0]) break;
    if (now <= leg.t[last]) {
      let index = 1;
      while (index < last && leg.t[index] < now) index += 1;
      if (last === 0) return { at: leg.p[0], kind: leg.kind, leg };
      const span = leg.t[index] - leg.t[index - 1] || 1;
      const share = Math.min(1, (now - leg.t[index - 1]) / span);
      const [a, b] = [leg.p[index - 1], leg.p[index]];
      const at = [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
      return { at, kind: leg.kind, leg };
    }
    held = leg.p[last];
  }
  return { at: held, kind: "unknown", leg: null };
}
