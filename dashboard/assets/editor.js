// The SQL editor: Ace, as shipped in an installed package, with the views' own words.
// Text stays in the browser while it is typed; it goes to the server when typing
// pauses, and is kept for this tab, so that a restart of the server loses none of it.

const PAUSE_MS = 250;
const KEPT = "dongseon-sql-";

let engine; // promise of Ace, loaded once per page

export default function mount(component) {
  const root = component.parentElement.querySelector(".sql-editor");
  root.sqlEditor ??= new Editor(root);
  clearTimeout(root.sqlEditor.farewell);
  root.sqlEditor.update(component);
  return () => {
    root.sqlEditor.farewell = setTimeout(() => root.sqlEditor?.destroy(), 500);
  };
}

class Editor {
  constructor(root) {
    this.root = root;
  }

  async update(component) {
    this.component = component;
    this.data = component.data;
    if (!this.ace) {
      engine ??= load(this.data.engine);
      const ace = await engine;
      if (this.gone) return;
      if (!this.ace) this.open(ace);
    }
    if (this.version !== this.data.version) {
      const kept = this.version === undefined ? this.restored() : null;
      this.version = this.data.version;
      this.set(kept ?? this.data.text);
      if (kept !== null && kept !== this.data.text) this.tell();
    }
  }

  open(ace) {
    const place = document.createElement("div");
    place.className = "sql-editor-text";
    this.root.replaceChildren(place);
    this.ace = ace.edit(place, {
      mode: "ace/mode/sql",
      theme: "ace/theme/github_light_default",
      useWorker: false,
      showPrintMargin: false,
      fontSize: 14,
      tabSize: 2,
      minLines: 9,
      maxLines: 22,
      highlightActiveLine: false,
      enableBasicAutocompletion: true,
      enableLiveAutocompletion: true,
      enableKeyboardAccessibility: true,
      textInputAriaLabel: this.data.texts.label,
      placeholder: this.data.texts.placeholder,
    });
    this.ace.completers = [
      { getCompletions: (_, session, at, prefix, done) => done(null, this.words(session, at)) },
    ];
    this.ace.commands.addCommand({
      name: "run",
      bindKey: { win: "Ctrl-Enter", mac: "Command-Enter" },
      exec: () => {
        this.tell();
        this.component.setTriggerValue("run", Date.now());
      },
    });
    this.ace.on("change", () => {
      if (this.setting) return;
      clearTimeout(this.telling);
      this.telling = setTimeout(() => this.tell(), PAUSE_MS);
    });
    this.ace.on("blur", () => {
      if (this.telling) this.tell();
    });
  }

  set(text) {
    this.setting = true;
    this.ace.setValue(text, 1);
    this.setting = false;
    this.keep(text);
  }

  tell() {
    clearTimeout(this.telling);
    this.telling = null;
    const text = this.ace.getValue();
    this.keep(text);
    this.component.setStateValue("draft", { text, version: this.version });
  }

  keep(text) {
    try {
      sessionStorage.setItem(KEPT + this.data.owner, text);
    } catch {
      // Kept by the server only.
    }
  }

  restored() {
    if (this.data.version) return null; // the server knows better
    try {
      return sessionStorage.getItem(KEPT + this.data.owner);
    } catch {
      return null;
    }
  }

  // After "t." the columns of the view that t stands for; otherwise everything.
  words(session, { row, column }) {
    const { views, functions, keywords } = this.data;
    const before = session.getLine(row).slice(0, column);
    const alias = /([\w"]+)\.\w*$/.exec(before)?.[1]?.toLowerCase();
    const named = this.aliases(session.getValue());
    if (alias) {
      const view = views.find(({ name }) => name === (named.get(alias) ?? alias));
      return view ? columns(view, 1000) : [];
    }
    const used = new Set(named.values());
    return [
      ...views.flatMap((view) => columns(view, used.has(view.name) ? 900 : 500)),
      ...views.map(({ name, about }) => word(name, "view", 800, about)),
      ...keywords.map((name) => word(name, "SQL", 400)),
      ...functions.map((name) => word(name, "function", 300)),
    ];
  }

  aliases(text) {
    const found = new Map();
    const pattern = /\b(?:from|join)\s+(\w+)(?:\s+(?:as\s+)?(?!(?:on|using|where|group|order|join|left|right|asof|cross|limit|qualify|having)\b)(\w+))?/gi;
    for (const [, view, alias] of text.matchAll(pattern)) {
      found.set(view.toLowerCase(), view.toLowerCase());
      if (alias) found.set(alias.toLowerCase(), view.toLowerCase());
    }
    return found;
  }

  destroy() {
    this.gone = true;
    clearTimeout(this.telling);
    this.ace?.destroy();
    delete this.root.sqlEditor;
  }
}

function columns({ name, columns: all }, score) {
  return all.map(([column, type, meaning]) =>
    word(column, `${name} · ${type.toLowerCase()}`, score, meaning),
  );
}

function word(value, meta, score, about) {
  const docHTML = about ? `<b>${escape(value)}</b><br>${escape(about)}` : undefined;
  return { caption: value, value, meta, score, docHTML };
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

// One after the other: the later ones define themselves in the first.
async function load(addresses) {
  for (const address of addresses) {
    await import(new URL(address, window.location.origin).href);
  }
  return window.ace;
}
