// Completion and help from the JSON Schema of the server, which knows all plugins that are installed.
import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import type { Text } from "@codemirror/state";

export interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  definitions?: Record<string, Schema>;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
  enum?: unknown[];
  type?: string | string[];
  default?: unknown;
  examples?: unknown[];
  description?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

/** Where something stands: the keys that lead there, with `[]` for the elements of a list. */
export interface Spot {
  path: string[];
  /** The key whose value is being written, or empty if a key is. */
  key: string;
  /** Where what is being written begins in the line. */
  from: number;
}

interface Token {
  text: string;
  column: number;
}

const KEY = /^("[^"]*"|'[^']*'|[^\s#{}[\],:-][^{}[\],:]*?)\s*:(?=\s|$)/;

/** The dashes and the key at the beginning of a line, with their columns, and where the rest begins. */
function tokens(line: string): { found: Token[]; rest: number } {
  const found: Token[] = [];
  let column = line.search(/\S|$/);
  while (/^-(\s|$)/.test(line.slice(column))) {
    found.push({ text: "[]", column });
    column += 1;
    column += line.slice(column).search(/\S|$/);
  }
  const key = KEY.exec(line.slice(column));
  if (key) found.push({ text: key[1]!.replace(/^["']|["']$/g, ""), column });
  return { found, rest: key ? column + key[0].length : column };
}

/** The path of a position in block style, and through the brackets of its own line. */
export function spot(doc: Text, position: number): Spot {
  const line = doc.lineAt(position);
  const before = line.text.slice(0, position - line.from);
  const { found, rest } = tokens(before);
  const key = found.at(-1)?.text !== "[]" && found.length ? found.pop()! : undefined;
  const column = key?.column ?? rest;
  const path = [...above(doc, line.number, found, column), ...(key ? [key.text] : [])];
  return inside(path, before.slice(rest), rest, Boolean(key));
}

/** The tokens of which a column is a part: each stands further left than the one after it. */
function above(doc: Text, number: number, own: Token[], column: number): string[] {
  const path: string[] = [];
  let last = "";
  const take = (row: Token[]) => {
    for (const token of [...row].reverse())
      if (token.column < column || (last === "[]" && token.text !== "[]" && token.column <= column)) {
        path.unshift(token.text);
        column = token.column;
        last = token.text;
      }
  };
  take(own);
  for (let up = number - 1; up > 0 && (column > 0 || last === "[]"); up--) {
    const text = doc.line(up).text;
    if (/^\s*(#|$)/.test(text)) continue;
    take(tokens(text).found);
  }
  return path;
}

/** On into brackets that are open at the end of a text. */
function inside(path: string[], text: string, offset: number, hasKey: boolean): Spot {
  const open: { length: number; list: boolean }[] = [];
  let start = text.search(/\S|$/);
  let isValue = hasKey;
  let here = path;
  for (let index = 0; index < text.length; index++) {
    const char = text[index]!;
    const flow = open.at(-1);
    if (char === "{" || char === "[") {
      open.push({ length: here.length, list: char === "[" });
      if (char === "[") here = [...here, "[]"];
      isValue = char === "[";
      start = index + 1;
    } else if ((char === "}" || char === "]") && flow) {
      open.pop();
      here = here.slice(0, flow.length);
    } else if (char === "," && flow) {
      here = here.slice(0, flow.length + (flow.list ? 1 : 0));
      isValue = flow.list;
      start = index + 1;
    } else if (char === ":" && flow && !flow.list && !isValue) {
      here = [...here, text.slice(start, index).trim()];
      isValue = true;
      start = index + 1;
    }
  }
  start += text.slice(start).search(/\S|$/);
  const last = here.at(-1) ?? "";
  return { path: here, key: isValue ? last : "", from: offset + start };
}

export class Language {
  constructor(private readonly root: Schema) {}

  /** All forms that a schema allows, without references. */
  private forms(schema: Schema, depth = 0): Schema[] {
    if (depth > 12) return [];
    const target = schema.$ref && this.root.definitions?.[schema.$ref.replace("#/definitions/", "")];
    const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(target ? [target] : [])];
    return [schema, ...parts.filter((part) => typeof part === "object").flatMap((part) => this.forms(part, depth + 1))];
  }

  private at(path: string[]): Schema[] {
    let found = this.forms(this.root);
    for (const key of path) {
      const next = found.flatMap((form) => {
        if (key === "[]") return form.items ? [form.items] : [];
        const pattern = Object.entries(form.patternProperties ?? {}).find(([one]) => new RegExp(one).test(key));
        const own = form.properties?.[key] ?? pattern?.[1];
        return own ? [own] : [];
      });
      found = next.flatMap((schema) => this.forms(schema));
    }
    return found;
  }

  private keys(path: string[]): Map<string, Schema> {
    return new Map(this.at(path).flatMap((form) => Object.entries(form.properties ?? {})));
  }

  complete = (context: CompletionContext): CompletionResult | null => {
    const line = context.state.doc.lineAt(context.pos);
    const { path, key, from } = spot(context.state.doc, context.pos);
    const typed = line.text.slice(from, context.pos - line.from);
    if (/^\s*#/.test(line.text) || (!context.explicit && !/^\w/.test(typed))) return null;
    const options: Completion[] = [];
    if (!key)
      for (const [name, schema] of this.keys(path))
        options.push({ label: name, apply: `${name}: `, type: "property", ...this.about(schema) });
    for (const value of this.values(path)) options.push({ label: value, type: "enum" });
    const valid = /^[\w./@-]*$/;
    return options.length && valid.test(typed) ? { from: line.from + from, options, validFor: valid } : null;
  };

  private values(path: string[]): string[] {
    const forms = this.at(path);
    const known = forms.flatMap((form) => [...(form.enum ?? []), ...(form.type === "boolean" ? [true, false] : [])]);
    return [...new Set(known.filter((value) => value !== null).map(String))];
  }

  private about(schema: Schema): { detail?: string; info?: string } {
    const info = this.help([schema]);
    const fallback = schema.default === undefined ? undefined : String(schema.default);
    return { ...(fallback && { detail: fallback }), ...(info && { info }) };
  }

  /** What is to be said of the name at a position. */
  hover(doc: Text, position: number): string {
    const line = doc.lineAt(position);
    const rest = /^[\w./@-]*/.exec(line.text.slice(position - line.from))![0].length;
    const end = position + rest;
    const { path, key, from } = spot(doc, end);
    const name = line.text.slice(from, end - line.from);
    const full = key || !name ? path : [...path, name];
    return this.help(this.at(full));
  }

  private help(schemas: Schema[]): string {
    const forms = schemas.flatMap((schema) => this.forms(schema));
    const first = <Name extends keyof Schema>(name: Name) => forms.find((form) => form[name] !== undefined)?.[name];
    const low = first("minimum") ?? first("exclusiveMinimum");
    const high = first("maximum");
    const bounds = [low !== undefined && Math.abs(low) < 1e15 && `from ${low}`, high !== undefined && high < 1e15 && `to ${high}`];
    const fallback = forms[0]?.default;
    const facts = [...bounds, fallback !== undefined && `default ${JSON.stringify(fallback)}`].filter(Boolean).join(", ");
    const example = first("examples")?.[0];
    return [first("description"), facts, example !== undefined && `Example: ${flow(example)}`].filter(Boolean).join("\n\n");
  }
}

/** A value as one would write it on a line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (value !== null && typeof value === "object")
    return `{${Object.entries(value).map(([key, one]) => `${key}: ${flow(one)}`).join(", ")}}`;
  return String(value);
}
