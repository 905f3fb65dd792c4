// The editor: YAML with the checks, completion and help of the server.
import { acceptCompletion, autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, forceLinting, lintGutter, lintKeymap, linter } from "@codemirror/lint";
import { EditorState, type Text } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { Language, type Schema } from "./schema";
import { type Problem, change, check, checking, fields, get, isOver, job, problems, run } from "./state";

const DRAFT = "clipig-draft";
const FIRST = "look: emoji\nvars:\n  text: fox\n";

const colors = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--key)" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator, tags.meta], color: "var(--quiet)" },
]);

let view: EditorView;
let language: Language | null = null;

export const text = () => view.state.doc.toString();

/** Puts a text into the editor; the one before it is an undo away. */
export function setText(next: string) {
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: 0 } });
  view.focus();
}

/** Writes what differs, and leaves the cursor where it is. */
export function writeText(next: string) {
  const now = text();
  const shorter = Math.min(now.length, next.length);
  let start = 0;
  while (start < shorter && now[start] === next[start]) start++;
  let end = 0;
  while (end < shorter - start && now.at(-1 - end) === next.at(-1 - end)) end++;
  view.dispatch({ changes: { from: start, to: now.length - end, insert: next.slice(start, next.length - end) } });
}

export function runText() {
  forceLinting(view);
  void run(text());
}

export function applyText() {
  forceLinting(view);
  if (!isOver(job.value)) void change(text());
}

function diagnostic(doc: Text, problem: Problem): Diagnostic {
  const line = doc.line(Math.min(problem.line, doc.lines));
  const from = Math.min(line.from + problem.column - 1, line.to);
  const word = /^[^\s:,{}[\]]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 0;
  return { from, to: Math.min(from + Math.max(word, 1), line.to), severity: "error", message: problem.message };
}

async function diagnostics(editor: EditorView): Promise<Diagnostic[]> {
  const { doc } = editor.state;
  const slow = setTimeout(() => (checking.value = true), 500);
  const found = await check(doc.toString()).catch(() => ({ problems: [], fields: [] }));
  clearTimeout(slow);
  checking.value = false;
  if (!editor.state.doc.eq(doc)) return [];
  problems.value = found.problems;
  fields.value = found.fields;
  return found.problems.map((problem) => diagnostic(doc, problem));
}

/** Puts the cursor where a problem is. */
export function goTo(problem: Problem) {
  const { from } = diagnostic(view.state.doc, problem);
  view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
  view.focus();
}

const help = hoverTooltip((editor, position) => {
  const about = language?.hover(editor.state.doc, position);
  if (!about) return null;
  const create = () => {
    const dom = document.createElement("div");
    dom.className = "help";
    dom.textContent = about;
    return { dom };
  };
  return { pos: position, create };
});

export function openEditor(parent: HTMLElement) {
  const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";
  const doc = localStorage.getItem(DRAFT) ?? FIRST;
  const keys = [
    { key: "Mod-Enter", run: () => (runText(), true) },
    { key: "Mod-Shift-Enter", run: () => (applyText(), true) },
    { key: "Tab", run: acceptCompletion },
  ];
  view = new EditorView({
    parent,
    doc,
    extensions: [
      EditorView.cspNonce.of(nonce),
      keymap.of([...keys, ...completionKeymap, ...lintKeymap, ...historyKeymap, ...defaultKeymap]),
      lineNumbers(),
      history(),
      drawSelection(),
      highlightActiveLine(),
      bracketMatching(),
      closeBrackets(),
      indentOnInput(),
      EditorState.tabSize.of(2),
      EditorView.lineWrapping,
      yaml(),
      syntaxHighlighting(colors),
      linter(diagnostics, { delay: 250 }),
      lintGutter(),
      autocompletion({ override: [(context) => language?.complete(context) ?? null] }),
      help,
      EditorView.contentAttributes.of({ "aria-label": "Config, as YAML" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) localStorage.setItem(DRAFT, update.state.doc.toString());
      }),
    ],
  });
  void get<Schema>("/schema").then((schema) => (language = new Language(schema)), () => undefined);
}
