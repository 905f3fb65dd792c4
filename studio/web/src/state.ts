// What the page knows, and what it says to the server.
import { signal } from "@preact/signals";

export interface Step {
  epoch: number;
  epochs: number;
  left: number;
  rate: number;
  size: [number, number];
  values: Record<string, number | null>;
}
export interface Point {
  epoch: number;
  values: Record<string, number | null>;
}
export interface Summary {
  id: number;
  kind: "run" | "film" | "resume";
  state: "waiting" | "loading" | "running" | "paused" | "done" | "stopped" | "failed";
  name: string;
  message: string;
  picture: string;
}
export interface Change {
  epoch: number;
  before: string;
  text: string;
  note: string;
}
/** An earlier picture of a run. */
export interface Moment {
  epoch: number;
  frame: number;
}
export interface Job extends Summary {
  text: string;
  step: Partial<Step>;
  points: Point[];
  changes: Change[];
  undo: number;
  frame: number;
  moments: Moment[];
  log: Line[];
}
export interface Line {
  message: string;
  time: number;
}
export interface Problem {
  line: number;
  column: number;
  message: string;
}
/** A value of the config, and how it is entered. */
export interface Field {
  id: string;
  group: string;
  name: string;
  doc: string;
  value: string;
  given: boolean;
  control: {
    type: "text" | "number" | "range" | "choice" | "switch" | "color" | "mask";
    options?: string[];
    word?: boolean;
    color?: string;
    min?: number;
    max?: number;
    step?: number | "any";
  };
}
export interface Picture {
  id: string;
  name: string;
  time: number;
  size: [number, number];
  made: boolean;
  film: boolean;
  resumable: boolean;
  favourite: boolean;
}
export interface Difference {
  path: string;
  before: string;
  after: string;
}
export interface Template {
  group: string;
  name: string;
  text: string;
}

export const folder = signal("");
export const jobs = signal<Summary[]>([]);
export const job = signal<Job | null>(null);
export const log = signal<Line[]>([]);
export const pictures = signal<Picture[]>([]);
export const word = signal("");
export const onlyFavourites = signal(false);
/** The pictures that are looked at side by side, by their ids. */
export const compared = signal<string[]>([]);
/** Whether this studio only shows. */
export const readOnly = signal(false);
export const templates = signal<Template[]>([]);
export const connection = signal<"opening" | "open" | "lost" | "refused">("opening");
export const notice = signal("");
export const problems = signal<Problem[]>([]);
export const fields = signal<Field[]>([]);
/** Whether a check takes long, as the first one does, which loads the plugins. */
export const checking = signal(false);

const MOST_POINTS = 1000;
const ENDED = ["done", "stopped", "failed"];

export const isOver = (one: Summary | null) => !one || ENDED.includes(one.state);

// The server

async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(path, init).catch(() => null);
  if (!answer) throw new Error("The studio does not answer.");
  const content = answer.headers.get("content-type")?.startsWith("application/json")
    ? await answer.json()
    : { message: await answer.text() };
  if (!answer.ok) throw new Error(content.message);
  return content as T;
}

export const get = <T>(path: string) => ask<T>(path);

export const post = <T>(path: string, content: unknown) =>
  ask<T>(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content) });

export const postPng = <T>(path: string, body: Blob) =>
  ask<T>(path, { method: "POST", headers: { "content-type": "image/png" }, body });

/** Does something, and tells what went wrong. */
export async function attempt<T>(what: Promise<T>): Promise<T | undefined> {
  try {
    const result = await what;
    notice.value = "";
    return result;
  } catch (error) {
    notice.value = error instanceof Error ? error.message : String(error);
    return undefined;
  }
}

export const check = (text: string) => post<{ problems: Problem[]; fields: Field[] }>("/check", { text });
export const run = (text: string) => attempt(post("/run", { text }));
export const change = (text: string) => attempt(post("/change", { text, job: job.value?.id }));
export const control = (what: string, id = job.value?.id) => attempt(post("/control", { what, job: id }));

export const rerun = (kind: "film" | "resume", id: string) => attempt(post("/rerun", { kind, id }));
export const differences = (one: string, other: string) =>
  attempt(get<{ differences: Difference[] }>(`/compare/${one}/${other}`));

export async function setFavourite(id: string, favourite: boolean) {
  await attempt(post("/favourite", { id, favourite }));
  await refresh();
}

export async function openPicture(id: string): Promise<string | undefined> {
  return (await attempt(get<{ text: string }>(`/picture/${id}/config`)))?.text;
}

/** The config of a file: of a picture that clipig made, or the file itself. */
export async function openFile(file: File): Promise<string | undefined> {
  if (/\.ya?ml$/i.test(file.name)) return attempt(file.text());
  return (await attempt(postPng<{ text: string }>("/open", file)))?.text;
}

export async function refresh() {
  const liked = onlyFavourites.value ? "&favourites" : "";
  const found = await get<Picture[]>(`/pictures?word=${encodeURIComponent(word.value)}${liked}`).catch(() => null);
  if (found) pictures.value = found;
}

async function refreshTemplates() {
  const found = await get<Template[]>("/templates").catch(() => null);
  if (found) templates.value = found;
}

// Events

interface Events {
  snapshot: { folder: string; readOnly: boolean; jobs: Summary[]; job: Job | null; log: Line[] };
  jobs: Summary[];
  job: Job;
  step: { job: number; frame: number; step?: Step };
  moments: { job: number; moments: Moment[] };
  log: Line;
  changed: { job: number; text: string; changes: Change[]; undo: number };
  refused: { job: number; message: string };
}

let stride = 1;
let count = 0;

function follow(begun: Job | null) {
  job.value = begun;
  stride = 1;
  count = 0;
  if (begun) log.value = begun.log;
}

/** A point more, as the server keeps them: every so many, so that a long run stays small. */
function added(points: Point[], step: Step): Point[] {
  if (count++ % stride) return points;
  const longer = [...points, { epoch: step.epoch, values: step.values }];
  if (longer.length <= MOST_POINTS) return longer;
  stride *= 2;
  return longer.filter((_, index) => index % 2 === 0);
}

const handlers: { [Name in keyof Events]: (content: Events[Name]) => void } = {
  snapshot(content) {
    folder.value = content.folder;
    readOnly.value = content.readOnly;
    jobs.value = content.jobs;
    log.value = content.log;
    follow(content.job);
    connection.value = "open";
    void refresh();
    void refreshTemplates();
  },
  jobs(content) {
    const over = (list: Summary[]) => list.filter(isOver).length;
    const ended = over(content) !== over(jobs.value);
    jobs.value = content;
    const mine = content.find((one) => one.id === job.value?.id);
    if (job.value && mine) job.value = { ...job.value, ...mine };
    if (!ended) return;
    void refresh();
    void refreshTemplates();
  },
  job: follow,
  step(content) {
    const mine = job.value;
    if (mine?.id !== content.job) return;
    const { step } = content;
    job.value = { ...mine, frame: content.frame, ...(step && { step, points: added(mine.points, step) }) };
  },
  moments(content) {
    if (job.value?.id === content.job) job.value = { ...job.value, moments: content.moments };
  },
  log(content) {
    log.value = [...log.value, content].slice(-200);
  },
  changed(content) {
    if (job.value?.id === content.job) job.value = { ...job.value, ...content, id: content.job };
  },
  refused(content) {
    notice.value = content.message;
  },
};

export function connect() {
  const source = new EventSource("/events");
  for (const [name, handle] of Object.entries(handlers))
    source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data)));
  source.onerror = () => {
    connection.value = source.readyState === EventSource.CLOSED ? "refused" : "lost";
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
}
