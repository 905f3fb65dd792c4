// The form: what the config says, with controls as its declarations want them. Each change is one of the text.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { text, writeText } from "./editor";
import { type Field, attempt, fields, post, problems } from "./state";

/** The field that is looked at, whose meaning stands below. */
const about = signal<Field | null>(null);

/** Changes are made one after the other, each of the text that the last one left. */
let last: Promise<unknown> = Promise.resolve();

export function put(field: Field, value: string) {
  last = last.then(async () => {
    const before = text();
    const answer = await attempt(post<{ text: string }>("/set", { text: before, id: field.id, value }));
    if (answer && text() === before) writeText(answer.text);
  });
}

/** A control that keeps what is being entered when the config is read anew. */
function Entry({ field, id }: { field: Field; id: string }) {
  const element = useRef<HTMLInputElement & HTMLSelectElement>(null);
  const shown = useRef<HTMLOutputElement>(null);
  const { type, options, word: _, color, ...bounds } = field.control;
  const value = color ?? field.value;
  useEffect(() => {
    const entry = element.current!;
    if (type === "switch") entry.checked = value === "true";
    else if (entry.value !== value && (document.activeElement !== entry || type === "choice" || type === "range")) entry.value = value;
    if (shown.current) shown.current.value = entry.value;
  }, [field]);
  const send = () => {
    const entry = element.current!;
    put(field, type === "switch" ? String(entry.checked) : entry.value);
  };
  const look = () => (about.value = field);
  const common = { id, ref: element, onChange: send, onFocus: look, onMouseEnter: look, "aria-description": field.doc };
  if (type === "choice")
    return (
      <select {...common}>
        {options!.map((one) => (
          <option value={one}>{one}</option>
        ))}
      </select>
    );
  if (type === "switch") return <input {...common} type="checkbox" role="switch" />;
  const slide = () => shown.current && (shown.current.value = element.current!.value);
  return (
    <>
      <input {...common} type={type as "text"} {...bounds} onInput={slide} defaultValue={value} spellcheck={false} autocomplete="off" />
      {type === "range" && <output ref={shown} for={id} />}
    </>
  );
}

function Group({ name, members }: { name: string; members: Field[] }) {
  return (
    <fieldset>
      <legend>{name}</legend>
      {members.map((field) => (
        <p key={`${field.id} ${field.control.type}`} class="field">
          <label for={`field ${field.id}`}>{field.name}</label>
          <Entry field={field} id={`field ${field.id}`} />
        </p>
      ))}
    </fieldset>
  );
}

const groups = (members: Field[]) => [...Map.groupBy(members, (field) => field.group)];

export function Form() {
  if (!fields.value.length) return null;
  const shown = fields.value.filter((field) => field.control.type !== "mask"); // which is painted
  const given = shown.filter((field) => field.given || field.group === "Words");
  const others = shown.filter((field) => !given.includes(field));
  return (
    <details class="form">
      <summary>Form</summary>
      {groups(given).map(([name, members]) => (
        <Group key={name} name={name} members={members} />
      ))}
      {others.length > 0 && (
        <details>
          <summary>What stays as it is by default</summary>
          {groups(others).map(([name, members]) => (
            <Group key={name} name={name} members={members} />
          ))}
        </details>
      )}
      <p class="hint about">
        {problems.value.length ? "All values are here again when the problems are solved. " : ""}
        {about.value ? `${about.value.name}: ${about.value.doc}` : "Each change is made in the text, and Ctrl+Z there takes it back."}
      </p>
    </details>
  );
}
