// Faults of a page's layout, by the boxes of its texts: cut off, lying over each
// other, out of the window. Text inside a canvas cannot be asked and is left out.
() => {
  const INK = 0.86; // of the font's size: what letters of Hangul and Latin fill
  const SMALLEST = 9; // pixels of a font
  const SLACK = 1.5; // pixels
  const faults = new Set();
  const wide = document.documentElement.clientWidth;
  const name = (text) => text.trim().replace(/\s+/g, " ").slice(0, 50);
  const parentOf = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host ?? null;

  for (const box of [document.documentElement, document.querySelector("[data-testid=stMain]")]) {
    if (!box || box.scrollWidth <= box.clientWidth + 1) continue;
    const edge = box.getBoundingClientRect().left + box.clientLeft + box.clientWidth;
    const wider = [...box.querySelectorAll("*")].filter((each) => {
      const { right } = each.getBoundingClientRect();
      return right > edge + 1 && right - edge <= box.scrollWidth - box.clientWidth + 1;
    });
    faults.add(`the page scrolls sideways by ${box.scrollWidth - box.clientWidth}: ` +
      wider.slice(-3).map((each) => `${where(each)} "${name(each.textContent)}"`).join("; "));
  }

  const styles = new Map();
  const styleOf = (element) => {
    if (!styles.has(element)) styles.set(element, getComputedStyle(element));
    return styles.get(element);
  };
  const scrolls = (value) => value === "auto" || value === "scroll";
  const cuts = (value) => value === "hidden" || value === "clip";

  function* texts(root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ALL);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE && node.data.trim()) yield node;
      if (node.shadowRoot) yield* texts(node.shadowRoot);
    }
  }

  const boxes = [];
  for (const node of texts(document.body)) {
    const element = parentOf(node);
    if (!element || ["SCRIPT", "STYLE", "TITLE", "OPTION", "NOSCRIPT"].includes(element.tagName)) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const chain = [];
    for (let each = element; each; each = parentOf(each)) chain.push(each);
    if (chain.some((each) => each.tagName === "CANVAS")) continue;
    // Hidden from the eye, left for the ear.
    if (chain.some((each) => {
      const style = styleOf(each);
      return (style.position === "absolute" && each.clientWidth <= 1 && each.clientHeight <= 1
        && cuts(style.overflowX)) || (style.clip !== "auto" && style.clip !== "") ;
    })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const size = parseFloat(styleOf(element).fontSize);
    // In SVG the boxes are drawn larger or smaller than the font says.
    const drawn = element.ownerSVGElement?.getScreenCTM()?.a ?? 1;
    let rects = [...range.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0.5);
    rects = rects.map((rect) => {
      const ink = Math.min(rect.height, size * INK * drawn);
      const middle = (rect.top + rect.bottom) / 2;
      return { left: rect.left, right: rect.right, top: middle - ink / 2, bottom: middle + ink / 2 };
    });
    if (!rects.length) continue;
    if (size * drawn < SMALLEST) faults.add(`too small to read: "${name(node.data)}" (${size * drawn})`);
    const told = chain.slice(0, 4).some((each) => each.title);
    let scrolled = false;
    for (const each of chain) {
      const style = styleOf(each);
      if (style.display === "inline" || style.display === "contents") continue;
      const outer = each.getBoundingClientRect();
      const inner = {
        left: outer.left + each.clientLeft, top: outer.top + each.clientTop,
        right: outer.left + each.clientLeft + each.clientWidth,
        bottom: outer.top + each.clientTop + each.clientHeight,
      };
      const isRoot = each === document.documentElement || each === document.body;
      if (!isRoot && !(each instanceof SVGElement)) {
        for (const rect of rects) {
          const aside = rect.right > inner.right + SLACK || rect.left < inner.left - SLACK;
          const below = rect.bottom > inner.bottom + SLACK || rect.top < inner.top - SLACK;
          if (scrolls(style.overflowX) && aside) scrolled = true;
          else if (cuts(style.overflowX) && aside && style.textOverflow === "ellipsis" && told) {
            rect.left = Math.max(rect.left, inner.left); // drawn so, whole in its title
            rect.right = Math.min(rect.right, inner.right);
          }
          else if (cuts(style.overflowX) && aside && !scrolled)
            faults.add(`cut off at the side: "${name(node.data)}" in ${where(each)}`);
          if (scrolls(style.overflowY) && below) scrolled = true;
          else if (cuts(style.overflowY) && below && !scrolled)
            faults.add(`cut off in height: "${name(node.data)}" in ${where(each)}`);
        }
      }
      if (scrolled) break;
      if (style.position === "fixed") break;
    }
    if (scrolled) continue;
    for (const rect of rects) {
      if (rect.right > wide + SLACK || rect.left < -SLACK)
        faults.add(`out of the window: "${name(node.data)}"`);
      boxes.push({ ...rect, node, element });
    }
  }

  function where(element) {
    const id = element.dataset?.testid ?? element.getAttribute?.("class")?.split(" ")[0] ?? "";
    return `${element.tagName.toLowerCase()}.${id}`;
  }

  // What a person chose or typed must be readable in its field.
  for (const field of document.querySelectorAll("input, textarea")) {
    if (!field.value || !field.checkVisibility() || ["range", "checkbox", "radio", "hidden", "password"].includes(field.type)) continue;
    if (field.tagName === "INPUT" && field.scrollWidth > field.clientWidth + 2 && !field.title)
      faults.add(`cut off in its field: "${name(field.value)}"`);
  }

  boxes.sort((a, b) => a.top - b.top);
  for (let i = 0; i < boxes.length; i += 1) {
    const a = boxes[i];
    for (let j = i + 1; j < boxes.length && boxes[j].top < a.bottom - SLACK; j += 1) {
      const b = boxes[j];
      if (a.node === b.node) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - b.top;
      if (across > SLACK && down > SLACK)
        faults.add(`over each other: "${name(a.node.data)}" and "${name(b.node.data)}"`);
    }
  }
  return [...faults];
}
