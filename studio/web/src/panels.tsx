// What stands around the picture: what can be done, what was changed, what waits, what was made.
import { diff } from "./diff";
import { applyText, goTo, runText, setText } from "./editor";
import {
  type Change,
  type Summary,
  change,
  checking,
  control,
  isOver,
  job,
  jobs,
  log,
  openFile,
  pictures,
  problems,
  readOnly,
  rerun,
  templates,
} from "./state";

const STATES: Record<Summary["state"], string> = {
  waiting: "waits",
  loading: "loads",
  running: "runs",
  paused: "paused",
  done: "done",
  stopped: "stopped",
  failed: "failed",
};

const KINDS: Record<Summary["kind"], string> = { run: "", film: ", as a film", resume: ", gone on with" };

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export async function open(given: Promise<string | undefined>) {
  const text = await given;
  if (text) setText(text);
}

export function EditorBar() {
  const groups = Map.groupBy(templates.value, (template) => template.group);
  const pick = (event: Event) => {
    const list = event.currentTarget as HTMLSelectElement;
    const chosen = templates.value[Number(list.value)];
    if (chosen) setText(chosen.text);
    list.value = "";
  };
  const file = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.[0]) void open(openFile(input.files[0]));
    input.value = "";
  };
  return (
    <div class="bar">
      <select aria-label="Start from" onChange={pick}>
        <option value="">Start from …</option>
        {[...groups].map(([name, members]) => (
          <optgroup label={name}>
            {members.map((template) => (
              <option value={templates.value.indexOf(template)}>{template.name}</option>
            ))}
          </optgroup>
        ))}
      </select>
      <label class="button">
        Open a file
        <input type="file" accept=".png,.yaml,.yml" onChange={file} />
      </label>
      <span class="space" />
      <button type="button" onClick={applyText} disabled={readOnly.value || isOver(job.value)} title="Ctrl+Shift+Enter">
        Apply
      </button>
      <button type="button" class="main" onClick={runText} disabled={readOnly.value} title="Ctrl+Enter">
        Run
      </button>
    </div>
  );
}

export function Problems() {
  return (
    <ul class="problems" role="status" aria-label="Problems of the config">
      {checking.value && <li class="hint">Checking …</li>}
      {problems.value.map((one) => (
        <li>
          <button type="button" onClick={() => goTo(one)}>
            <span>{`${one.line}:${one.column}`}</span> {one.message}
          </button>
        </li>
      ))}
    </ul>
  );
}

export function Controls() {
  const now = job.value;
  if (!now) return null;
  const over = isOver(now);
  const { epoch, epochs, left } = now.step;
  const paused = now.state === "paused";
  const kept = over && pictures.value.find((one) => one.resumable && `${one.name}.png` === now.picture);
  return (
    <div class="controls">
      <progress value={epoch ?? 0} max={epochs ?? 1} aria-label="Epochs" />
      <p>
        <strong data-state={now.state}>{STATES[now.state]}</strong>
        {epoch ? ` · epoch ${epoch} of ${epochs}` : ""}
        {now.state === "running" && left !== undefined ? ` · ${duration(left)} left` : ""}
      </p>
      {!over && (
        <div role="group" aria-label="The run" class="choice">
          <button type="button" onClick={() => control(paused ? "go" : "pause")}>
            {paused ? "Go on" : "Pause"}
          </button>
          <button type="button" onClick={() => control("step")}>
            One step
          </button>
          <button type="button" onClick={() => control("stop")}>
            Stop
          </button>
        </div>
      )}
      {kept && !readOnly.value && (
        <button type="button" onClick={() => rerun("resume", kept.id)}>
          Go on with this run
        </button>
      )}
      {now.message && <p class="problem">{now.message}</p>}
    </div>
  );
}

function Difference({ change: { before, text } }: { change: Change }) {
  return (
    <pre class="diff" tabIndex={0}>
      {diff(before, text).map(({ sign, text: line }) => (
        <span data-sign={sign}>{`${sign} ${line}\n`}</span>
      ))}
    </pre>
  );
}

export function Timeline() {
  const now = job.value;
  if (!now?.changes.length) return null;
  return (
    <section class="timeline">
      <h2>Changes</h2>
      <ol>
        {now.changes.map((one, index) => (
          <li>
            <details>
              <summary>
                after epoch {one.epoch}
                {one.note && `: ${one.note}`}
              </summary>
              <Difference change={one} />
              {!isOver(now) && index < now.changes.length - 1 && (
                <button type="button" onClick={() => change(one.text)}>
                  Go on with this config
                </button>
              )}
            </details>
          </li>
        ))}
      </ol>
      {!isOver(now) && now.undo > 0 && (
        <button type="button" onClick={() => control("undo")}>
          Undo the last change
        </button>
      )}
    </section>
  );
}

export function Queue() {
  const shown = jobs.value.filter((one) => !isOver(one) || one.id === job.value?.id || one.state === "failed");
  if (shown.length < 2) return null;
  return (
    <section class="queue">
      <h2>Queue</h2>
      <ol>
        {shown.map((one) => (
          <li>
            <span class="name">{one.name + KINDS[one.kind]}</span> <span data-state={one.state}>{STATES[one.state]}</span>
            {one.state === "waiting" && (
              <button type="button" aria-label={`Take ${one.name} out of the queue`} onClick={() => control("stop", one.id)}>
                Cancel
              </button>
            )}
            {one.state !== "waiting" && !isOver(one) && one.id !== job.value?.id && (
              <button type="button" aria-label={`Watch ${one.name}`} onClick={() => control("watch", one.id)}>
                Watch
              </button>
            )}
            {one.state === "failed" && <span class="problem">{one.message}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

export function Log() {
  if (!log.value.length) return null;
  return (
    <section class="log">
      <h2>Log</h2>
      <ul role="log" tabIndex={0}>
        {log.value.map((line) => (
          <li>{line.message}</li>
        ))}
      </ul>
    </section>
  );
}
